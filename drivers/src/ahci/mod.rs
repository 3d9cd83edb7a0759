//! AHCI controllers with SATA disks and CD drives: any number at up to 32 ports, each a disk of its own, plugged in at any time.
//!
//! Section numbers are those of the AHCI specification 1.3.1, unless another one is named. Commands of disks that queue them (NCQ)
//! are in flight up to 32 at a time. With QEMU: `-drive if=none,id=d,.. -device ide-hd,drive=d` on a q35, or at the ports of a
//! `-device ich9-ahci,id=a` by `bus=a.0`.
//!
//! ```no_run
//! use switchboard::driver::attach;
//! use switchboard::function::Function;
//! use switchboard_drivers::ahci::Ahci;
//! use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, DiskController};
//!
//! async fn first_sectors(function: Function) -> Result<Vec<[u8; 512]>, BlockError> {
//!     let mut controller: Ahci = attach(function).expect("a controller with a disk");
//!     let mut sectors = Vec::new();
//!     while let Some(disk) = controller.next_disk() {
//!         let mut block = vec![0; disk.geometry().map_or(512, |geometry| geometry.block_bytes)];
//!         disk.read(0, &mut block).await?;
//!         sectors.extend(block.first_chunk().copied());
//!     }
//!     Ok(sectors)
//! }
//! ```

mod command;
mod disk;
mod hba;
mod identify;
mod interrupt;
mod port;
mod queue;
mod recovery;
mod registers;
mod request;
mod slot;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use core::task::{Context, Poll};

use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::Function;
use switchboard::interrupt::Mode;

pub use self::disk::AhciDisk;
pub use self::interrupt::AhciMessage;

use self::hba::Hba;
use self::slot::{PortSlot, STEP_INTERVAL_NS};
use crate::interfaces::block::DiskController;

/// The limit for all disks of a controller to become ready. A later one is found when it is.
const PROBE_TIMEOUT_NS: u64 = 12_000_000_000;

/// An AHCI controller. The [module](self) has an example.
#[derive(Debug)]
pub struct Ahci {
    slots: Vec<PortSlot>,
    hba: Arc<Hba>,
}

impl Driver for Ahci {
    const NAME: &'static str = "ahci";
    /// SATA controllers with the AHCI programming interface.
    const MATCHES: &'static [Id] = &[Id::class(0x01, 0x06).interface(0x01)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let hba = Arc::new(Hba::open(function)?);
        let slots = hba.shared.ports.iter().map(|port| PortSlot::new(&hba, port.clone())).collect();
        let mut this = Self { slots, hba };
        // All at once, as disks take seconds to spin up.
        this.hba.clock.wait_until(PROBE_TIMEOUT_NS, || {
            this.slots.iter_mut().for_each(|slot| slot.step(&this.hba));
            !this.slots.iter().any(PortSlot::is_pending)
        });
        Ok(this)
    }
}

impl Ahci {
    /// Returns the interrupt mode that was granted.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.hba.mode()
    }
}

impl DiskController for Ahci {
    type Disk = AhciDisk;

    fn next_disk(&mut self) -> Option<AhciDisk> {
        self.slots.iter_mut().for_each(|slot| slot.step(&self.hba));
        self.slots.iter_mut().find_map(PortSlot::take)
    }

    fn poll_change(&mut self, context: &mut Context<'_>) -> Poll<u64> {
        let shared = &self.hba.shared;
        shared.watcher.register(context.waker());
        if shared.has_change.swap(false, Ordering::AcqRel) {
            return Poll::Ready(0);
        }
        if self.slots.iter().any(PortSlot::is_pending) { Poll::Ready(STEP_INTERVAL_NS) } else { Poll::Pending }
    }
}
