//! What stands in for `core`, for memory, and for the machine around the source that is modelled.

pub(crate) mod atomic;
pub(crate) mod cpu;
pub(crate) mod device;
pub(crate) mod function;
pub(crate) mod lock;
pub(crate) mod memory;
pub(crate) mod stack;
pub(crate) mod waker;
pub(crate) mod window;
