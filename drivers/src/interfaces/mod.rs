//! The interfaces that drivers of one class of devices share, so that a device can be used without knowing its driver.

pub mod block;
pub mod console;
pub mod display;
pub mod keyboard;
pub mod network;
pub mod random;
pub mod share;
