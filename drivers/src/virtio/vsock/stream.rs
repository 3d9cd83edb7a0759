//! Sockets: connections, listeners and streams, for tasks.

use alloc::sync::Arc;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use embedded_io_async::{Error, ErrorKind, ErrorType, Read, Write};
use spin::Mutex;

use super::connection::{BUFFER_BYTES, Connection, Progress};
use super::packet::{NO_RECEIVE, NO_SEND, VsockAddress};
use super::table::{Key, Table};

/// State that the device's task shares with sockets.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) table: Mutex<Table>,
    /// The device's task, which sends.
    pub(super) work: AtomicWaker,
}

/// A handle to the sockets of a device; it connects and listens. It may outlive the device: all of it fails then.
#[derive(Clone)]
pub struct Vsock(pub(super) Arc<Sockets>);

impl Vsock {
    /// Returns the context ID of this machine.
    #[must_use]
    pub fn cid(&self) -> u64 {
        self.0.table.lock().cid
    }

    /// Connects to a port of the host, or of another machine if the host permits it. There is no timeout.
    ///
    /// # Errors
    /// [`VsockError`].
    pub async fn connect(&self, peer: VsockAddress) -> Result<VsockStream, VsockError> {
        let key = {
            let mut table = self.0.table.lock();
            if table.is_closed {
                return Err(VsockError::Gone);
            }
            table.connect(peer).ok_or(VsockError::TooMany)?
        };
        // From here on it is closed when this future is dropped.
        let stream = VsockStream { sockets: self.0.clone(), key };
        self.0.work.wake();
        stream
            .poll(|connection, context| {
                connection.writer.register(context.waker());
                match connection.progress {
                    Progress::Connecting => Poll::Pending,
                    Progress::Connected => Poll::Ready(Ok(())),
                    Progress::Closed { was_refused: true } => Poll::Ready(Err(VsockError::Refused)),
                    Progress::Closed { .. } => Poll::Ready(Err(VsockError::Reset)),
                }
            })
            .await?;
        Ok(stream)
    }

    /// Listens on a port.
    ///
    /// # Errors
    /// [`VsockError::PortInUse`], or [`VsockError::Gone`].
    pub fn listen(&self, port: u32) -> Result<VsockListener, VsockError> {
        let mut table = self.0.table.lock();
        if table.is_closed {
            return Err(VsockError::Gone);
        }
        if table.listeners.contains_key(&port) {
            return Err(VsockError::PortInUse);
        }
        table.listeners.insert(port, super::table::Listening::default());
        Ok(VsockListener { sockets: self.0.clone(), port })
    }
}

/// A port on which streams are accepted. Dropping it resets those that were not accepted.
pub struct VsockListener {
    sockets: Arc<Sockets>,
    port: u32,
}

impl VsockListener {
    /// Waits for a stream.
    ///
    /// # Errors
    /// [`VsockError::Gone`] when the device was removed.
    pub async fn accept(&self) -> Result<VsockStream, VsockError> {
        poll_fn(|context| {
            let mut table = self.sockets.table.lock();
            let is_closed = table.is_closed;
            let Some(listening) = table.listeners.get_mut(&self.port).filter(|_| !is_closed) else {
                return Poll::Ready(Err(VsockError::Gone));
            };
            listening.waker.register(context.waker());
            match listening.backlog.pop_front() {
                Some(key) => Poll::Ready(Ok(VsockStream { sockets: self.sockets.clone(), key })),
                None => Poll::Pending,
            }
        })
        .await
    }
}

impl Drop for VsockListener {
    fn drop(&mut self) {
        self.sockets.table.lock().drop_listener(self.port);
        self.sockets.work.wake();
    }
}

/// A stream, with a buffer of 16 KiB in either direction. Dropping it sends what was written, and closes it.
pub struct VsockStream {
    sockets: Arc<Sockets>,
    key: Key,
}

impl VsockStream {
    /// Returns the address of the peer.
    #[must_use]
    pub fn peer(&self) -> VsockAddress {
        self.key.1
    }

    /// Ends sending: the peer reads the end of the stream behind what was written.
    pub fn shutdown(&mut self) {
        if let Some(connection) = self.sockets.table.lock().connections.get_mut(&self.key) {
            connection.shutdown |= NO_SEND;
        }
        self.sockets.work.wake();
    }

