//! One machine on a running QEMU.

use core::cell::Cell;
use core::fmt;
use core::sync::atomic::AtomicBool;
use std::collections::BTreeMap;
use std::string::String;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::vec::Vec;

use switchboard::config::Address;
use switchboard::vector::VectorTable;

use super::clock::Time;
use super::connection::Connection;
use super::controller::Controller;
use super::fault::Faults;
use super::posted::PostedWrites;
use super::ram::Ram;
use super::recording::{Event, Player, Recorder};
use super::turns::Turns;

/// The physical address of ECAM.
pub(super) const ECAM: u64 = 0xb000_0000;

std::thread_local! {
    /// Whether this thread plays the CPU.
    pub(super) static IS_CPU: Cell<bool> = const { Cell::new(false) };
}

/// What becomes of accesses.
#[derive(Debug)]
pub(super) enum Conduct {
    /// QEMU does them, and the CPU's thread runs beside the test's.
    Live,
    /// QEMU does them one after the other, and each is recorded.
    Recorded(Recorder),
    /// They are compared with a recording.
    Replayed(Player),
}

/// A machine on QEMU. It is leaked, as a [`Machine`](switchboard::machine::Machine) lives for ever; its connection is not.
pub(super) struct Session {
    pub(super) ram: &'static Ram,
    /// The memory that drivers access: `ram`, unless the run is recorded or replayed.
    pub(super) view: &'static Ram,
    pub(super) conduct: Conduct,
    /// The order of the two threads in a recorded run.
    pub(super) turns: Turns,
    /// The BARs of each function as they were last written.
    pub(super) bars: Mutex<BTreeMap<Address, [u32; 6]>>,
    pub(super) controller: Controller,
    pub(super) vectors: VectorTable,
    pub(super) time: Time,
    pub(super) faults: Faults,
    pub(super) posted: PostedWrites,
    /// The blocks of DMA memory in use: pages by bus address.
    pub(super) blocks: Mutex<BTreeMap<usize, usize>>,
    /// The function under test, to which faults are limited.
    pub(super) subject: Mutex<Option<Address>>,
    pub(super) cpu: Mutex<Option<Thread>>,
    pub(super) is_ended: AtomicBool,
    /// Devices have been added while the machine ran.
    pub(super) has_hot_plug: AtomicBool,
    /// QEMU's time may stand: see [`let_time_pass`](Self::let_time_pass).
    pub(super) is_time_held: AtomicBool,
    /// A handler runs, or is about to.
    pub(super) is_delivering: AtomicBool,
    /// What went wrong in a handler or on the connection.
    pub(super) failure: Mutex<Option<String>>,
    pub(super) link: Mutex<Option<Connection>>,
}

/// Locks, also after a panic of another thread, which is reported elsewhere.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    pub(super) fn new(ram: &'static Ram, view: &'static Ram, link: Option<Connection>, conduct: Conduct) -> Self {
        Self {
            ram,
            view,
            conduct,
            turns: Turns::default(),
            bars: Mutex::default(),
            controller: Controller::default(),
            vectors: VectorTable::new(0),
            time: Time::default(),
            faults: Faults::default(),
            posted: PostedWrites::default(),
            blocks: Mutex::default(),
            subject: Mutex::default(),
            cpu: Mutex::default(),
            is_ended: AtomicBool::new(false),
            has_hot_plug: AtomicBool::new(false),
            is_time_held: AtomicBool::new(true),
            is_delivering: AtomicBool::new(false),
            failure: Mutex::default(),
            link: Mutex::new(link),
        }
    }

    /// Takes the connection away: accesses read ones from now on.
    pub(super) fn disconnect(&self) -> Option<Connection> {
        lock(&self.link).take()
    }

    /// Carries out a qtest command. Returns `None` when QEMU has gone.
    pub(super) fn command(&self, command: fmt::Arguments<'_>) -> Option<u64> {
        let mut link = lock(&self.link);
        match link.as_mut()?.request(command) {
            Ok(value) => Some(value),
            Err(error) => {
                *link = None;
                lock(&self.failure).get_or_insert_with(|| std::format!("the connection to QEMU: {error}"));
                None
            }
        }
    }

    /// Returns the lines that are asserted, or `None` while the other thread accesses QEMU: that may change them.
    pub(super) fn levels(&self) -> Option<u32> {
        let mut link = self.link.try_lock().ok()?;
        Some(link.as_mut().map_or(0, |connection| {
            connection.poll();
            connection.levels
        }))
    }

    /// Records something that was no access.
    pub(super) fn note(&self, event: Event) {
        if let Conduct::Recorded(recorder) = &self.conduct {
            recorder.note(event);
        }
    }

    /// Returns whether the allocation of so many pages fails.
    pub(super) fn refuses_memory(&self, pages: usize) -> bool {
        if let Conduct::Replayed(player) = &self.conduct {
            return player.refuses_memory();
        }
        let is_refused = self.faults.refuses_memory();
        if is_refused {
            self.note(Event::Refused(pages));
        }
        is_refused
    }

    /// Notes a block of DMA memory that is about to be used, and has been cleared for the driver.
    pub(super) fn clear(&self, bus: usize, bytes: usize) {
        match &self.conduct {
            Conduct::Live => {}
            Conduct::Recorded(recorder) => recorder.clear(bus, bytes),
            Conduct::Replayed(player) => player.clear(bus, bytes),
        }
    }

    /// Writes a recording to its file.
    pub(super) fn flush(&self) {
        if let Conduct::Recorded(recorder) = &self.conduct {
            recorder.flush();
        }
    }

    /// Returns what went wrong, if anything.
    pub(super) fn failed(&self) -> Option<String> {
        let difference = if let Conduct::Replayed(player) = &self.conduct { player.difference() } else { None };
        difference.or_else(|| lock(&self.failure).clone())
    }

    /// Returns the bus address and pages of each block of DMA memory in use.
    pub(super) fn dma_blocks(&self) -> Vec<(usize, usize)> {
        lock(&self.blocks).iter().map(|(bus, pages)| (*bus, *pages)).collect()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("faults", &self.faults).finish_non_exhaustive()
    }
}
