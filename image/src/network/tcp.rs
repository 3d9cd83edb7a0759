//! What every TCP service does: accept, serve one connection, close it properly, accept the next.

use alloc::rc::Rc;
use alloc::vec;

use embassy_net::Stack;
use embassy_net::tcp::{AcceptError, TcpSocket};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::semaphore::{FairSemaphore, Semaphore};
use embassy_time::{Duration, with_timeout};

use crate::tasks::Crew;

/// A peer that answers nothing for this long is gone.
const PEER_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a silent peer is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How long the peer may take to receive the rest and to close its side.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Settings of every connection: what is written leaves at once, and peers that vanish are noticed.
fn configure(socket: &mut TcpSocket<'_>) {
    socket.set_nagle_enabled(false);
    socket.set_timeout(Some(PEER_TIMEOUT));
    socket.set_keep_alive(Some(KEEP_ALIVE));
}

/// Closes: lets the peer have what was written, or resets the connection when that takes too long.
pub async fn finish(socket: &mut TcpSocket<'_>) {
    socket.close();
    let closed = async {
        // Until the peer has closed too. What it still sends is of no use; left unread, it would stop the
        // peer from ever getting to its close.
        let mut rest = [0; 256];
        while socket.read(&mut rest).await.is_ok_and(|length| length > 0) {}
        let _ = socket.flush().await;
    };
    if with_timeout(CLOSE_TIMEOUT, closed).await.is_err() {
        socket.abort();
        let _ = with_timeout(CLOSE_TIMEOUT, socket.flush()).await;
    }
}

/// How many sockets of a service may wait for connections at once. The stack looks at each of its sockets for each
/// packet, so those that only wait are kept few: a worker makes its socket when it is its turn to wait.
pub type Turns<const WORKERS: usize> = FairSemaphore<NoopRawMutex, WORKERS>;

/// Accepts one connection: waits for a turn to wait for it, first.
///
/// # Errors
/// [`AcceptError`] when the socket cannot listen, for port 0.
pub async fn accept<'a, const WORKERS: usize>(
    stack: Stack<'a>,
    port: u16,
    turns: &Turns<WORKERS>,
    receive: &'a mut [u8],
    transmit: &'a mut [u8],
) -> Result<TcpSocket<'a>, AcceptError> {
    // The queue has a place for every worker.
    let _turn = turns.acquire(1).await;
    let mut socket = TcpSocket::new(stack, receive, transmit);
    configure(&mut socket);
    socket.accept(port).await.map(|()| socket)
}

/// A service on TCP: its port, and `CONNECTIONS` at once with so many bytes buffered each way.
pub(super) struct Service<const CONNECTIONS: usize> {
    pub(super) port: u16,
    pub(super) buffer: usize,
}

impl<const CONNECTIONS: usize> Service<CONNECTIONS> {
    /// Adds the service to a stack's crew.
    pub(super) fn start<'a, F>(self, crew: &mut Crew<'a>, stack: Stack<'a>, serve: F)
    where
        F: AsyncFn(&mut TcpSocket<'_>) + Copy + 'a,
    {
        let turns: Rc<Turns<CONNECTIONS>> = Rc::new(Turns::new(1));
        for _ in 0..CONNECTIONS {
            crew.add(work(stack, self.port, self.buffer, turns.clone(), serve));
        }
    }
}

/// Serves connections, one at a time, for ever.
async fn work<const CONNECTIONS: usize>(
    stack: Stack<'_>,
    port: u16,
    buffer: usize,
    turns: Rc<Turns<CONNECTIONS>>,
    serve: impl AsyncFn(&mut TcpSocket<'_>),
) {
    let (mut receive, mut transmit) = (vec![0; buffer], vec![0; buffer]);
    loop {
        if let Ok(mut socket) = accept(stack, port, &turns, &mut receive, &mut transmit).await {
            serve(&mut socket).await;
            finish(&mut socket).await;
        }
    }
}
