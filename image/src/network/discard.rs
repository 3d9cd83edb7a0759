//! Discard (RFC 863): what comes is thrown away. TCP, port 9.

use super::service::Service;
use super::{Stack, TcpSocket};
use crate::tasks::Crew;

const PORT: u16 = 9;
/// Connections at once.
const CONNECTIONS: usize = 4;
/// Bytes buffered each way on a connection; the receive buffer is the window that senders fill.
const BUFFER: usize = 16 * 1024;

pub(super) fn start(crew: &mut Crew, stack: &Stack) {
    Service::<CONNECTIONS> { port: PORT, buffer: BUFFER }.start(crew, stack, discard);
}

async fn discard(socket: &TcpSocket) {
    // Until the peer has closed: then the read fails.
    while socket.read_with(|data| (data.len(), ())).await.is_ok() {}
}
