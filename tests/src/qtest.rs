//! Access to a guest's memory and configuration space from outside, by QEMU's qtest protocol, while the guest runs.

use core::time::Duration;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Instant;

use crate::Qemu;
use crate::scratch::ScratchPath;

/// Number of commands sent before their replies are read.
const BATCH: usize = 200;
const TIMEOUT: Duration = Duration::from_secs(30);

/// The qtest socket of a guest.
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
    /// Adds the qtest socket to the guest.
    #[must_use]
    pub fn attach(&self, qemu: Qemu) -> Qemu {
        let server = format!("unix:{},server=on,wait=off", self.socket.path().display());
        qemu.argument("-qtest", &server).argument("-qtest-log", "/dev/null")
    }

    /// Writes each value as four bytes to the same physical address.
    ///
    /// # Panics
    /// Panics when the socket does not accept connections, or a command fails.
    pub fn write_words(&self, address: u64, values: impl IntoIterator<Item = u32>) {
        self.execute(values.into_iter().map(|value| format!("writel {address:#x} {value:#x}\n")));
    }

    /// Reads two bytes of configuration space by the ports 0xcf8 and 0xcfc.
    ///
    /// # Panics
    /// Panics when the socket does not accept connections, or a command fails.
    #[must_use]
    pub fn read_config(&self, function: (u8, u8, u8), offset: u8) -> u16 {
        let read = format!("inw {:#x}\n", 0xcfc + u16::from(offset & 2));
        let answers = self.execute([select(function, offset), read]);
        let value = answers[1].strip_prefix("OK 0x").map(|digits| u16::from_str_radix(digits, 16));
        value.expect("a value").expect("a number")
    }

    /// Writes two bytes of configuration space by the ports 0xcf8 and 0xcfc.
    ///
    /// # Panics
    /// Panics when the socket does not accept connections, or a command fails.
    pub fn write_config(&self, function: (u8, u8, u8), offset: u8, value: u16) {
        let write = format!("outw {:#x} {value:#x}\n", 0xcfc + u16::from(offset & 2));
        self.execute([select(function, offset), write]);
    }

    /// Turns off the power and the power indicator of the slot of a port, as the port's driver would, without the
    /// driver being involved.
    ///
    /// # Panics
    /// Panics when a command fails, or the function is no PCI Express port.
    pub fn power_off(&self, port: (u8, u8, u8)) {
        let [mut offset, _] = self.read_config(port, 0x34).to_le_bytes();
        loop {
            let [id, next] = self.read_config(port, offset & 0xfc).to_le_bytes();
            if id == 0x10 {
                break;
            }
            assert_ne!(next, 0, "the function is no PCI Express port");
            offset = next;
        }
        let control = (offset & 0xfc) + 0x18;
        self.write_config(port, control, self.read_config(port, control) | 0x700);
    }

    /// Executes the commands in order and returns their replies.
    fn execute(&self, commands: impl IntoIterator<Item = String>) -> Vec<String> {
        let stream = self.connect();
        let mut lines = BufReader::new(&stream).lines();
        let mut commands = commands.into_iter().peekable();
        let mut answers = Vec::new();
        while commands.peek().is_some() {
            let batch: Vec<_> = commands.by_ref().take(BATCH).collect();
            (&stream).write_all(batch.concat().as_bytes()).expect("commands are sent");
            for command in batch {
                let answer = lines.next().expect("an answer").expect("a line");
                assert!(answer.starts_with("OK"), "{command}: {answer}");
                answers.push(answer);
            }
        }
        answers
    }

    fn connect(&self) -> UnixStream {
        let start = Instant::now();
        loop {
            match UnixStream::connect(self.socket.path()) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
                    return stream;
                }
                Err(error) => assert!(start.elapsed() < TIMEOUT, "no qtest socket: {error}"),
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Returns the command that selects a dword of configuration space by the address port.
fn select((bus, device, function): (u8, u8, u8), offset: u8) -> String {
    let address =
        1 << 31 | u32::from(bus) << 16 | u32::from(device) << 11 | u32::from(function) << 8 | u32::from(offset & 0xfc);
    format!("outl 0xcf8 {address:#x}\n")
}
