//! Disks with any driver, which may be removed while they are in use.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::fmt;
use core::task::{Context, Poll};

use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, BlockRequest, Geometry, Ticket};

use crate::devices::{DeviceClass, DeviceOptions, FromDriver};

pub use crate::memory_disk::MemoryDisk;
pub use crate::timeout_watch::TimeoutWatch;

/// The driver of a disk, as long as there is any.
pub(crate) type SharedDriver = RefCell<Option<Box<dyn BlockDevice>>>;

/// A handle to a disk with any driver: the device class of block drivers.
///
/// Handles are reference-counted, so any number of users share a disk. When the disk is removed, all their requests fail
/// with [`BlockError::Gone`], pending ones included.
///
/// ```
/// use embassy_futures::block_on;
/// use switchboard_drivers::interfaces::block::{BlockDevice, BlockError};
/// use switchboard_runtime::devices::{DeviceClass, DeviceOptions, FromDriver};
/// use switchboard_runtime::disk::{Disk, MemoryDisk};
///
/// let disk = Disk::from_driver(MemoryDisk::new(&[7; 2048]), DeviceOptions::default());
/// let user = disk.clone();
/// let mut sector = [0; 512];
/// block_on(user.read(3, &mut sector))?;
/// assert_eq!(sector, [7; 512]);
///
/// block_on(DeviceClass::close(disk));
/// assert_eq!(block_on(user.read(3, &mut sector)), Err(BlockError::Gone { sector: 3 }));
/// # Ok::<_, BlockError>(())
/// ```
#[derive(Clone)]
pub struct Disk(Rc<SharedDriver>);

impl<D: BlockDevice + 'static> FromDriver<D> for Disk {
    fn from_driver(driver: D, options: DeviceOptions) -> Self {
        driver.set_poll_budget_ns(options.poll_budget_ns);
        let interval_ns = driver.check_timeouts();
        let this = Self(Rc::new(RefCell::new(Some(Box::new(driver)))));
        if let (Some(watch), Some(interval_ns)) = (options.timeouts, interval_ns) {
            watch.start(Rc::downgrade(&this.0), interval_ns);
        }
        this
    }
}

impl DeviceClass for Disk {
    /// Drops the driver, and wakes the tasks that wait for it; their requests fail with [`BlockError::Gone`].
    async fn close(self) {
        let driver = self.0.take();
        driver.inspect(|driver| driver.close());
    }
}

impl BlockDevice for Disk {
    #[inline]
    fn geometry(&self) -> Option<Geometry> {
        self.0.borrow().as_ref()?.geometry()
    }

    #[inline]
    fn poll_request(&self, request: &mut BlockRequest<'_>, context: &mut Context<'_>) -> Poll<Result<(), BlockError>> {
        match &*self.0.borrow() {
            Some(driver) => driver.poll_request(request, context),
            None => {
                // The ticket belongs to the dropped driver, and must not be abandoned at it.
                request.ticket = Ticket::default();
                Poll::Ready(Err(BlockError::Gone { sector: request.sector }))
            }
        }
    }

    fn abandon(&self, ticket: &mut Ticket) {
        if let Some(driver) = &*self.0.borrow() {
            driver.abandon(ticket);
        }
    }

    fn close(&self) {
        if let Some(driver) = &*self.0.borrow() {
            driver.close();
        }
    }

    fn check_timeouts(&self) -> Option<u64> {
        self.0.borrow().as_ref()?.check_timeouts()
    }

    fn set_poll_budget_ns(&self, poll_budget_ns: u64) {
        if let Some(driver) = &*self.0.borrow() {
            driver.set_poll_budget_ns(poll_budget_ns);
        }
    }
}

/// Two handles are equal when they refer to the same disk.
impl PartialEq for Disk {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Disk").field(&self.geometry()).finish()
    }
}
