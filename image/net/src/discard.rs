//! Discard (RFC 863): what comes is thrown away. TCP, port 9.

use alloc::rc::Rc;

use super::service::Service;
use super::{Stack, TcpSocket};
use switchboard_runtime::tasks::TaskGroup;

const PORT: u16 = 9;
/// Connections at once.
const MOST: usize = 64;
/// Connections that may arrive together.
const WAITING: usize = 2;
/// Bytes buffered on a connection: the window that senders fill, and as good as nothing to send.
const BUFFERS: (usize, usize) = (64 * 1024 - 1, 64);

pub(super) fn start(group: &Rc<TaskGroup>, stack: &Stack) {
    let (receive, transmit) = BUFFERS;
    Service { port: PORT, receive, transmit, waiting: WAITING, most: MOST }.start(group, stack, discard);
}

async fn discard(socket: &Rc<TcpSocket>) {
    // Until the peer has closed: then the read fails.
    while socket.read_with(|data| (data.len(), ())).await.is_ok() {}
}
