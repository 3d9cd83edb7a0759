//! The drivers' own source, with [bugs planted](planted) in it one at a time, which the tests on QEMU's device models must catch.

#![no_std]

extern crate alloc;
extern crate std;

#[path = "../../../drivers/src/adaptive_polling/mod.rs"]
pub mod adaptive_polling;
#[path = "../../../drivers/src/ahci/mod.rs"]
pub mod ahci;
#[path = "../../../drivers/src/e1000/mod.rs"]
pub mod e1000;
#[path = "../../../drivers/src/e1000e/mod.rs"]
pub mod e1000e;
#[path = "../../../drivers/src/edu/mod.rs"]
pub mod edu;
#[path = "../../../drivers/src/igb/mod.rs"]
pub mod igb;
#[path = "../../../drivers/src/intel/mod.rs"]
mod intel;
#[path = "../../../drivers/src/interfaces/mod.rs"]
pub mod interfaces;
#[path = "../../../drivers/src/nvme/mod.rs"]
pub mod nvme;
pub mod planted;
#[path = "../../../drivers/src/requests/mod.rs"]
mod requests;
#[path = "../../../drivers/src/ring_nic/mod.rs"]
mod ring_nic;
#[expect(dead_code, reason = "USB sticks, which use the rest of it, are not compiled here")]
#[path = "../../../drivers/src/scsi.rs"]
mod scsi;
#[path = "../../../drivers/src/virtio/mod.rs"]
pub mod virtio;
