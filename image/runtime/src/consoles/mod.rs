//! Consoles with any driver: ports of bytes between host and image, which may be removed while they are in use.

mod emergency;
mod port;

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};

use switchboard_drivers::interfaces::console::{ConsoleDevice, ConsoleError, PortInfo};

use crate::devices::{DeviceClass, DeviceOptions, FromDriver};

pub use emergency::print_emergency;
pub use port::ConsolePort;

/// A handle to a console: the device class of drivers of consoles.
///
/// Handles are reference-counted. One task must call [`change`](Self::change) in a loop, as
/// [`ConsoleShells`](crate::shell::ConsoleShells) do; others read and write the ports.
#[derive(Clone)]
pub struct Console(Rc<Inner>);

struct Inner {
    driver: RefCell<Option<Box<dyn ConsoleDevice>>>,
    /// The tasks that wait for a change of a port.
    waiting: RefCell<Vec<Waker>>,
}

impl Console {
    /// Returns the ports that there are; none after its removal.
    #[must_use]
    pub fn ports(&self) -> Vec<PortInfo> {
        self.0.driver.borrow().as_ref().map_or_else(Vec::new, |driver| driver.ports())
    }

    /// Returns a handle to a port, whether there is one of this number or not, and opens it.
    #[must_use]
    pub fn open(&self, port: u32) -> ConsolePort {
        ConsolePort::new(self.clone(), port)
    }

    /// Waits for a change of the ports.
    ///
    /// # Errors
    /// [`ConsoleError`] when the device was removed or is quarantined: no more changes will come.
    pub async fn change(&self) -> Result<(), ConsoleError> {
        let change = poll_fn(|context| self.with(|driver| driver.poll_change(context))).await;
        self.0.waiting.take().into_iter().for_each(Waker::wake);
        change
    }

    /// Calls `act` with the driver, if it was not removed.
    fn with<R>(
        &self,
        act: impl FnOnce(&dyn ConsoleDevice) -> Poll<Result<R, ConsoleError>>,
    ) -> Poll<Result<R, ConsoleError>> {
        match &*self.0.driver.borrow() {
            Some(driver) => act(&**driver),
            None => Poll::Ready(Err(ConsoleError::Gone)),
        }
    }

    /// Has the task woken at the next change.
    fn wait_for_change(&self, context: &Context<'_>) {
        let mut waiting = self.0.waiting.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            waiting.push(context.waker().clone());
        }
    }
}

impl<D: ConsoleDevice + 'static> FromDriver<D> for Console {
    fn from_driver(driver: D, _options: DeviceOptions) -> Self {
        emergency::set_writer(driver.emergency_writer().as_ref());
        let driver: Box<dyn ConsoleDevice> = Box::new(driver);
        Self(Rc::new(Inner { driver: RefCell::new(Some(driver)), waiting: RefCell::default() }))
    }
}

impl DeviceClass for Console {
    /// Drops the driver, and wakes the tasks that wait for it; all that is pending fails with [`ConsoleError::Gone`].
    async fn close(self) {
        let driver = self.0.driver.take();
        driver.inspect(|driver| driver.close());
        self.0.waiting.take().into_iter().for_each(Waker::wake);
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Console").field(&self.ports()).finish()
    }
}
