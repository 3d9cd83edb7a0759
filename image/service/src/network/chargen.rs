//! Character generator (RFC 864): lines of text, for as long as somebody reads. TCP, port 19.

use alloc::rc::Rc;

use embassy_futures::select::select;

use super::service::Service;
use super::{Stack, TcpSocket};
use crate::tasks::Crew;

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
const LINE: usize = WIDTH + 2;

/// One round of the pattern: each line begins one character further on.
static PATTERN: [u8; COUNT * LINE] = pattern();

const fn pattern() -> [u8; COUNT * LINE] {
    let mut characters = [FIRST; COUNT];
    let mut index = 1;
    while index < COUNT {
        characters[index] = characters[index - 1] + 1;
        index += 1;
    }
    let mut text = [b'\n'; COUNT * LINE];
    let mut place = 0;
    while place < text.len() {
        let (line, column) = (place / LINE, place % LINE);
        if column < WIDTH {
            text[place] = characters[(line + column) % COUNT];
        } else if column == WIDTH {
            text[place] = b'\r';
        }
        place += 1;
    }
    text
}

pub(super) fn start(crew: &Rc<Crew>, stack: &Stack) {
    let (receive, transmit) = BUFFERS;
    Service { port: PORT, receive, transmit, waiting: WAITING, most: MOST }.start(crew, stack, generate);
}

async fn generate(socket: &Rc<TcpSocket>) {
    let write = async {
        let mut rest = &PATTERN[..];
        while let Ok(written) = socket.write(rest).await {
            rest = match &rest[written..] {
                [] => &PATTERN,
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
        let lines: alloc::vec::Vec<_> = PATTERN.chunks(LINE).collect();
        assert_eq!(lines.len(), 95);
        assert!(lines[0].starts_with(b" !\"#$%&'()") && lines[0].ends_with(b"defg\r\n"));
        assert!(lines[1].starts_with(b"!\"#") && lines[1].ends_with(b"defgh\r\n"));
        assert!(lines[94].starts_with(b"~ !\""));
    }
}
