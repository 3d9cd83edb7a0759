//! One machine on a running QEMU: all that the framework reaches passes here.

use core::cell::Cell;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::collections::BTreeMap;
use std::string::String;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Instant;
use std::vec::Vec;

use switchboard::config::{Address, ConfigAccess, Width};
use switchboard::vector::VectorTable;

use super::clock::Time;
use super::connection::Connection;
use super::controller::{Controller, message_address};
use super::fault::Faults;
use super::ram::Ram;

/// The physical address of ECAM.
pub(super) const ECAM: u64 = 0xb000_0000;
/// The longest time for which an access waits for the interrupts that it has caused.
const SETTLE_LIMIT: Duration = Duration::from_micros(500);

std::thread_local! {
    /// Whether this thread plays the CPU.
    pub(super) static IS_CPU: Cell<bool> = const { Cell::new(false) };
}

/// A machine on QEMU. It is leaked, as a [`Machine`](switchboard::machine::Machine) lives for ever; its connection is not.
pub(super) struct Session {
    pub(super) ram: &'static Ram,
    pub(super) controller: Controller,
    pub(super) vectors: VectorTable,
    pub(super) time: Time,
    pub(super) faults: Faults,
    /// The blocks of DMA memory in use: pages by bus address.
    pub(super) blocks: Mutex<BTreeMap<usize, usize>>,
    /// The function under test, to which faults are limited.
    pub(super) subject: Mutex<Option<Address>>,
    pub(super) cpu: Mutex<Option<Thread>>,
    pub(super) is_ended: AtomicBool,
    /// A handler runs, or is about to.
    pub(super) is_delivering: AtomicBool,
    /// What went wrong in a handler or on the connection.
    pub(super) failure: Mutex<Option<String>>,
    link: Mutex<Option<Connection>>,
}

/// Locks, also after a panic of another thread, which is reported elsewhere.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the letter of the qtest command for an access of so many bytes.
fn letter(bytes: u8) -> char {
    match bytes {
        1 => 'b',
        2 => 'w',
        4 => 'l',
        _ => 'q',
    }
}

fn ones(bytes: u8) -> u64 {
    if bytes >= 8 { u64::MAX } else { (1 << (8 * u32::from(bytes))) - 1 }
}

impl Session {
    pub(super) fn new(ram: &'static Ram, connection: Connection) -> Self {
        Self {
            ram,
            controller: Controller::default(),
            vectors: VectorTable::new(0),
            time: Time::default(),
            faults: Faults::default(),
            blocks: Mutex::default(),
            subject: Mutex::default(),
            cpu: Mutex::default(),
            is_ended: AtomicBool::new(false),
            is_delivering: AtomicBool::new(false),
            failure: Mutex::default(),
            link: Mutex::new(Some(connection)),
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

    /// Returns the lines that are asserted.
    pub(super) fn levels(&self) -> u32 {
        let Ok(mut link) = self.link.try_lock() else { return 0 };
        link.as_mut().map_or(0, |connection| {
            connection.poll();
            connection.levels
        })
    }

    fn read_physical(&self, physical: u64, bytes: u8) -> u64 {
        let value = self.command(format_args!("read{} {physical:#x}", letter(bytes)));
        self.settle();
        value.map_or(ones(bytes), |value| value & ones(bytes))
    }

    fn write_physical(&self, physical: u64, bytes: u8, value: u64) {
        self.time.note_progress();
        self.command(format_args!("write{} {physical:#x} {:#x}", letter(bytes), value & ones(bytes)));
        self.settle();
    }

    /// Reads a register of a BAR.
    pub(super) fn read_register(&self, physical: u64, bytes: u8) -> u64 {
        if self.faults.reads_ones() { ones(bytes) } else { self.read_physical(physical, bytes) }
    }

    /// Writes a register of a BAR.
    pub(super) fn write_register(&self, physical: u64, bytes: u8, value: u64) {
        if !self.faults.is_removed() {
            self.write_physical(physical, bytes, value);
        }
    }

    /// Lets QEMU's main loop and the CPU's thread run.
    pub(super) fn round_trip(&self) {
        self.command(format_args!("readb {:#x}", message_address(0)));
        self.settle();
    }

    /// Waits until every interrupt is delivered and no line is asserted, or until that has failed.
    pub(super) fn wait_until_quiet(&self, limit: Duration) {
        let start = Instant::now();
        while self.is_pending() && lock(&self.failure).is_none() && start.elapsed() < limit {
            self.round_trip();
        }
    }

    /// Returns whether an interrupt waits for its delivery.
    fn is_pending(&self) -> bool {
        self.is_delivering.load(Ordering::SeqCst)
            || self.controller.has_raised()
            || !self.controller.asserted(self.levels()).is_empty()
            || self.controller.message_vectors().into_iter().any(|vector| self.ram.is_set(message_address(vector)))
    }

    /// Waits until the interrupts that have been caused are delivered: for a short time, since the caller may hold a
    /// lock that a handler waits for.
    fn settle(&self) {
        if IS_CPU.get() || !self.is_pending() {
            return;
        }
        if let Some(cpu) = &*lock(&self.cpu) {
            cpu.unpark();
        }
        let start = Instant::now();
        while self.is_pending() && start.elapsed() < SETTLE_LIMIT {
            thread::yield_now();
        }
    }

    fn config(&self, address: Address, offset: u16) -> Option<u64> {
        let is_reached = address.segment() == 0 && offset < 4096;
        let is_removed = self.faults.is_removed() && *lock(&self.subject) == Some(address);
        let function = u64::from(address.bus()) << 20 | u64::from(address.device()) << 15;
        let place = ECAM + (function | u64::from(address.function()) << 12 | u64::from(offset));
        (is_reached && !is_removed).then_some(place)
    }

    /// Returns the bus address and pages of each block of DMA memory in use.
    pub(super) fn dma_blocks(&self) -> Vec<(usize, usize)> {
        lock(&self.blocks).iter().map(|(bus, pages)| (*bus, *pages)).collect()
    }
}

impl ConfigAccess for Session {
    fn read(&self, address: Address, offset: u16, width: Width) -> u32 {
        let bytes = width.bytes().to_le_bytes()[0];
        let value = self.config(address, offset).map(|place| self.read_physical(place, bytes));
        value.and_then(|value| u32::try_from(value).ok()).unwrap_or(width.ones())
    }

    fn write(&self, address: Address, offset: u16, width: Width, value: u32) {
        if let Some(place) = self.config(address, offset) {
            self.write_physical(place, width.bytes().to_le_bytes()[0], value.into());
        }
    }

    fn size(&self, _: Address) -> u16 {
        4096
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("faults", &self.faults).finish_non_exhaustive()
    }
}
