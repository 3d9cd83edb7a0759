//! The interface of consoles: devices with ports, each a stream of bytes in either direction.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::task::{Context, Poll};

use embedded_io_async::ErrorKind;

/// A device with ports. All methods may be called by several tasks; of each kind, one task at a time waits on a port.
///
/// ```
/// use core::task::{Context, Poll, Waker};
/// use std::sync::Arc;
/// use switchboard_drivers::interfaces::console::{ConsoleDevice, ConsoleError, EmergencyWriter, PortInfo};
///
/// /// A console whose input is as written, and whose output is dropped.
/// struct Script(&'static [u8]);
///
/// impl ConsoleDevice for Script {
///     fn ports(&self) -> Vec<PortInfo> {
///         vec![PortInfo { id: 0, name: String::new(), is_console: true, is_open: true, size: None }]
///     }
///     fn set_open(&self, _port: u32, _is_open: bool) {}
///     fn poll_change(&self, _: &mut Context<'_>) -> Poll<Result<(), ConsoleError>> {
///         Poll::Pending
///     }
///     fn poll_read(&self, _: u32, bytes: &mut [u8], _: &mut Context<'_>) -> Poll<Result<usize, ConsoleError>> {
///         let count = self.0.len().min(bytes.len());
///         bytes[..count].copy_from_slice(&self.0[..count]);
///         Poll::Ready(Ok(count))
///     }
///     fn poll_write(&self, _: u32, bytes: &[u8], _: &mut Context<'_>) -> Poll<Result<usize, ConsoleError>> {
///         Poll::Ready(Ok(bytes.len()))
///     }
///     fn poll_flush(&self, _: u32, _: &mut Context<'_>) -> Poll<Result<(), ConsoleError>> {
///         Poll::Ready(Ok(()))
///     }
///     fn emergency_writer(&self) -> Option<Arc<dyn EmergencyWriter>> {
///         None
///     }
///     fn close(&self) {}
/// }
///
/// let mut bytes = [0; 8];
/// let read = Script(b"help\n").poll_read(0, &mut bytes, &mut Context::from_waker(Waker::noop()));
/// assert_eq!((read, &bytes[..5]), (Poll::Ready(Ok(5)), b"help\n".as_slice()));
/// ```
pub trait ConsoleDevice {
    /// Returns the ports that there are, in order of their numbers.
    fn ports(&self) -> Vec<PortInfo>;

    /// Opens or closes the driver's end of a port. The host discards what is sent to a port that is not open.
    fn set_open(&self, port: u32, is_open: bool);

    /// Waits for a change of the ports since the last call that was ready. A task must wait here all the time: ports are added
    /// and removed by it.
    ///
    /// # Errors
    /// [`ConsoleError`] when the device was removed or is quarantined.
    fn poll_change(&self, context: &mut Context<'_>) -> Poll<Result<(), ConsoleError>>;

    /// Reads the bytes that have arrived, waiting for at least one; returns 0 when the host has closed its end.
    ///
    /// # Errors
    /// [`ConsoleError`].
    fn poll_read(&self, port: u32, bytes: &mut [u8], context: &mut Context<'_>) -> Poll<Result<usize, ConsoleError>>;

    /// Writes some of the bytes, waiting for room for at least one.
    ///
    /// # Errors
    /// [`ConsoleError`].
    fn poll_write(&self, port: u32, bytes: &[u8], context: &mut Context<'_>) -> Poll<Result<usize, ConsoleError>>;

    /// Waits until the device has taken all that was written.
    ///
    /// # Errors
    /// [`ConsoleError`].
    fn poll_flush(&self, port: u32, context: &mut Context<'_>) -> Poll<Result<(), ConsoleError>>;

    /// Returns what writes on the console of a machine that has panicked, if the device has it.
    fn emergency_writer(&self) -> Option<Arc<dyn EmergencyWriter>>;

    /// Ends all pending and later calls with [`ConsoleError::Gone`].
    fn close(&self);
}

/// Writes on the console without queues, interrupts and DMA, for panics.
pub trait EmergencyWriter: Send + Sync + fmt::Debug {
    /// Writes one byte.
    fn write_byte(&self, byte: u8);
}

/// The state of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortInfo {
    /// Its number.
    pub id: u32,
    /// The name that the host gave it; empty for none.
    pub name: String,
    /// Whether it is for a console: people read and write it.
    pub is_console: bool,
    /// Whether the host has its end open.
    pub is_open: bool,
    /// The size of the console, where the host reports it.
    pub size: Option<ConsoleSize>,
}

/// The size of a console in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsoleSize {
    /// Characters in a row.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

/// An error of a console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConsoleError {
    /// The device was removed or closed.
    #[error("the console was removed")]
    Gone,
    /// The device violated its protocol, and is isolated from the bus.
    #[error("the console violated its protocol and is quarantined")]
    Quarantined,
    /// The device has no port of this number, or removed it.
    #[error("the console has no port {port}")]
    NoPort {
        /// The number.
        port: u32,
    },
    /// The host has closed its end of the port.
    #[error("the host has closed port {port}")]
    Closed {
        /// The number of the port.
        port: u32,
    },
}

impl embedded_io_async::Error for ConsoleError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Gone | Self::Quarantined => ErrorKind::NotConnected,
            Self::NoPort { .. } => ErrorKind::NotFound,
            Self::Closed { .. } => ErrorKind::BrokenPipe,
        }
    }
}