    async fn poll<R>(
        &self,
        mut poll: impl FnMut(&mut Connection, &mut Context<'_>) -> Poll<Result<R, VsockError>>,
    ) -> Result<R, VsockError> {
        poll_fn(|context| {
            let mut table = self.sockets.table.lock();
            if table.is_closed {
                return Poll::Ready(Err(VsockError::Gone));
            }
            match table.connections.get_mut(&self.key) {
                Some(connection) => poll(connection, context),
                None => Poll::Ready(Err(VsockError::Reset)),
            }
        })
        .await
    }
}

impl Drop for VsockStream {
    fn drop(&mut self) {
        self.sockets.table.lock().drop_stream(self.key);
        self.sockets.work.wake();
    }
}

impl ErrorType for VsockStream {
    type Error = VsockError;
}

impl Read for VsockStream {
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, VsockError> {
        let read = self
            .poll(|connection, context| {
                connection.reader.register(context.waker());
                let is_ended = connection.peer_shutdown & NO_SEND != 0;
                match connection.progress {
                    _ if !connection.received.is_empty() || bytes.is_empty() => Poll::Ready(Ok(connection.take(bytes))),
                    _ if is_ended => Poll::Ready(Ok(0)),
                    Progress::Closed { .. } => Poll::Ready(Err(VsockError::Reset)),
                    _ => Poll::Pending,
                }
            })
            .await;
        // An update of the credit may be due.
        self.sockets.work.wake();
        read
    }
}

impl Write for VsockStream {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, VsockError> {
        let written = self
            .poll(|connection, context| {
                connection.writer.register(context.waker());
                let room = BUFFER_BYTES - connection.to_send.len().min(BUFFER_BYTES);
                match connection.progress {
                    Progress::Closed { .. } => Poll::Ready(Err(VsockError::Reset)),
                    _ if connection.shutdown & NO_SEND != 0 => Poll::Ready(Err(VsockError::Closed)),
                    _ if connection.peer_shutdown & NO_RECEIVE != 0 => Poll::Ready(Err(VsockError::Closed)),
                    _ if room == 0 && !bytes.is_empty() => Poll::Pending,
                    _ => {
                        let count = room.min(bytes.len());
                        connection.to_send.extend(&bytes[..count]);
                        Poll::Ready(Ok(count))
                    }
                }
            })
            .await;
        self.sockets.work.wake();
        written
    }

    async fn flush(&mut self) -> Result<(), VsockError> {
        self.poll(|connection, context| {
            connection.writer.register(context.waker());
            match connection.progress {
                Progress::Closed { .. } => Poll::Ready(Err(VsockError::Reset)),
                _ if connection.to_send.is_empty() => Poll::Ready(Ok(())),
                _ => Poll::Pending,
            }
        })
        .await
    }
}

/// An error of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VsockError {
    /// The device was removed, or violated its protocol.
    #[error("the vsock device was removed")]
    Gone,
    /// There are as many streams as there may be.
    #[error("too many streams")]
    TooMany,
    /// Another listener has the port.
    #[error("another listener has the port")]
    PortInUse,
    /// The peer does not accept streams on the port.
    #[error("the peer refuses the connection")]
    Refused,
    /// The peer has reset the stream.
    #[error("the peer has reset the stream")]
    Reset,
    /// One of the sides has ended this direction.
    #[error("this direction of the stream is closed")]
    Closed,
}

impl Error for VsockError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Gone => ErrorKind::NotConnected,
            Self::TooMany => ErrorKind::OutOfMemory,
            Self::PortInUse => ErrorKind::AddrInUse,
            Self::Refused => ErrorKind::ConnectionRefused,
            Self::Reset => ErrorKind::ConnectionReset,
            Self::Closed => ErrorKind::BrokenPipe,
        }
    }
}

impl fmt::Debug for Vsock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vsock").field("cid", &self.cid()).finish()
    }
}

impl fmt::Debug for VsockListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VsockListener").field("port", &self.port).finish_non_exhaustive()
    }
}

impl fmt::Debug for VsockStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VsockStream").field("key", &self.key).finish_non_exhaustive()
    }
}
