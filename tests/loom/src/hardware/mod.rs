//! The hardware around the models: a CPU that takes interrupts, a device that sends messages, and the machine of the two.

pub(crate) mod cpu;
pub(crate) mod device;
pub(crate) mod machine;
