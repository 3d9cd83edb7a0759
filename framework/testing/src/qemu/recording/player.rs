//! Plays a recording in the place of QEMU.

use core::fmt;
use core::time::Duration;
use std::fs;
use std::path::Path;
use std::string::{String, ToString};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::vec;
use std::vec::Vec;

use switchboard::platform::ModePolicy;

use super::difference;
use super::event::{Access, Action, Change, Entry, Event, Place, Point, Source};
use super::exchange::find;
use super::parse::Recording;
use super::recorder::Progress;
use crate::qemu::ram::{RAM_BYTES, Ram};
use crate::qemu::session::{IS_CPU, lock};

/// The time after which the task and the handlers are taken to wait for each other.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// What the wait of a task has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::qemu) enum Waited {
    /// Something has happened, or time has passed.
    Passed,
    /// The machine's watch is to look at its handlers.
    LookDue,
    /// The task was given up.
    Stuck,
}

/// The blocks of DMA memory in use: bus address and pages.
type Blocks<'a> = &'a [(usize, usize)];
type Guard<'a> = MutexGuard<'a, State>;

/// A recording that is played.
#[derive(Debug)]
pub(in crate::qemu) struct Player {
    name: String,
    policy: ModePolicy,
    entries: Vec<Entry>,
    view: &'static Ram,
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug)]
struct State {
    /// The next entry.
    at: usize,
    /// Of the task and of handlers.
    threads: [Progress; 2],
    /// What DMA memory had in the recorded run.
    expected: Vec<u8>,
    /// The task goes on beside a handler, so that memory may change at any time.
    is_racing: bool,
    difference: Option<String>,
}

impl Player {
    /// Reads a recording.
    ///
    /// # Panics
    /// When it cannot be read, or is of another version.
    pub(in crate::qemu) fn new(path: &Path, view: &'static Ram) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let recording = Recording::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().to_string();
        let state = State {
            at: 0,
            threads: Default::default(),
            expected: vec![0; RAM_BYTES],
            is_racing: false,
            difference: None,
        };
        let Recording { policy, entries } = recording;
        Self { name, policy, entries, view, state: Mutex::new(state), moved: Condvar::new() }
    }

    /// Returns the interrupt modes of the recorded machine.
    pub(in crate::qemu) fn policy(&self) -> ModePolicy {
        self.policy
    }

    /// Returns the difference that was found.
    pub(in crate::qemu) fn difference(&self) -> Option<String> {
        lock(&self.state).difference.clone()
    }

    /// Plays an access: returns what was read. After a difference every register reads ones.
    pub(in crate::qemu) fn access(&self, blocks: Blocks<'_>, access: Access) -> u64 {
        let done = format_args!("{access}");
        let Some(mut state) = self.turn(Event::Access(access, 0), done) else { return u64::MAX };
        let Some(at) = self.find_access(&state, access) else {
            if let Some(value) = self.known_value(&state, access) {
                return value;
            }
            self.differs(state, done);
            return u64::MAX;
        };
        while state.at < at {
            self.consume(&mut state);
        }
        let value = if let Event::Access(_, value) = self.entries[at].event { value } else { u64::MAX };
        state.expect(&self.entries[at].by_driver);
        let is_write = access.action != Action::Read;
        if let Some((bus, recorded, found)) =
            (is_write && !state.is_racing).then(|| self.compare(&state, blocks)).flatten()
        {
            let done =
                format_args!("{access}, with {found:02x} in DMA memory at {bus:#x}, where {recorded:02x} was recorded");
            self.differs(state, done);
            return u64::MAX;
        }
        self.consume(&mut state);
        state.threads[usize::from(IS_CPU.get())] = Progress::default();
        self.let_handlers_run(state);
        value
    }

    /// Plays a point: what had happened at it or before it happens.
    pub(in crate::qemu) fn point(&self, point: Point) {
        let mut state = lock(&self.state);
        let count = state.threads[usize::from(IS_CPU.get())].count(point);
        let next = self.entries.get(state.at).filter(|entry| entry.is_handler == IS_CPU.get());
        match next.map(|entry| entry.event) {
            Some(Event::At(recorded, number)) if recorded == point && count >= number => self.consume(&mut state),
            _ => return,
        }
        self.let_handlers_run(state);
    }

