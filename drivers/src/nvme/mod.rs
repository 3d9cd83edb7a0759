//! NVM Express disks: a controller with an admin queue, and a pair of I/O queues for each further message.
//!
//! Section numbers are those of the NVM Express Base Specification 1.4. The driver serves each active namespace of the
//! controller as a disk of its own. Reads have queues and a message of their own where there are messages enough, so that they
//! do not wait behind writes. A controller memory buffer is not used. With QEMU: `-device nvme,serial=1,drive=..`.
//!
//! ```no_run
//! use switchboard::driver::attach;
//! use switchboard::function::Function;
//! use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, DiskController};
//! use switchboard_drivers::nvme::Nvme;
//!
//! async fn first_sector(function: Function) -> Result<[u8; 512], BlockError> {
//!     let mut controller: Nvme = attach(function).expect("a controller with a namespace");
//!     let disk = controller.next_disk().expect("its first namespace");
//!     let mut sector = [0; 512];
//!     disk.read(0, &mut sector).await?;
//!     Ok(sector)
//! }
//! ```
//!
//! The image calls [`check_timeouts`](BlockDevice::check_timeouts) of a disk: requests that take too long are aborted, then the
//! controller is reset, then it is quarantined.

mod admin;
mod command;
mod controller;
mod create_queues;
mod disk;
mod health;
mod identify;
mod inner;
mod interrupt;
mod limits;
mod namespace;
mod queue;
mod recovery;
mod registers;
mod request;
mod virtual_controllers;
mod watch;

use alloc::sync::Arc;
use core::task::{Context, Poll};

use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::Function;

pub use self::disk::NvmeDisk;
pub use self::interrupt::NvmeMessage;
pub use self::virtual_controllers::{VirtualControllers, VirtualControllersError};

use self::inner::Inner;
use crate::interfaces::block::{BlockDevice, BlockError, BlockRequest, DiskController, Geometry, Ticket};

/// An NVMe controller. The [module](self) has an example.
///
/// It is a disk itself: its first namespace.
#[derive(Debug)]
pub struct Nvme {
    first: NvmeDisk,
    /// The index of the next disk to hand out.
    next: usize,
}

impl Driver for Nvme {
    const NAME: &'static str = "nvme";
    /// NVM Express I/O controllers.
    const MATCHES: &'static [Id] = &[Id::class(0x01, 0x08).interface(0x02)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let inner = Arc::new(Inner::probe(function)?);
        let first = NvmeDisk::new(&inner, 0).ok_or(ProbeError::Device("the controller has no active namespace"))?;
        Ok(Self { first, next: 0 })
    }
}

impl DiskController for Nvme {
    type Disk = NvmeDisk;

    fn next_disk(&mut self) -> Option<NvmeDisk> {
        let disk = NvmeDisk::new(&self.first.inner, self.next)?;
        self.next += 1;
        Some(disk)
    }
}

impl Nvme {
    /// Returns the numbers of interrupts served for each message: `Admin`, `Read`, `Write`. With a line, the first is that of
    /// all together.
    #[must_use]
    pub fn interrupt_counts(&self) -> [u64; 3] {
        self.first.inner.interrupts.lock().counts()
    }

    /// Returns how often the controller was informed of new requests.
    #[must_use]
    pub fn kicks(&self) -> u64 {
        self.first.inner.pairs().map(|requests| requests.with_queue(|queue| queue.pair.kicks())).sum()
    }
}

impl BlockDevice for Nvme {
    fn geometry(&self) -> Option<Geometry> {
        self.first.geometry()
    }

    fn poll_request(&self, request: &mut BlockRequest<'_>, context: &mut Context<'_>) -> Poll<Result<(), BlockError>> {
        self.first.poll_request(request, context)
    }

    fn abandon(&self, ticket: &mut Ticket) {
        self.first.abandon(ticket);
    }

    fn close(&self) {
        self.first.close();
    }

    fn set_poll_budget_ns(&self, poll_budget_ns: u64) {
        self.first.set_poll_budget_ns(poll_budget_ns);
    }

    fn check_timeouts(&self) -> Option<u64> {
        self.first.check_timeouts()
    }
}
