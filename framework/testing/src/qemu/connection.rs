//! The qtest protocol: one line a command, one line an answer, and lines about interrupts at any time.

use core::fmt;
use core::time::Duration;
use std::format;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::string::{String, ToString};
use std::vec::Vec;

use nix::sys::socket::{MsgFlags, recv};

/// The time after which QEMU's answer is given up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to QEMU.
#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    received: Vec<u8>,
    /// The lines that are asserted, by bits.
    pub(super) levels: u32,
}

impl Connection {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(Self { stream, received: Vec::new(), levels: 0 })
    }

    /// Carries out a command, and returns the value of its answer, or 0 when it has none.
    pub(super) fn request(&mut self, command: fmt::Arguments<'_>) -> io::Result<u64> {
        let command = format!("{command}\n");
        self.stream.write_all(command.as_bytes())?;
        loop {
            while let Some(line) = self.next_line() {
                let mut words = line.split(' ');
                match words.next() {
                    Some("OK") => {
                        let value = words.next().and_then(|word| word.strip_prefix("0x"));
                        return Ok(value.and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0));
                    }
                    Some("IRQ") => self.note_line(&line),
                    _ => return Err(io::Error::other(format!("QEMU answers {line:?} to {:?}", command.trim_end()))),
                }
            }
            let mut bytes = [0; 512];
            let length = self.stream.read(&mut bytes)?;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.received.extend_from_slice(&bytes[..length]);
        }
    }

    /// Takes note of the lines that have changed since the last command, without waiting.
    pub(super) fn poll(&mut self) {
        let mut bytes = [0; 512];
        while let Ok(length @ 1..) = recv(self.stream.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
            self.received.extend_from_slice(&bytes[..length]);
        }
        while let Some(line) = self.next_line() {
            self.note_line(&line);
        }
    }

    fn next_line(&mut self) -> Option<String> {
        let end = self.received.iter().position(|byte| *byte == b'\n')?;
        let line = String::from_utf8_lossy(&self.received[..end]).trim_end().to_string();
        self.received.drain(..=end);
        Some(line)
    }

    /// Takes note of `IRQ raise 20` or `IRQ lower 20`.
    fn note_line(&mut self, line: &str) {
        let mut words = line.split(' ').skip(1);
        let (change, input) = (words.next(), words.next().and_then(|word| word.parse::<u32>().ok()));
        match (change, input.and_then(|input| 1_u32.checked_shl(input))) {
            (Some("raise"), Some(bit)) => self.levels |= bit,
            (Some("lower"), Some(bit)) => self.levels &= !bit,
            _ => {}
        }
    }
}
