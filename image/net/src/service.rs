//! TCP services: accept, serve one connection, close it, accept the next.

use alloc::rc::{Rc, Weak};
use core::cell::Cell;

use embassy_time::{Duration, with_timeout};

use crate::stack::{Stack, TcpSocket};
use switchboard_runtime::tasks::TaskGroup;

/// The maximum time for the peer to receive the rest and to close its side.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// A TCP service: its port, buffers and limits.
///
/// ```
/// use std::rc::Rc;
/// use switchboard_net::{Service, TcpSocket};
/// use switchboard_net_testing::TestNetwork;
///
/// let mut network = TestNetwork::new();
/// let service = Service { port: 4000, receive_bytes: 64, transmit_bytes: 64, backlog: 2, max_connections: 8 };
/// service.start(network.group(), network.stack(), async |socket: &Rc<TcpSocket>| {
///     let _ = socket.write(b"welcome").await;
/// });
/// assert_eq!(network.exchange(4000, b""), b"welcome");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// The TCP port.
    pub port: u16,
    /// Bytes of a connection's receive buffer, which is its window.
    pub receive_bytes: usize,
    /// Bytes of a connection's transmit buffer.
    pub transmit_bytes: usize,
    /// The number of sockets that listen at a time, each with its buffers: connections that may arrive together.
    pub backlog: usize,
    /// The maximum number of connections at a time, those that are awaited included.
    pub max_connections: usize,
}

/// The tasks of a service, of which each accepts and serves connections.
struct Workers<F> {
    service: Service,
    stack: Stack,
    /// Weak, since the members of the group own this.
    group: Weak<TaskGroup>,
    /// Workers whose sockets listen.
    listening: Cell<usize>,
    all: Cell<usize>,
    serve: F,
}

impl Service {
    /// Starts the service on a stack: `serve` is called for each connection, which is closed when it returns.
    pub fn start<F: AsyncFn(&Rc<TcpSocket>) + 'static>(self, group: &Rc<TaskGroup>, stack: &Stack, serve: F) {
        let (stack, group) = (stack.clone(), Rc::downgrade(group));
        let workers = Workers { service: self, stack, group, listening: Cell::new(0), all: Cell::new(0), serve };
        Rc::new(workers).refill();
    }
}

impl<F: AsyncFn(&Rc<TcpSocket>) + 'static> Workers<F> {
    /// Starts workers until as many listen as the backlog demands, within the maximum of connections.
    fn refill(self: &Rc<Self>) {
        let Some(group) = self.group.upgrade() else { return };
        while self.listening.get() < self.service.backlog && self.all.get() < self.service.max_connections {
            self.listening.set(self.listening.get() + 1);
            self.all.set(self.all.get() + 1);
            group.add(self.clone().work());
        }
    }

    /// Serves connections, one after the other, until the backlog is full without this worker.
    async fn work(self: Rc<Self>) {
        let Service { port, receive_bytes, transmit_bytes, backlog, .. } = self.service;
        loop {
            let accepted = async {
                let socket = TcpSocket::new(&self.stack, receive_bytes, transmit_bytes)?;
                socket.accept(port).await.map(|()| Rc::new(socket))
            };
            let accepted = accepted.await;
            self.listening.set(self.listening.get() - 1);
            let is_needed = match accepted {
                Ok(socket) => {
                    self.refill();
                    (self.serve)(&socket).await;
                    close(&socket).await;
                    self.listening.get() < backlog
                }
                // The stack has no room for another socket; the workers that have one go on.
                Err(error) => {
                    log::error!("port {port}: {error}");
                    false
                }
            };
            if !is_needed {
                self.all.set(self.all.get() - 1);
                return;
            }
            self.listening.set(self.listening.get() + 1);
        }
    }
}

/// Closes a connection after all data was delivered; resets it after a timeout.
async fn close(socket: &TcpSocket) {
    socket.close();
    let closed = async {
        // Until the peer has closed too. What it still sends is dropped: left unread, it would close the window, and the
        // peer's FIN would never arrive.
        while socket.read_with(|data| (data.len(), ())).await.is_ok() {}
        socket.flush().await;
    };
    if with_timeout(CLOSE_TIMEOUT, closed).await.is_err() {
        socket.abort();
        let _ = with_timeout(CLOSE_TIMEOUT, socket.flush()).await;
    }
}
