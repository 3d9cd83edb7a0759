//! Stops the machine between firmware and image: a breakpoint at the image's entry, set by QEMU's gdb server.

use core::time::Duration;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Instant;

use crate::built::built_image;
use crate::scratch::ScratchPath;
use crate::{Guest, Qemu};

const TIMEOUT: Duration = Duration::from_secs(60);

/// The socket of a guest's gdb server.
#[derive(Debug)]
pub struct Entry {
    socket: ScratchPath,
}

impl Default for Entry {
    fn default() -> Self {
        Self { socket: ScratchPath::new("gdb") }
    }
}

impl Entry {
    /// Makes the guest start halted, with a gdb server.
    #[must_use]
    pub fn attach(&self, qemu: Qemu) -> Qemu {
        let server = format!("unix:{},server=on,wait=off", self.socket.path().display());
        qemu.argument("-gdb", &server).flag("-S")
    }

    /// Runs the firmware, calls `at_entry` while the machine is stopped at the image's first instruction, and resumes.
    ///
    /// # Panics
    /// Panics when the image is not reached in time.
    #[track_caller]
    pub fn reached(&self, guest: &Guest, at_entry: impl FnOnce()) {
        let start = Instant::now();
        let stream = loop {
            match UnixStream::connect(self.socket.path()) {
                Ok(stream) => break stream,
                Err(error) => {
                    assert!(start.elapsed() < TIMEOUT && guest.is_running(), "no debugger interface: {error}");
                }
            }
            thread::sleep(Duration::from_millis(5));
        };
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
        let mut gdb = Gdb { stream };
        let place = format!("1,{:x},1", entry_point());
        gdb.command(&format!("Z{place}"), "OK").expect("a breakpoint");
        gdb.command("c", "T05").expect("the firmware reaches the image");
        at_entry();
        gdb.command(&format!("z{place}"), "OK").expect("no breakpoint any more");
        gdb.command("D", "OK").expect("the image runs");
    }
}

/// Returns the address at which the loader enters the image: `e_entry` of a 64-bit ELF file.
fn entry_point() -> u64 {
    let image = fs::read(built_image()).expect("the image");
    let bytes = image.get(24..32).and_then(|bytes| bytes.try_into().ok()).expect("an ELF header");
    u64::from_le_bytes(bytes)
}

/// A client of gdb's remote protocol: `$command#checksum`, acknowledged by `+`.
struct Gdb {
    stream: UnixStream,
}

impl Gdb {
    /// Sends a command and reads its reply, which must begin with `wanted`.
    fn command(&mut self, command: &str, wanted: &str) -> io::Result<()> {
        let sum = command.bytes().fold(0_u8, u8::wrapping_add);
        write!(self.stream, "${command}#{sum:02x}")?;
        let answer = self.answer()?;
        self.stream.write_all(b"+")?;
        if answer.starts_with(wanted) { Ok(()) } else { Err(io::Error::other(format!("{command}: {answer}"))) }
    }

    fn answer(&mut self) -> io::Result<String> {
        while self.byte()? != b'$' {}
        let mut answer = String::new();
        loop {
            match self.byte()? {
                b'#' => break,
                byte => answer.push(char::from(byte)),
            }
        }
        self.byte()?;
        self.byte()?;
        Ok(answer)
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.stream.read_exact(&mut byte)?;
        Ok(byte[0])
    }
}
