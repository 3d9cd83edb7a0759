//! Character generator (RFC 864) on TCP port 19: sends lines of text until the peer closes.

use alloc::rc::Rc;
use alloc::vec::Vec;

use embassy_futures::select::select;

use crate::service::Service;
use crate::stack::{Stack, TcpStream};
use switchboard_runtime::tasks::TaskGroup;

const SERVICE: Service = Service {
    port: 19,
    // Received data is discarded.
    receive_bytes: 1024,
    transmit_bytes: 64 * 1024,
    backlog: 2,
    max_connections: 64,
};

/// The printable characters of ASCII, and how many of them are on a line.
const FIRST: u8 = b' ';
const COUNT: usize = 95;
const WIDTH: usize = 72;

/// Returns one round of the pattern, in which each line begins one character later than the one before. Made for each
/// connection, since it is as large as a small driver.
fn pattern() -> Vec<u8> {
    let line = |begin: usize| {
        let characters = (FIRST..).take(COUNT).cycle().skip(begin).take(WIDTH);
        characters.chain(*b"\r\n")
    };
    (0..COUNT).flat_map(line).collect()
}

/// Starts the service on a stack.
pub(super) fn start(group: &Rc<TaskGroup>, stack: &Stack) {
    SERVICE.start(group, stack, generate);
}

async fn generate(socket: &Rc<TcpStream>) {
    let pattern = pattern();
    let write = async {
        let mut rest = &pattern[..];
        while let Ok(written) = socket.write(rest).await {
            rest = match &rest[written..] {
                [] => &pattern,
                rest => rest,
            };
        }
    };
    // Ends when the peer closes its side.
    let discard = async { while socket.read_with(|data| (data.len(), ())).await.is_ok() {} };
    select(write, discard).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_the_rfc() {
        let pattern = pattern();
        let lines: Vec<_> = pattern.chunks(WIDTH + 2).collect();
        assert_eq!(lines.len(), 95);
        assert!(lines[0].starts_with(b" !\"#$%&'()") && lines[0].ends_with(b"defg\r\n"));
        assert!(lines[1].starts_with(b"!\"#") && lines[1].ends_with(b"defgh\r\n"));
        assert!(lines[94].starts_with(b"~ !\""));
    }
}
