//! The synchronisation primitives that the rest of the crate is built on, under one name.
//!
//! Every other file imports atomics, fences, the spin lock and wakers from here, and not from the crates that have them. The
//! package `switchboard-loom` compiles the same files with another module in this place: its atomics are loom's, and its
//! [`planted!`] can choose the other arm.

pub(crate) use alloc::boxed::Box;
pub(crate) use core::hint::spin_loop;
pub(crate) use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

pub(crate) use atomic_waker::AtomicWaker;
pub(crate) use spin::mutex::{SpinMutex, SpinMutexGuard};

/// Marks where the models of `switchboard-loom` plant a bug, to see that they notice it.
///
/// `planted!(right, "name" => wrong)` is `right` here, and `wrong` in the model's run that plants the bug of that name.
/// `planted!("name" => wrong)` is nothing here: a statement that only the bug adds.
macro_rules! planted {
    ($bug:literal => $wrong:expr) => {};
    ($right:expr $(, $bug:literal => $wrong:expr)+ $(,)?) => {
        $right
    };
}
pub(crate) use planted;
