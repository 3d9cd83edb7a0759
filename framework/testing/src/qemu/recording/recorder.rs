//! Writes a recording.

use core::fmt;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::string::String;
use std::sync::Mutex;

use switchboard::platform::ModePolicy;

use super::event::{Access, Action, Change, Event, Point, Source};
use super::parse::policy_line;
use super::{Exchange, HEADER};
use crate::qemu::session::{IS_CPU, lock};

/// The blocks of DMA memory in use: bus address and pages.
type Blocks<'a> = &'a [(usize, usize)];

/// A recording that is being written.
#[derive(Debug)]
pub(in crate::qemu) struct Recorder {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: BufWriter<File>,
    exchange: Exchange,
    /// Of the task and of handlers.
    threads: [Progress; 2],
}

/// How often a thread has been at each point since its last access.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) counts: [u64; 3],
    /// The point at which it is, until its line is written.
    at: Option<Event>,
}

impl Progress {
    /// Counts a point.
    pub(super) fn count(&mut self, point: Point) -> u64 {
        let count = &mut self.counts[point as usize];
        *count += 1;
        *count
    }
}

impl Recorder {
    /// Creates the file.
    ///
    /// # Panics
    /// When it cannot be written.
    pub(in crate::qemu) fn new(
        path: &Path,
        policy: ModePolicy,
        arguments: &[String],
        test: &str,
        exchange: Exchange,
    ) -> Self {
        if let Some(folder) = path.parent() {
            // An error is reported for the file.
            drop(fs::create_dir_all(folder));
        }
        let file = File::create(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut state = State { file: BufWriter::new(file), exchange, threads: Default::default() };
        state.write_line(format_args!("{HEADER}"));
        state.write_line(format_args!("# {test}: {}", arguments.join(" ")));
        state.write_line(format_args!("{}", policy_line(policy)));
        Self { state: Mutex::new(state) }
    }

    /// Records an access, which `act` carries out.
    pub(in crate::qemu) fn access(&self, blocks: Blocks<'_>, access: Access, act: impl FnOnce() -> u64) -> u64 {
        let mut state = lock(&self.state);
        state.give(blocks);
        let read = act();
        state.threads[usize::from(IS_CPU.get())] = Progress::default();
        let value = if let Action::Write(value) = access.action { value } else { read };
        state.write(Event::Access(access, value));
        state.take(blocks);
        read
    }

    /// Exchanges memory at a point.
    pub(in crate::qemu) fn point(&self, blocks: Blocks<'_>, point: Point) {
        let mut state = lock(&self.state);
        let progress = &mut state.threads[usize::from(IS_CPU.get())];
        progress.at = Some(Event::At(point, progress.count(point)));
        let changes = state.exchange.give_and_take(blocks);
        state.write_changes("driver", &changes.by_driver);
        if !changes.by_device.is_empty() {
            state.write_point(usize::from(IS_CPU.get()));
            state.write_changes("device", &changes.by_device);
        }
    }

    /// Records an interrupt before its handlers are called.
    pub(in crate::qemu) fn interrupt(&self, blocks: Blocks<'_>, source: Source) {
        let mut state = lock(&self.state);
        // It is delivered where the task is.
        state.write_point(0);
        state.threads[1] = Progress::default();
        state.write_line(format_args!("{}", Event::Interrupt(source)));
        state.take(blocks);
    }

    /// Records that the handlers have returned.
    pub(in crate::qemu) fn end(&self, blocks: Blocks<'_>) {
        let mut state = lock(&self.state);
        state.give(blocks);
        state.write_line(format_args!("{}", Event::End));
    }

    /// Records that the task goes on, gives up, or is refused memory.
    pub(in crate::qemu) fn note(&self, event: Event) {
        lock(&self.state).write(event);
    }

    /// Clears a block of DMA memory that is about to be used.
    pub(in crate::qemu) fn clear(&self, bus: usize, bytes: usize) {
        lock(&self.state).exchange.clear(bus, bytes);
    }

    /// Writes to the file what is in memory.
    pub(in crate::qemu) fn flush(&self) {
        drop(lock(&self.state).file.flush());
    }
}

impl State {
    fn write_line(&mut self, line: fmt::Arguments<'_>) {
        writeln!(self.file, "{line}").unwrap_or_else(|error| panic!("a recording: {error}"));
    }

    /// Writes what this thread has done.
    fn write(&mut self, event: Event) {
        let indent = if IS_CPU.get() { "  " } else { "" };
        self.write_line(format_args!("{indent}{event}"));
    }

    /// Writes the point at which a thread is, if that is not written yet.
    fn write_point(&mut self, thread: usize) {
        if let Some(point) = self.threads[thread].at.take() {
            let indent = if thread == 1 { "  " } else { "" };
            self.write_line(format_args!("{indent}{point}"));
        }
    }

    fn write_changes(&mut self, side: &str, changes: &[Change]) {
        for change in changes {
            let indent = if IS_CPU.get() { "  " } else { "" };
            self.write_line(format_args!("{indent}{side} {change}"));
        }
    }

    fn give(&mut self, blocks: Blocks<'_>) {
        let changes = self.exchange.give(blocks);
        self.write_changes("driver", &changes);
    }

    fn take(&mut self, blocks: Blocks<'_>) {
        let changes = self.exchange.take(blocks);
        self.write_changes("device", &changes);
    }
}
