//! Interrupt controllers: the local APIC, the I/O APICs, and the masked 8259 pair.

mod controller;
mod io;
mod legacy;
pub(super) mod local;

pub(super) use controller::Controller;
pub(super) use io::IoApics;
pub(super) use legacy::mask_all as mask_legacy;
