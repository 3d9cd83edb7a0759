//! Discard (RFC 863) on TCP port 9: reads and drops everything.

use alloc::rc::Rc;

use crate::service::Service;
use crate::stack::{Stack, TcpStream};
use switchboard_runtime::tasks::TaskGroup;

const SERVICE: Service = Service {
    port: 9,
    // The largest window without window scaling.
    receive_bytes: 64 * 1024 - 1,
    // Nothing is sent.
    transmit_bytes: 64,
    backlog: 2,
    max_connections: 64,
};

/// Starts the service on a stack.
pub(super) fn start(group: &Rc<TaskGroup>, stack: &Stack) {
    SERVICE.start(group, stack, discard);
}

async fn discard(socket: &Rc<TcpStream>) {
    // The read fails once the peer has closed.
    while socket.read_with(|data| (data.len(), ())).await.is_ok() {}
}
