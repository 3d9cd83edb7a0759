//! In place of the framework's primitives: loom's.

pub(crate) use loom::hint::spin_loop;
pub(crate) use loom::sync::atomic::fence;

pub(crate) use super::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
pub(crate) use super::memory::Box;
pub(crate) use super::mutex::{SpinMutex, SpinMutexGuard};
pub(crate) use super::waker::AtomicWaker;

/// Chooses at run time between what is right and the bug that is planted in this run. A name that [`PLANTED`](crate::planted::PLANTED)
/// does not have is a compile error.
macro_rules! planted {
    ($bug:literal => $wrong:expr) => {
        if $crate::planted::is_planted(const { $crate::planted::index($bug) }) {
            $wrong;
        }
    };
    ($right:expr $(, $bug:literal => $wrong:expr)+ $(,)?) => {
        $(if $crate::planted::is_planted(const { $crate::planted::index($bug) }) { $wrong } else)+ { $right }
    };
}
pub(crate) use planted;
