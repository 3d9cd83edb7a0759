//! What every TCP service does: accept, serve one connection, close it properly, accept the next.

use alloc::rc::{Rc, Weak};
use core::cell::Cell;

use embassy_time::{Duration, with_timeout};

use super::{Stack, TcpSocket};
use switchboard_runtime::tasks::TaskGroup;

/// How long the peer may take to receive the rest and to close its side.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// A service on TCP.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// The port.
    pub port: u16,
    /// Bytes buffered of what a peer sends: the window that it fills.
    pub receive: usize,
    /// Bytes buffered of what it is sent.
    pub transmit: usize,
    /// How many may arrive together; so many sockets wait, with their buffers.
    pub waiting: usize,
    /// Connections at once.
    pub most: usize,
}

/// Who serves, and how many of them wait for somebody to serve.
struct Workers<F> {
    service: Service,
    stack: Stack,
    /// Who works for it; not the other way round, since its members own this.
    group: Weak<TaskGroup>,
    waiting: Cell<usize>,
    all: Cell<usize>,
    serve: F,
}

impl Service {
    /// Starts the service on a stack: `serve` is called for each connection.
    pub fn start<F: AsyncFn(&Rc<TcpSocket>) + 'static>(self, group: &Rc<TaskGroup>, stack: &Stack, serve: F) {
        let (stack, group) = (stack.clone(), Rc::downgrade(group));
        let workers = Workers { service: self, stack, group, waiting: Cell::new(0), all: Cell::new(0), serve };
        Rc::new(workers).refill();
    }
}

impl<F: AsyncFn(&Rc<TcpSocket>) + 'static> Workers<F> {
    /// Has as many workers wait as should, if there may be more.
    fn refill(self: &Rc<Self>) {
        let Some(group) = self.group.upgrade() else { return };
        while self.waiting.get() < self.service.waiting && self.all.get() < self.service.most {
            self.waiting.set(self.waiting.get() + 1);
            self.all.set(self.all.get() + 1);
            group.add(self.clone().work());
        }
    }

    /// Serves one connection after the other, for as long as it is needed.
    async fn work(self: Rc<Self>) {
        let Service { port, receive, transmit, waiting, .. } = self.service;
        loop {
            let accepted = async {
                let socket = TcpSocket::new(&self.stack, receive, transmit)?;
                socket.accept(port).await.map(|()| Rc::new(socket))
            };
            let accepted = accepted.await;
            self.waiting.set(self.waiting.get() - 1);
            let is_wanted = match accepted {
                Ok(socket) => {
                    self.refill();
                    (self.serve)(&socket).await;
                    finish(&socket).await;
                    self.waiting.get() < waiting
                }
                // There is no room for one more; those who have a socket go on.
                Err(error) => {
                    log::error!("port {port}: {error}");
                    false
                }
            };
            if !is_wanted {
                self.all.set(self.all.get() - 1);
                return;
            }
            self.waiting.set(self.waiting.get() + 1);
        }
    }
}

/// Closes: lets the peer have what was written, or resets the connection when that takes too long.
async fn finish(socket: &TcpSocket) {
    socket.close();
    let closed = async {
        // Until the peer has closed too. What it still sends is of no use; left unread, it would stop the
        // peer from ever getting to its close.
        while socket.read_with(|data| (data.len(), ())).await.is_ok() {}
        socket.flush().await;
    };
    if with_timeout(CLOSE_TIMEOUT, closed).await.is_err() {
        socket.abort();
        let _ = with_timeout(CLOSE_TIMEOUT, socket.flush()).await;
    }
}