    /// Plays the wait of a task that was not woken, to the next thing that happened.
    pub(in crate::qemu) fn wait(&self) -> Waited {
        let waiting = format_args!("a task waits");
        let Some(mut state) = self.turn(Event::At(Point::Wait, 0), waiting) else { return Waited::Stuck };
        let event = self.entries[state.at].event;
        match event {
            Event::At(..) | Event::Look | Event::Stuck => self.consume(&mut state),
            _ => {
                self.differs(state, format_args!("a task waits, and is woken by nothing"));
                return Waited::Stuck;
            }
        }
        self.let_handlers_run(state);
        match event {
            Event::Look => Waited::LookDue,
            Event::Stuck => Waited::Stuck,
            _ => Waited::Passed,
        }
    }

    /// Returns whether the next allocation of DMA memory failed.
    pub(in crate::qemu) fn refuses_memory(&self) -> bool {
        let mut state = lock(&self.state);
        let is_refused = |entry: &&Entry| matches!(entry.event, Event::Refused(_)) && entry.is_handler == IS_CPU.get();
        let is_next = self.entries.get(state.at).filter(is_refused).is_some();
        if is_next {
            self.consume(&mut state);
        }
        is_next
    }

    /// Clears a block of DMA memory that is about to be used.
    pub(in crate::qemu) fn clear(&self, bus: usize, bytes: usize) {
        lock(&self.state).expected[bus..bus + bytes].fill(0);
    }

    /// Takes the next interrupt, if it is due; waits for it for a moment.
    pub(in crate::qemu) fn take_interrupt(&self, limit: Duration) -> Option<Source> {
        let mut state = lock(&self.state);
        let next = |state: &State| match self.entries.get(state.at)?.event {
            Event::Interrupt(source) if state.difference.is_none() => Some(source),
            _ => None,
        };
        if next(&state).is_none() {
            state = self.moved.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0;
        }
        let source = next(&state)?;
        state.threads[1] = Progress::default();
        // The line stays the next one until its handlers are called: the task waits.
        Some(source)
    }

    /// Begins the interrupt that was taken.
    pub(in crate::qemu) fn begin(&self) {
        self.consume(&mut lock(&self.state));
    }

    /// Ends it: the handlers have returned.
    pub(in crate::qemu) fn end(&self) {
        let done = format_args!("the handlers return");
        let Some(mut state) = self.turn(Event::End, done) else { return };
        let end = self.entries[state.at..].iter().position(|entry| !is_config_read(entry)).unwrap_or(0) + state.at;
        if self.entries[end].event != Event::End {
            self.differs(state, done);
            return;
        }
        while state.at <= end {
            self.consume(&mut state);
        }
        state.is_racing = false;
    }

    /// Reports an interrupt that could not be delivered as recorded.
    pub(in crate::qemu) fn cannot_deliver(&self, why: &str) {
        self.differs(lock(&self.state), format_args!("{why}"));
    }

    /// Checks that all of the recording was played.
    pub(in crate::qemu) fn check_end(&self) {
        let state = lock(&self.state);
        let is_left = |entry: &Entry| !matches!(entry.event, Event::At(..)) && !is_config_read(entry);
        let left = self.entries[state.at..].iter().position(is_left);
        if state.difference.is_none()
            && let Some(left) = left
        {
            let mut state = state;
            state.at += left;
            self.differs(state, format_args!("nothing more"));
        }
    }

    /// Waits until it is this thread's turn, and passes points that this run has not reached.
    fn turn(&self, event: Event, done: fmt::Arguments<'_>) -> Option<Guard<'_>> {
        let mut state = lock(&self.state);
        loop {
            if state.difference.is_some() {
                return None;
            }
            let Some(next) = self.entries.get(state.at) else {
                self.differs(state, done);
                return None;
            };
            if next.is_handler != IS_CPU.get() {
                state = self.wait_for_move(state)?;
            } else if matches!(next.event, Event::At(..)) && !matches!(event, Event::At(..)) {
                self.consume(&mut state);
            } else {
                return Some(state);
            }
        }
    }

    /// Lets the handlers of interrupts run that were delivered here.
    fn let_handlers_run<'a>(&'a self, mut state: Guard<'a>) {
        while !IS_CPU.get() && state.difference.is_none() {
            match self.entries.get(state.at) {
                Some(entry) if entry.is_handler => match self.wait_for_move(state) {
                    Some(next) => state = next,
                    None => return,
                },
                Some(Entry { event: Event::Resumed, .. }) => {
                    state.is_racing = true;
                    return self.consume(&mut state);
                }
                _ => return,
            }
        }
    }

