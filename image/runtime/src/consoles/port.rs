//! A port of a console, as a stream of bytes.

use core::fmt;
use core::future::poll_fn;
use core::task::Poll;

use embedded_io_async::{ErrorType, Read, Write};
use switchboard_drivers::interfaces::console::ConsoleError;

use super::Console;

/// A handle to a port of a console, which implements the traits of `embedded-io-async`. Dropping it closes the port.
///
/// Reading returns 0 when the host has closed its end, and goes on when the host has [opened](Self::opened) it again. What is
/// written waits for the host in buffers of the driver, which are few: while they are full, writing waits.
///
/// ```
/// # use core::task::{Context, Poll};
/// # use std::sync::{Arc, Mutex};
/// # use switchboard_drivers::interfaces::console::{ConsoleDevice, EmergencyWriter, PortInfo};
/// use embassy_futures::block_on;
/// use embedded_io_async::{Read, Write};
/// use switchboard_drivers::interfaces::console::ConsoleError;
/// use switchboard_runtime::consoles::Console;
/// use switchboard_runtime::devices::{DeviceClass, DeviceOptions, FromDriver};
///
/// # #[derive(Default)]
/// # struct Mirror(Mutex<Vec<u8>>);
/// # impl ConsoleDevice for Mirror {
/// #     fn ports(&self) -> Vec<PortInfo> {
/// #         vec![PortInfo { id: 0, name: "mirror".into(), is_console: true, is_open: true, size: None }]
/// #     }
/// #     fn set_open(&self, _port: u32, _is_open: bool) {}
/// #     fn poll_change(&self, _: &mut Context<'_>) -> Poll<Result<(), ConsoleError>> {
/// #         Poll::Pending
/// #     }
/// #     fn poll_read(&self, _: u32, bytes: &mut [u8], _: &mut Context<'_>) -> Poll<Result<usize, ConsoleError>> {
/// #         let all = std::mem::take(&mut *self.0.lock().unwrap());
/// #         bytes[..all.len()].copy_from_slice(&all);
/// #         Poll::Ready(Ok(all.len()))
/// #     }
/// #     fn poll_write(&self, _: u32, bytes: &[u8], _: &mut Context<'_>) -> Poll<Result<usize, ConsoleError>> {
/// #         self.0.lock().unwrap().extend(bytes);
/// #         Poll::Ready(Ok(bytes.len()))
/// #     }
/// #     fn poll_flush(&self, _: u32, _: &mut Context<'_>) -> Poll<Result<(), ConsoleError>> {
/// #         Poll::Ready(Ok(()))
/// #     }
/// #     fn emergency_writer(&self) -> Option<Arc<dyn EmergencyWriter>> {
/// #         None
/// #     }
/// #     fn close(&self) {}
/// # }
/// // A console whose host sends back what is written.
/// let console = Console::from_driver(Mirror::default(), DeviceOptions::default());
/// let mut port = console.open(0);
/// let mut bytes = [0; 8];
/// block_on(port.write_all(b"hello"))?;
/// assert_eq!(block_on(port.read(&mut bytes)), Ok(5));
///
/// block_on(DeviceClass::close(console));
/// assert_eq!(block_on(port.read(&mut bytes)), Err(ConsoleError::Gone));
/// # Ok::<_, ConsoleError>(())
/// ```
pub struct ConsolePort {
    console: Console,
    id: u32,
}

impl ConsolePort {
    pub(super) fn new(console: Console, id: u32) -> Self {
        let this = Self { console, id };
        this.set_open(true);
        this
    }

    fn set_open(&self, is_open: bool) {
        if let Some(driver) = &*self.console.0.driver.borrow() {
            driver.set_open(self.id, is_open);
        }
    }

    /// Waits until the host has its end open.
    ///
    /// # Errors
    /// [`ConsoleError`] when the port or its device was removed.
    pub async fn opened(&self) -> Result<(), ConsoleError> {
        poll_fn(|context| {
            self.console.wait_for_change(context);
            self.console.with(|driver| match driver.ports().into_iter().find(|port| port.id == self.id) {
                Some(port) if port.is_open => Poll::Ready(Ok(())),
                Some(_) => Poll::Pending,
                None => Poll::Ready(Err(ConsoleError::NoPort { port: self.id })),
            })
        })
        .await
    }
}

impl Drop for ConsolePort {
    fn drop(&mut self) {
        self.set_open(false);
    }
}

impl ErrorType for ConsolePort {
    type Error = ConsoleError;
}

impl Read for ConsolePort {
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, ConsoleError> {
        let id = self.id;
        poll_fn(|context| self.console.with(|driver| driver.poll_read(id, bytes, context))).await
    }
}

impl Write for ConsolePort {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ConsoleError> {
        poll_fn(|context| self.console.with(|driver| driver.poll_write(self.id, bytes, context))).await
    }

    async fn flush(&mut self) -> Result<(), ConsoleError> {
        poll_fn(|context| self.console.with(|driver| driver.poll_flush(self.id, context))).await
    }
}

impl fmt::Debug for ConsolePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsolePort").field("id", &self.id).finish_non_exhaustive()
    }
}
