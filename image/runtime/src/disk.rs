//! Disks, whichever driver they have, that may go away while they are read.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::fmt;
use core::task::{Context, Poll};

use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, BlockRequest, Geometry, Ticket};

use crate::devices::{DeviceClass, DeviceOptions, FromDriver};

pub use crate::memory_disk::MemoryDisk;

/// A handle on a disk. Any number of users have one; when the disk is closed, what any of them asks of it fails with
/// [`BlockError::Gone`], also what was under way.
#[derive(Clone)]
pub struct Disk(Rc<RefCell<Option<Box<dyn BlockDevice>>>>);

impl<D: BlockDevice + 'static> FromDriver<D> for Disk {
    fn from_driver(driver: D, options: DeviceOptions) -> Self {
        driver.set_poll_budget_ns(options.poll_budget_ns);
        Self(Rc::new(RefCell::new(Some(Box::new(driver)))))
    }
}

impl DeviceClass for Disk {
    /// Drops the driver; the tasks that wait for it are woken, and find the disk gone.
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
                // The driver has forgotten it.
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

    fn set_poll_budget_ns(&self, poll_budget_ns: u64) {
        if let Some(driver) = &*self.0.borrow() {
            driver.set_poll_budget_ns(poll_budget_ns);
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
        f.debug_tuple("Disk").field(&self.geometry()).finish()
    }
}
