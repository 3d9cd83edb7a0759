//! What every TCP service does: accept, serve one connection, close it properly, accept the next.

use alloc::vec;

use embassy_net::Stack;
use embassy_net::tcp::TcpSocket;
use embassy_time::{Duration, with_timeout};

/// A peer that answers nothing for this long is gone.
const PEER_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a silent peer is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How long the peer may take to receive the rest and to close its side.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Settings of every connection: what is written leaves at once, and peers that vanish are noticed.
pub fn configure(socket: &mut TcpSocket<'_>) {
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

/// Serves connections to `port`, one at a time, for ever. A service for several at once runs several of these.
pub async fn listen(stack: Stack<'static>, port: u16, buffer: usize, serve: impl AsyncFn(&mut TcpSocket<'_>)) {
    let (mut receive, mut transmit) = (vec![0; buffer], vec![0; buffer]);
    loop {
        let mut socket = TcpSocket::new(stack, &mut receive, &mut transmit);
        configure(&mut socket);
        if socket.accept(port).await.is_ok() {
            serve(&mut socket).await;
            finish(&mut socket).await;
        }
    }
}
