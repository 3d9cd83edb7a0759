//! Character generator (RFC 864): lines of text, for as long as somebody reads. TCP, port 19.

use alloc::rc::Rc;
use alloc::vec::Vec;

use embassy_futures::select::select;

use super::service::Service;
use super::{Stack, TcpSocket};
use switchboard_runtime::tasks::TaskGroup;

const PORT: u16 = 19;
/// Connections at once.
const MOST: usize = 64;
/// Connections that may arrive together.
const WAITING: usize = 2;
/// Bytes buffered on a connection, of what comes, which is of no interest, and of what goes.
const BUFFERS: (usize, usize) = (1024, 64 * 1024);

/// The printable characters, and how many of them are on a line.
const FIRST: u8 = b' ';
const COUNT: usize = 95;
const WIDTH: usize = 72;

/// One round of the pattern: each line begins one character further on. Made when a connection wants it, since it is
/// as large as a small driver.
fn pattern() -> Vec<u8> {
    let line = |begin: usize| {
        let characters = (FIRST..).take(COUNT).cycle().skip(begin).take(WIDTH);
        characters.chain(*b"\r\n")
    };
    (0..COUNT).flat_map(line).collect()
}

pub(super) fn start(group: &Rc<TaskGroup>, stack: &Stack) {
    let (receive, transmit) = BUFFERS;
    Service { port: PORT, receive, transmit, waiting: WAITING, most: MOST }.start(group, stack, generate);
}

async fn generate(socket: &Rc<TcpSocket>) {
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
    // What the peer sends means nothing; that it closed its side means that it has enough.
    let ignore = async { while socket.read_with(|data| (data.len(), ())).await.is_ok() {} };
    select(write, ignore).await;
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
