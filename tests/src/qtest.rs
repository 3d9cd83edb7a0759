//! Memory accesses from outside: QEMU's qtest protocol, beside a guest that runs as always.

use core::time::Duration;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Instant;

use crate::Qemu;
use crate::scratch::ScratchPath;

/// Commands sent before their answers are read.
const BATCH: usize = 200;
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a guest will listen for commands.
#[derive(Debug)]
pub struct Qtest {
    socket: ScratchPath,
}

impl Default for Qtest {
    fn default() -> Self {
        Self { socket: ScratchPath::new("qtest") }
    }
}

impl Qtest {
    /// Has the guest listen.
    #[must_use]
    pub fn attach(&self, qemu: Qemu) -> Qemu {
        let server = format!("unix:{},server=on,wait=off", self.socket.path().display());
        qemu.argument("-qtest", &server).argument("-qtest-log", "/dev/null")
    }

    /// Writes each value as four bytes to a physical address.
    ///
    /// # Panics
    /// When the guest does not listen, or refuses.
    pub fn write_words(&self, address: u64, values: impl IntoIterator<Item = u32>) {
        let stream = self.connect();
        let mut answers = BufReader::new(&stream).lines();
        let mut values = values.into_iter().peekable();
        while values.peek().is_some() {
            let commands: Vec<_> =
                values.by_ref().take(BATCH).map(|value| format!("writel {address:#x} {value:#x}\n")).collect();
            (&stream).write_all(commands.concat().as_bytes()).expect("commands are sent");
            for command in commands {
                let answer = answers.next().expect("an answer").expect("a line");
                assert_eq!(answer, "OK", "{command}");
            }
        }
    }

    fn connect(&self) -> UnixStream {
        let start = Instant::now();
        loop {
            match UnixStream::connect(self.socket.path()) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
                    return stream;
                }
                Err(error) => assert!(start.elapsed() < PATIENCE, "no qtest socket: {error}"),
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}
