//! QEMU's own account of what it did: its trace events, in a file.

use std::fs::File;
use std::io::{BufRead, BufReader};

use crate::Qemu;
use crate::scratch::ScratchPath;

/// Trace events of a guest.
#[derive(Debug)]
pub struct Trace {
    event: &'static str,
    file: ScratchPath,
}

impl Trace {
    /// The event of that name (`-trace help` lists them).
    #[must_use]
    pub fn of(event: &'static str) -> Self {
        Self { event, file: ScratchPath::new("trace") }
    }

    /// Has the guest write the event down.
    #[must_use]
    pub fn attach(&self, qemu: Qemu) -> Qemu {
        qemu.argument("-trace", self.event).argument("-D", &self.file.path().display().to_string())
    }

    /// Events whose text satisfies `is_wanted`. Complete once the guest has ended.
    ///
    /// # Panics
    /// When QEMU wrote none.
    #[must_use]
    #[track_caller]
    pub fn count(&self, is_wanted: impl Fn(&str) -> bool) -> u64 {
        let file = File::open(self.file.path()).expect("QEMU wrote its trace");
        let lines = BufReader::new(file).lines().map_while(Result::ok);
        lines.filter(|line| line.contains(self.event) && is_wanted(line)).map(|_| 1).sum()
    }
}