    fn wait_for_move<'a>(&'a self, state: Guard<'a>) -> Option<Guard<'a>> {
        let at = state.at;
        let is_waiting = |state: &mut State| state.at == at && state.difference.is_none();
        let waited = self.moved.wait_timeout_while(state, TURN_TIMEOUT, is_waiting);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            self.differs(state, format_args!("nothing: the task and the handlers wait for each other"));
            return None;
        }
        Some(state)
    }

    /// Passes an entry: memory is what it was after it.
    fn consume(&self, state: &mut State) {
        let Some(entry) = self.entries.get(state.at) else { return };
        state.expect(&entry.by_driver);
        state.expect(&entry.by_device);
        entry.by_device.iter().for_each(|Change { bus, data }| self.view.write(*bus, data));
        if let Event::At(point, number) = entry.event {
            state.threads[usize::from(entry.is_handler)].counts[point as usize] = number;
        }
        state.at += 1;
        self.moved.notify_all();
    }

    /// Finds an access: the next entry, or behind reads of configuration space, which have no effect and may be left out.
    fn find_access(&self, state: &State, access: Access) -> Option<usize> {
        for (at, entry) in self.entries.iter().enumerate().skip(state.at) {
            match entry.event {
                Event::Access(recorded, _) if recorded == access => return Some(at),
                _ if is_config_read(entry) && entry.is_handler == IS_CPU.get() => {}
                _ => break,
            }
        }
        None
    }

    /// Returns the value of a register of configuration space that was read at another time, when it had not been written
    /// between that time and now.
    fn known_value(&self, state: &State, access: Access) -> Option<u64> {
        let Place::Config(function, _) = access.place else { return None };
        let (before, after) = self.entries.split_at(state.at);
        let known = |entry: &Entry| match entry.event {
            Event::Access(recorded, value) if recorded == access => Some(Some(value)),
            Event::Access(Access { place: Place::Config(written, _), action: Action::Write(_), .. }, _)
                if written == function =>
            {
                Some(None)
            }
            _ => None,
        };
        let is_read = access.action == Action::Read;
        let find_before = || before.iter().rev().find_map(known).flatten();
        let find_after = || after.iter().find_map(known).flatten();
        is_read.then(|| find_before().or_else(find_after)).flatten()
    }

    /// Returns the first byte of DMA memory that the recorded driver had not: its place, the recorded byte, and this one.
    fn compare(&self, state: &State, blocks: Blocks<'_>) -> Option<(usize, u8, u8)> {
        let mut changes = Vec::new();
        for (bus, pages) in blocks {
            let expected = &state.expected[*bus..bus + pages * 4096];
            find(*bus, &self.view.read(*bus, expected.len()), expected, &mut changes);
        }
        let Change { bus, data } = changes.into_iter().next()?;
        Some((bus, state.expected[bus], *data.first()?))
    }

    /// Reports a difference, and ends the replay.
    fn differs(&self, mut state: Guard<'_>, done: fmt::Arguments<'_>) {
        if state.difference.is_some() {
            return;
        }
        let message = difference::message(&self.name, &self.entries, state.at, IS_CPU.get(), done);
        state.difference = Some(message.clone());
        drop(state);
        self.moved.notify_all();
        // On the task's thread, the trace of the panic has the line of the driver.
        assert!(IS_CPU.get() || thread::panicking(), "{message}");
    }
}

impl State {
    fn expect(&mut self, changes: &[Change]) {
        for Change { bus, data } in changes {
            self.expected[*bus..bus + data.len()].copy_from_slice(data);
        }
    }
}

fn is_config_read(entry: &Entry) -> bool {
    matches!(entry.event, Event::Access(Access { place: Place::Config(..), action: Action::Read, .. }, _))
}
