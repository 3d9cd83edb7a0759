//! Discard (RFC 863): what comes is thrown away. TCP, port 9.

use embassy_net::Stack;
use embassy_net::tcp::TcpSocket;

use super::tcp::Service;
use crate::tasks::Crew;

const PORT: u16 = 9;
/// Connections at once.
const CONNECTIONS: usize = 4;
/// Sockets that this service takes of a stack.
pub(super) const SOCKETS: usize = CONNECTIONS;
/// Bytes buffered each way on a connection; the receive buffer is the window that senders fill.
const BUFFER: usize = 16 * 1024;

pub(super) fn start<'a>(crew: &mut Crew<'a>, stack: Stack<'a>) {
    Service::<CONNECTIONS> { port: PORT, buffer: BUFFER }.start(crew, stack, discard);
}

async fn discard(socket: &mut TcpSocket<'_>) {
    // Until the peer has closed: then the read fails.
    while socket.read_with(|data| (data.len(), ())).await.is_ok() {}
}
