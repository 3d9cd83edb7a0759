//! TCP services: a listener, and a task for each connection.

use alloc::rc::{Rc, Weak};
use core::cell::Cell;

use embassy_time::{Duration, Instant, with_timeout};

use crate::stack::{Stack, TcpConfig, TcpListener, TcpStream};
use switchboard_runtime::tasks::TaskGroup;

/// How long the peer may acknowledge nothing of what is left when a connection is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the peer may send nothing and not close its side, when it has received all.
const LINGER_TIMEOUT: Duration = Duration::from_secs(3);
/// The tasks that wait for a connection at a time. A task serves several connections, one after the other.
const IDLE_TASKS: usize = 4;

/// A TCP service: its port, buffers and limits.
///
/// ```
/// use std::rc::Rc;
/// use switchboard_net::{Service, TcpStream};
/// use switchboard_net_testing::TestNetwork;
///
/// let mut network = TestNetwork::new();
/// let service = Service { port: 4000, receive_bytes: 64, transmit_bytes: 64, backlog: 2, max_connections: 8 };
/// service.start(network.group(), network.stack(), async |stream: &Rc<TcpStream>| {
///     let _ = stream.write(b"welcome").await;
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
    /// The connections that wait to be served. They take no buffers. More are left unanswered, so that peers repeat.
    pub backlog: usize,
    /// The maximum number of connections that are served at a time. See
    /// [`TcpConfig::max_connections`](crate::TcpConfig::max_connections) for what happens then.
    pub max_connections: usize,
}

/// The tasks of a service, of which each accepts and serves connections.
struct Workers<F> {
    listener: TcpListener,
    /// Weak, since the members of the group own this.
    group: Weak<TaskGroup>,
    /// Tasks that wait for a connection.
    waiting: Cell<usize>,
    serve: F,
}

impl Service {
    /// Starts the service on a stack: `serve` is called for each connection, which is closed when it returns.
    pub fn start<F: AsyncFn(&Rc<TcpStream>) + 'static>(self, group: &Rc<TaskGroup>, stack: &Stack, serve: F) {
        let Self { port, receive_bytes, transmit_bytes, backlog, max_connections } = self;
        let config = TcpConfig { backlog, max_connections, ..TcpConfig::new(receive_bytes, transmit_bytes) };
        match TcpListener::bind(stack, port, config) {
            Ok(listener) => {
                let group = Rc::downgrade(group);
                Rc::new(Workers { listener, group, waiting: Cell::new(0), serve }).refill();
            }
            Err(error) => log::error!("port {port}: {error}"),
        }
    }
}

impl<F: AsyncFn(&Rc<TcpStream>) + 'static> Workers<F> {
    /// Starts a task if none waits for a connection.
    fn refill(self: &Rc<Self>) {
        let Some(group) = self.group.upgrade() else { return };
        if self.waiting.get() == 0 {
            self.waiting.set(1);
            group.add(self.clone().work());
        }
    }

    /// Serves connections, one after the other, until enough other tasks wait for one.
    async fn work(self: Rc<Self>) {
        loop {
            let stream = Rc::new(self.listener.accept().await);
            self.waiting.set(self.waiting.get() - 1);
            self.refill();
            (self.serve)(&stream).await;
            close(&stream).await;
            drop(stream);
            if self.waiting.get() >= IDLE_TASKS {
                return;
            }
            self.waiting.set(self.waiting.get() + 1);
        }
    }
}

/// Closes a connection after all data was delivered: waits as long as the peer acknowledges some of it, and then a moment for
/// the peer to close its side. Resets the connection if the data was not delivered
/// (RFC 9112, 9.6).
async fn close(stream: &TcpStream) {
    stream.close();
    let mut queued = stream.queued_bytes();
    let limit = |queued| Instant::now() + if queued > 0 { CLOSE_TIMEOUT } else { LINGER_TIMEOUT };
    let mut deadline = limit(queued);
    while Instant::now() < deadline {
        // It does not keep others out.
        stream.idle();
        // What the peer still sends is dropped: left unread, it would close the window, and the peer's FIN would never
        // arrive.
        let is_closed = with_timeout(LINGER_TIMEOUT, stream.read_with(|data| (data.len(), ())))
            .await
            .is_ok_and(|read| read.is_err());
        // The acknowledgement of the FIN needs no task: the connection closes by itself.
        if is_closed && (stream.queued_bytes() == 0 || with_timeout(LINGER_TIMEOUT, stream.flush()).await.is_ok()) {
            return;
        }
        let left = stream.queued_bytes();
        if left < queued {
            (queued, deadline) = (left, limit(left));
        }
    }
    // What the peer has received is not taken back by a reset.
    if queued > 0 {
        stream.abort();
        stream.flush().await;
    }
}
