//! Counts QEMU's trace events.

use std::fs::File;
use std::io::{BufRead, BufReader};

use crate::Qemu;
use crate::scratch::ScratchPath;

/// The trace of one event of a guest, in a file.
#[derive(Debug)]
pub struct Trace {
    event: &'static str,
    file: ScratchPath,
}

impl Trace {
    /// Creates a trace of the named event (`-trace help` lists them).
    #[must_use]
    pub fn of(event: &'static str) -> Self {
        Self { event, file: ScratchPath::new("trace") }
    }

    /// Enables the trace in the guest.
    #[must_use]
    pub fn attach(&self, qemu: Qemu) -> Qemu {
        qemu.argument("-trace", self.event).argument("-D", &self.file.path().display().to_string())
    }

    /// Returns the number of events whose text satisfies `is_wanted`. Complete once the guest has ended.
    ///
    /// # Panics
    /// Panics when QEMU has not written the trace.
    #[must_use]
    #[track_caller]
    pub fn count(&self, is_wanted: impl Fn(&str) -> bool) -> u64 {
        let file = File::open(self.file.path()).expect("QEMU wrote its trace");
        let lines = BufReader::new(file).lines().map_while(Result::ok);
        lines.filter(|line| line.contains(self.event) && is_wanted(line)).map(|_| 1).sum()
    }
}
