//! What every TCP service does: accept, serve one connection, close it properly, accept the next.

use alloc::rc::Rc;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::semaphore::{FairSemaphore, Semaphore};
use embassy_time::{Duration, with_timeout};

use super::{AcceptError, Stack, TcpSocket};
use crate::tasks::Crew;

/// How long the peer may take to receive the rest and to close its side.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Closes: lets the peer have what was written, or resets the connection when that takes too long.
pub async fn finish(socket: &TcpSocket) {
    socket.close();
    let closed = async {
        // Until the peer has closed too. What it still sends is of no use; left unread, it would stop the
        // peer from ever getting to its close.
        let mut rest = [0; 256];
        while socket.read(&mut rest).await.is_ok_and(|length| length > 0) {}
        socket.flush().await;
    };
    if with_timeout(CLOSE_TIMEOUT, closed).await.is_err() {
        socket.abort();
        let _ = with_timeout(CLOSE_TIMEOUT, socket.flush()).await;
    }
}

/// How many sockets of a service may wait for connections at once. Each has its buffers while it does, so a worker makes
/// its socket when it is its turn to wait.
pub type Turns<const WORKERS: usize> = FairSemaphore<NoopRawMutex, WORKERS>;

/// Accepts one connection, with so many bytes for each direction: waits for a turn to wait for it, first.
///
/// # Errors
/// [`AcceptError`] when the socket cannot listen, for port 0.
pub async fn accept<const WORKERS: usize>(
    stack: &Stack,
    port: u16,
    turns: &Turns<WORKERS>,
    receive: usize,
    transmit: usize,
) -> Result<TcpSocket, AcceptError> {
    // The queue has a place for every worker.
    let _turn = turns.acquire(1).await;
    let socket = TcpSocket::new(stack, receive, transmit)?;
    socket.accept(port).await?;
    Ok(socket)
}

/// A service on TCP: its port, and `CONNECTIONS` at once with so many bytes buffered each way.
pub(super) struct Service<const CONNECTIONS: usize> {
    pub(super) port: u16,
    pub(super) buffer: usize,
}

impl<const CONNECTIONS: usize> Service<CONNECTIONS> {
    /// Adds the service to a stack's crew.
    pub(super) fn start<F>(self, crew: &mut Crew, stack: &Stack, serve: F)
    where
        F: AsyncFn(&TcpSocket) + Copy + 'static,
    {
        let turns: Rc<Turns<CONNECTIONS>> = Rc::new(Turns::new(1));
        for _ in 0..CONNECTIONS {
            crew.add(work(stack.clone(), self.port, self.buffer, turns.clone(), serve));
        }
    }
}

/// Serves connections, one at a time, until the stack has no room for a socket, which is made for all workers.
async fn work<const CONNECTIONS: usize>(
    stack: Stack,
    port: u16,
    buffer: usize,
    turns: Rc<Turns<CONNECTIONS>>,
    serve: impl AsyncFn(&TcpSocket),
) {
    loop {
        match accept(&stack, port, &turns, buffer, buffer).await {
            Ok(socket) => {
                serve(&socket).await;
                finish(&socket).await;
            }
            Err(error) => return log::error!("port {port}: {error}"),
        }
    }
}
