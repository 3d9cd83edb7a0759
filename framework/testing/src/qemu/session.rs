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
use super::posted::{PostedWrite, PostedWrites};
use super::ram::Ram;
use super::recording::{Access, Action, Event, Place, Player, Point, Recorder, Waited};
use super::turns::Turns;

/// The physical address of ECAM.
pub(super) const ECAM: u64 = 0xb000_0000;
/// The time between two looks of a recorded run at what a task waits for.
const IDLE: Duration = Duration::from_micros(100);
/// The longest time for which an access waits for the interrupts that it has caused.
const SETTLE_LIMIT: Duration = Duration::from_micros(500);

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
    bars: Mutex<BTreeMap<Address, [u32; 6]>>,
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

/// Returns the function that has a place in a BAR.
fn function_of(place: Place) -> Option<Address> {
    if let Place::Bar(function, ..) = place { Some(function) } else { None }
}

fn ones(bytes: u8) -> u64 {
    if bytes >= 8 { u64::MAX } else { (1 << (8 * u32::from(bytes))) - 1 }
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

    /// Returns the lines that are asserted.
    pub(super) fn levels(&self) -> u32 {
        let Ok(mut link) = self.link.try_lock() else { return 0 };
        link.as_mut().map_or(0, |connection| {
            connection.poll();
            connection.levels
        })
    }

    /// Does an access as the conduct of this session wants it: `act` reaches QEMU.
    fn access(&self, access: Access, act: impl FnOnce() -> Option<u64>) -> u64 {
        let ones = ones(access.bytes);
        if access.action != Action::Read {
            self.time.note_progress();
        }
        let act = || act().map_or(ones, |value| value & ones);
        match &self.conduct {
            Conduct::Live => {
                let value = act();
                self.settle();
                value
            }
            Conduct::Recorded(recorder) => {
                let value = recorder.access(&self.dma_blocks(), access, act);
                if IS_CPU.get() {
                    self.turns.note_handler();
                }
                self.step();
                value
            }
            Conduct::Replayed(player) => player.access(&self.dma_blocks(), access) & ones,
        }
    }

    /// Returns the BAR that has a physical address, with its own address.
    pub(super) fn find_bar(&self, physical: u64) -> Option<(Address, u8, u64)> {
        let bars = lock(&self.bars);
        let mut found: Option<(Address, u8, u64)> = None;
        for (function, values) in &*bars {
            for (index, value) in (0..).zip(values) {
                let (low, high) = (u64::from(value & !0xf), values.get(usize::from(index) + 1).copied().unwrap_or(0));
                for start in [low, u64::from(high) << 32 | low] {
                    if start != 0 && start <= physical && found.is_none_or(|(_, _, nearest)| start > nearest) {
                        found = Some((*function, index, start));
                    }
                }
            }
        }
        found
    }

    /// Reads a register of a BAR.
    pub(super) fn read_register(&self, place: Place, physical: u64, bytes: u8) -> u64 {
        self.access(Access { place, bytes, action: Action::Read }, || {
            self.send_posted(function_of(place));
            if self.faults.reads_ones() {
                return None;
            }
            let value = self.command(format_args!("read{} {physical:#x}", letter(bytes)));
            // QEMU reads zeros where nothing is, and a root complex ones.
            value.filter(|value| *value != 0 || !self.is_unplugged(place))
        })
    }

    /// Returns whether the function of a BAR was unplugged.
    fn is_unplugged(&self, place: Place) -> bool {
        let Place::Bar(function, ..) = place else { return false };
        let is_gone =
            |config| self.command(format_args!("readw {config:#x}")).is_none_or(|vendor| vendor & 0xffff == 0xffff);
        self.has_hot_plug.load(Ordering::Relaxed) && self.config(function, 0).is_none_or(is_gone)
    }

    /// Writes a register of a BAR.
    pub(super) fn write_register(&self, place: Place, physical: u64, bytes: u8, value: u64) {
        let value = value & ones(bytes);
        self.access(Access { place, bytes, action: Action::Write(value) }, || {
            if self.faults.is_removed() {
                return None;
            }
            match function_of(place) {
                Some(function) if self.posted.is_enabled() => {
                    self.posted.push(PostedWrite::new(function, physical, bytes, value, IS_CPU.get()));
                    None
                }
                _ => self.command(format_args!("write{} {physical:#x} {value:#x}", letter(bytes))),
            }
        });
    }

    /// Lets the posted writes to a function arrive, or all. Returns whether a handler had made one of them.
    pub(super) fn send_posted(&self, function: Option<Address>) -> bool {
        self.posted.send(function, |PostedWrite { physical, bytes, value, .. }| {
            if !self.faults.is_removed() {
                self.command(format_args!("write{} {physical:#x} {value:#x}", letter(bytes)));
            }
        })
    }

    /// Lets all posted writes arrive before the handlers of a line are called. When one that a handler had made ends the
    /// interrupt, they are called for nothing: it was not read back.
    pub(super) fn send_posted_before_line(&self, gsi: u32) {
        let is_asserted = |session: &Self| {
            let link = lock(&session.link);
            link.as_ref().is_some_and(|connection| connection.levels >> gsi & 1 != 0)
        };
        let was_asserted = is_asserted(self);
        if self.send_posted(None) && was_asserted && !is_asserted(self) {
            self.posted.count_spurious();
        }
    }

    /// Reads an I/O port.
    pub(super) fn read_port(&self, port: u16) -> u8 {
        let access = Access { place: Place::Port(port), bytes: 1, action: Action::Read };
        self.access(access, || self.command(format_args!("inb {port:#x}"))).to_le_bytes()[0]
    }

    /// Writes an I/O port.
    pub(super) fn write_port(&self, port: u16, value: u8) {
        let access = Access { place: Place::Port(port), bytes: 1, action: Action::Write(value.into()) };
        self.access(access, || self.command(format_args!("outb {port:#x} {value:#x}")));
    }

    /// Lets QEMU's main loop and the CPU's thread run, at a point of a driver.
    pub(super) fn pass(&self, point: Point) {
        if point != Point::Fence {
            self.send_posted(None);
        }
        match &self.conduct {
            Conduct::Live if point == Point::Fence => {}
            Conduct::Live => self.round_trip(),
            Conduct::Recorded(recorder) => {
                if point != Point::Fence {
                    self.command(format_args!("readb {:#x}", message_address(0)));
                }
                recorder.point(&self.dma_blocks(), point);
                if point == Point::Time {
                    // Also interrupts that are late arrive.
                    self.turn();
                }
                self.step();
            }
            Conduct::Replayed(player) => player.point(point),
        }
    }

    /// Waits for the next thing that happens to a task that was not woken.
    pub(super) fn wait(&self) -> Waited {
        match &self.conduct {
            Conduct::Live => {}
            Conduct::Recorded(_) => {
                self.pass(Point::Wait);
                self.turn();
                thread::sleep(IDLE);
            }
            Conduct::Replayed(player) => return player.wait(),
        }
        Waited::Passed
    }

    /// Records something that was no access.
    pub(super) fn note(&self, event: Event) {
        if let Conduct::Recorded(recorder) = &self.conduct {
            recorder.note(event);
        }
    }

    /// Lets the CPU's thread deliver what has arrived, in a recorded run.
    fn step(&self) {
        while self.is_pending() && lock(&self.failure).is_none() {
            if !self.turn() {
                break;
            }
        }
    }

    /// Lets the CPU's thread look once. Returns whether its handlers have returned.
    fn turn(&self) -> bool {
        if IS_CPU.get() {
            return false;
        }
        let is_done = self.turns.request();
        if !is_done {
            // A handler waits for a lock of this thread.
            self.note(Event::Resumed);
        }
        is_done
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

    /// Lets QEMU's main loop and the CPU's thread run.
    fn round_trip(&self) {
        self.command(format_args!("readb {:#x}", message_address(0)));
        self.settle();
    }

    /// Waits until every interrupt is delivered and no line is asserted, or until that has failed.
    pub(super) fn wait_until_quiet(&self, limit: Duration) {
        if matches!(self.conduct, Conduct::Replayed(_)) {
            return self.pass(Point::Wait);
        }
        let start = Instant::now();
        while self.is_pending() && lock(&self.failure).is_none() && start.elapsed() < limit {
            self.pass(Point::Wait);
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
        let access = Access { place: Place::Config(address, offset), bytes, action: Action::Read };
        let value = self.access(access, || {
            self.send_posted(Some(address));
            self.config(address, offset)
                .and_then(|place| self.command(format_args!("read{} {place:#x}", letter(bytes))))
        });
        u32::try_from(value).unwrap_or(width.ones())
    }

    fn write(&self, address: Address, offset: u16, width: Width, value: u32) {
        if let 0x10..0x28 = offset
            && width == Width::Dword
            && value != u32::MAX
        {
            lock(&self.bars).entry(address).or_default()[usize::from(offset - 0x10) / 4] = value;
        }
        let bytes = width.bytes().to_le_bytes()[0];
        let value = u64::from(value) & ones(bytes);
        let access = Access { place: Place::Config(address, offset), bytes, action: Action::Write(value) };
        self.access(access, || {
            self.send_posted(Some(address));
            let place = self.config(address, offset)?;
            self.command(format_args!("write{} {place:#x} {value:#x}", letter(bytes)))
        });
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
