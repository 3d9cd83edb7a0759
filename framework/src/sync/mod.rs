//! A lock that tasks and interrupt handlers share, and the fence between a CPU and its devices.

mod cpu;
mod fence;
mod lock;
pub(crate) mod primitives;

pub use fence::device_fence;
pub use lock::{IrqLock, IrqLockGuard};

pub(crate) use cpu::{stack_pointer, ticks};
pub(crate) use fence::{enable_io_fence, set_fence_call};
