//! Listeners: a port, and the connections that wait to be accepted.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::task::{Poll, Waker};

use super::config::TcpConfig;
use super::stream::TcpStream;
use crate::stack::handle::Stack;
use crate::stack::socket_error::SocketError;
use crate::stack::socket_table::SocketId;

/// The number of a listener, which is not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListenerId(u32);

/// A port that is listened on.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) id: ListenerId,
    pub(super) port: u16,
    pub(super) config: Rc<TcpConfig>,
    /// The connections that wait to be accepted.
    pub(super) queue: VecDeque<SocketId>,
    /// The tasks that wait for one, or for room for one.
    waiting: Vec<Waker>,
    /// The accepted connections that exist.
    pub(super) open: usize,
}

impl Listener {
    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= self.config.backlog
    }

    /// Returns whether a waiting connection cannot be accepted, because there are too many.
    pub(super) fn has_no_room(&self) -> bool {
        self.open >= self.config.max_connections && !self.queue.is_empty()
    }

    /// Wakes the tasks that wait.
    pub(super) fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }
}

/// The listeners of a stack. They are few, so a linear search is fast.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    list: Vec<Listener>,
    last: u32,
}

impl Listeners {
    fn add(&mut self, port: u16, config: TcpConfig) -> Result<ListenerId, SocketError> {
        if port == 0 {
            return Err(SocketError::InvalidPort);
        }
        if self.with_port(port).is_some() {
            return Err(SocketError::PortInUse);
        }
        self.last += 1;
        let id = ListenerId(self.last);
        let config = Rc::new(config);
        let (queue, waiting) = (VecDeque::new(), Vec::new());
        self.list.push(Listener { id, port, config, queue, waiting, open: 0 });
        Ok(id)
    }

    fn remove(&mut self, id: ListenerId) -> Option<Listener> {
        let place = self.list.iter().position(|listener| listener.id == id)?;
        Some(self.list.swap_remove(place))
    }

    pub(super) fn with_port(&mut self, port: u16) -> Option<&mut Listener> {
        self.list.iter_mut().find(|listener| listener.port == port)
    }

    pub(super) fn get(&mut self, id: ListenerId) -> Option<&mut Listener> {
        self.list.iter_mut().find(|listener| listener.id == id)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Listener> {
        self.list.iter_mut()
    }
}

/// A TCP port that is listened on. Dropping it resets the connections that were not accepted.
///
/// Handshakes take no socket and no buffers: they wait in a queue of small entries, and when that is full, the answers are
/// cookies (RFC 4987), so that a flood of SYNs keeps no peer out. A burst beyond the backlog is left unanswered, so that the
/// peers repeat it.
///
/// ```
/// use switchboard_net::{TcpConfig, TcpListener};
/// use switchboard_net_testing::TestNetwork;
///
/// let mut network = TestNetwork::new();
/// let listener = TcpListener::bind(network.stack(), 4000, TcpConfig::new(1024, 1024))?;
/// network.group().add(async move {
///     loop {
///         let stream = listener.accept().await;
///         let _ = stream.write(b"hello\n").await;
///         stream.close();
///         stream.flush().await;
///     }
/// });
/// assert_eq!(network.exchange(4000, b""), b"hello\n");
/// # Ok::<_, switchboard_net::SocketError>(())
/// ```
pub struct TcpListener {
    stack: Stack,
    id: ListenerId,
    port: u16,
}

impl TcpListener {
    /// Listens on `port` of all addresses of a stack.
    ///
    /// # Errors
    /// [`SocketError::InvalidPort`] for port 0, [`SocketError::PortInUse`] when there is a listener already.
    pub fn bind(stack: &Stack, port: u16, config: TcpConfig) -> Result<Self, SocketError> {
        let engine = &mut *stack.borrow_mut();
        let id = engine.tcp.listeners.add(port, config)?;
        // It may be a service to announce.
        engine.wake_for_change();
        Ok(Self { stack: stack.clone(), id, port })
    }

    /// Waits for a connection, and for room for it.
    pub async fn accept(&self) -> TcpStream {
        poll_fn(|context| {
            let engine = &mut *self.stack.borrow_mut();
            if let Some(socket) = engine.accept(self.id) {
                return Poll::Ready(TcpStream::new(&self.stack, socket));
            }
            if let Some(listener) = engine.tcp.listeners.get(self.id)
                && !listener.waiting.iter().any(|waker| waker.will_wake(context.waker()))
            {
                listener.waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// Returns the port.
    #[must_use]
    pub fn local_port(&self) -> u16 {
        self.port
    }

    /// Returns the stack.
    #[must_use]
    pub fn stack(&self) -> &Stack {
        &self.stack
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        let engine = &mut *self.stack.borrow_mut();
        let Some(listener) = engine.tcp.listeners.remove(self.id) else { return };
        engine.tcp.syn_queue.remove_port(listener.port);
        engine.wake_for_change();
        for socket in listener.queue {
            engine.abort(socket);
            engine.drop_stream(socket);
        }
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener").field("port", &self.port).finish_non_exhaustive()
    }
}
