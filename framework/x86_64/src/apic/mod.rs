//! Interrupt controllers: local APIC, I/O APICs, and the 8259 pair that must keep quiet.

mod controller;
mod io;
mod legacy;
pub(super) mod local;

pub(super) use controller::Controller;
pub(super) use io::IoApics;
pub(super) use legacy::silence as silence_legacy;
