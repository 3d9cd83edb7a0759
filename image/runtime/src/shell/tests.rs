//! Sessions of a shell at a terminal made of memory.

use alloc::vec;
use core::convert::Infallible;

use embassy_futures::block_on;
use embedded_io_async::ErrorType;
use switchboard_testing::{FakeFunction, FakeMachine};

use super::*;

struct Terminal {
    typed: Vec<u8>,
    shown: Vec<u8>,
}

impl ErrorType for Terminal {
    type Error = Infallible;
}

impl Read for Terminal {
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        let count = bytes.len().min(self.typed.len());
        bytes[..count].copy_from_slice(&self.typed[..count]);
        self.typed.drain(..count);
        Ok(count)
    }
}

impl Write for Terminal {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        // Some of it, as a port does.
        let count = bytes.len().min(7);
        self.shown.extend(&bytes[..count]);
        Ok(count)
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

fn session(typed: &[u8]) -> String {
    let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).at("00:03.0").bar(0, 0x1000).pin(1, 10).msi(1)]);
    let shell = Shell::new(fake.machine(), None);
    let mut terminal = Terminal { typed: typed.to_vec(), shown: vec![] };
    block_on(shell.serve(&mut terminal)).expect("no error");
    String::from_utf8(terminal.shown).expect("UTF-8")
}

#[test]
fn every_word_prints_something() {
    let help = session(b"help\r");
    for word in ["functions", "interrupts", "tasks", "log", "memory", "reboot", "poweroff", "exit", "help"] {
        assert!(help.contains(&alloc::format!("\r\n{word:<12}")), "{help}");
    }
    assert!(session(b"functions\r").contains("0000:00:03.0  1234:11e8"));
    assert!(session(b"interrupts\n").contains("vectors free"));
    assert!(session(b"memory\r\n").contains("KiB in use"));
}

#[test]
fn the_log_is_shown_from_its_end() {
    (0..2000).for_each(|line| crate::log_ring::record(&alloc::format!("line {line}\n")));
    let log = session(b"log 2\r");
    assert!(log.contains("line 1998\r\nline 1999\r\n") && !log.contains("line 1997\r"), "{log}");
    let log = session(b"log\r");
    assert!(log.contains("line 1999\r\n") && log.len() < 12_000, "{}", log.len());
}

#[test]
fn a_session_ends_by_exit_and_by_the_end_of_the_stream() {
    assert!(session(b"exit\rhelp\r").ends_with("exit\r\n"));
    assert!(session(b"").ends_with("> "));
    assert!(session(b"\x04help\r").ends_with("> "));
}

#[test]
fn an_unknown_word_gets_the_nearest() {
    assert!(session(b"memroy\r").contains("no word `memroy`: is it `memory`?"));
    assert!(session(b"xyzzy\r").contains("no word `xyzzy`: `help` lists them"));
    assert!(session(b"hlep\r").contains("`help`?"));
}

#[test]
fn a_peer_that_sends_anything_costs_nothing() {
    let bytes: Vec<u8> = (0..100_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8 & 0xfb).collect();
    // The words that end the machine do not occur.
    assert!(session(&bytes).len() > 1000);
}
