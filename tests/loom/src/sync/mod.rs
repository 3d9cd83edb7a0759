//! In place of the framework's `sync`: its lock and fence, on primitives that loom watches.

mod atomic;
mod cpu;
#[path = "../../../../framework/src/sync/fence.rs"]
mod fence;
#[path = "../../../../framework/src/sync/lock.rs"]
mod lock;
pub(crate) mod memory;
mod mutex;
pub(crate) mod primitives;
mod waker;

pub use fence::device_fence;
pub use lock::{IrqLock, IrqLockGuard};

pub(crate) use cpu::{stack_pointer, ticks};
pub(crate) use fence::{enable_io_fence, set_fence_call};
