//! A disk, whichever driver it has, that may go away while it is read.

use alloc::rc::Rc;
use core::cell::RefCell;
use core::fmt;

use embassy_futures::yield_now;
use switchboard_drivers::block::{BlockDevice, BlockError};
use switchboard_drivers::virtio::VirtioBlk;

use crate::devices::{DeviceClass, DeviceOptions, FromDriver};

/// The disks that this image has drivers for. Apps and the file system see a [`BlockDevice`].
#[derive(Debug)]
enum Kind {
    Virtio(VirtioBlk),
}

/// A handle on a disk. Any number of users have one; when one of them closes the disk, what the others ask of it
/// fails with [`BlockError::Gone`], also what they are in the middle of.
#[derive(Clone)]
pub struct Disk(Rc<Shared>);

/// Nothing once the disk was closed. Whoever is in the middle of a request holds it a little longer.
type Shared = RefCell<Option<Rc<Kind>>>;

impl FromDriver<VirtioBlk> for Disk {
    fn from_driver(disk: VirtioBlk, options: DeviceOptions) -> Self {
        disk.poll_for(options.poll_budget_ns);
        Self(Rc::new(RefCell::new(Some(Rc::new(Kind::Virtio(disk))))))
    }
}

impl DeviceClass for Disk {
    async fn close(self) {
        let Some(kind) = self.0.take() else { return };
        match &*kind {
            Kind::Virtio(disk) => disk.close(),
        }
        // Whoever is in the middle of a request was woken, and lets go when it is polled.
        while Rc::strong_count(&kind) > 1 {
            yield_now().await;
        }
    }
}

impl Disk {
    fn kind(&self) -> Option<Rc<Kind>> {
        self.0.borrow().clone()
    }

    /// The driver, for a request at `sector`.
    fn ask(&self, sector: u64) -> Result<Rc<Kind>, BlockError> {
        self.kind().ok_or(BlockError::Gone { sector })
    }
}

impl BlockDevice for Disk {
    /// None once it is closed.
    fn capacity(&self) -> u64 {
        match self.kind().as_deref() {
            Some(Kind::Virtio(disk)) => disk.capacity(),
            None => 0,
        }
    }

    fn is_read_only(&self) -> bool {
        match self.kind().as_deref() {
            Some(Kind::Virtio(disk)) => disk.is_read_only(),
            None => true,
        }
    }

    fn poll_for(&self, nanoseconds: u64) {
        match self.kind().as_deref() {
            Some(Kind::Virtio(disk)) => disk.poll_for(nanoseconds),
            None => {}
        }
    }

    async fn read(&self, sector: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        match &*self.ask(sector)? {
            Kind::Virtio(disk) => disk.read(sector, buffer).await,
        }
    }

    async fn read_in_place(&self, sector: u64, length: usize, take: impl FnMut(&[u8])) -> Result<(), BlockError> {
        match &*self.ask(sector)? {
            Kind::Virtio(disk) => disk.read_in_place(sector, length, take).await,
        }
    }

    async fn write(&self, sector: u64, buffer: &[u8]) -> Result<(), BlockError> {
        match &*self.ask(sector)? {
            Kind::Virtio(disk) => disk.write(sector, buffer).await,
        }
    }

    async fn flush(&self) -> Result<(), BlockError> {
        match &*self.ask(0)? {
            Kind::Virtio(disk) => disk.flush().await,
        }
    }
}

/// Handles on one disk are equal.
impl PartialEq for Disk {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Disk").field(&self.kind()).finish()
    }
}
