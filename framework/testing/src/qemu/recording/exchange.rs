//! The memory of a driver whose run is recorded, and its exchange with the memory of QEMU.

use core::time::Duration;
use std::fs;
use std::path::PathBuf;
use std::string::String;
use std::thread;
use std::time::Instant;
use std::vec;
use std::vec::Vec;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::event::Change;
use crate::qemu::ram::{RAM_BYTES, Ram};

/// The time in which all threads of QEMU stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// The memory of a driver, that of QEMU, and what both had when they were last the same.
#[derive(Debug)]
pub(in crate::qemu) struct Exchange {
    /// The memory that QEMU's devices access.
    ram: &'static Ram,
    /// The memory that the driver accesses.
    view: &'static Ram,
    agreed: Vec<u8>,
    qemu: u32,
}

/// Bytes that have changed on each side.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) by_driver: Vec<Change>,
    pub(super) by_device: Vec<Change>,
}

impl Exchange {
    pub(in crate::qemu) fn new(ram: &'static Ram, view: &'static Ram, qemu: u32) -> Self {
        Self { ram, view, agreed: vec![0; RAM_BYTES], qemu }
    }

    /// Clears a block that is about to be used.
    pub(super) fn clear(&mut self, bus: usize, bytes: usize) {
        self.ram.write(bus, &vec![0; bytes]);
        self.agreed[bus..bus + bytes].fill(0);
    }

    /// Copies what the driver has written in these blocks to QEMU's memory. Returns it.
    pub(super) fn give(&mut self, blocks: &[(usize, usize)]) -> Vec<Change> {
        let changes = self.find(blocks, true, false);
        if changes.by_driver.is_empty() { changes.by_driver } else { self.exchange(blocks, true, false).by_driver }
    }

    /// Copies what the device has written to the driver's memory. Returns it.
    pub(super) fn take(&mut self, blocks: &[(usize, usize)]) -> Vec<Change> {
        let changes = self.find(blocks, false, true);
        if changes.by_device.is_empty() { changes.by_device } else { self.exchange(blocks, false, true).by_device }
    }

    /// Does both at one moment.
    pub(super) fn give_and_take(&mut self, blocks: &[(usize, usize)]) -> Changes {
        let changes = self.find(blocks, true, true);
        let is_same = changes.by_driver.is_empty() && changes.by_device.is_empty();
        if is_same { changes } else { self.exchange(blocks, true, true) }
    }

    /// Finds changes. QEMU may run: changes that come during this may be missed.
    fn find(&self, blocks: &[(usize, usize)], by_driver: bool, by_device: bool) -> Changes {
        let mut changes = Changes::default();
        for (bus, pages) in blocks {
            let agreed = &self.agreed[*bus..bus + pages * 4096];
            if by_driver {
                find(*bus, &self.view.read(*bus, agreed.len()), agreed, &mut changes.by_driver);
            }
            if by_device {
                find(*bus, &self.ram.read(*bus, agreed.len()), agreed, &mut changes.by_device);
            }
        }
        changes
    }

    fn exchange(&mut self, blocks: &[(usize, usize)], by_driver: bool, by_device: bool) -> Changes {
        let stopped = Stopped::new(self.qemu);
        let changes = self.find(blocks, by_driver, by_device);
        for Change { bus, data } in &changes.by_device {
            self.view.write(*bus, data);
            self.agreed[*bus..bus + data.len()].copy_from_slice(data);
        }
        // Last: of bytes that both have written, the driver's are the later.
        for Change { bus, data } in &changes.by_driver {
            self.ram.write(*bus, data);
            self.view.write(*bus, data);
            self.agreed[*bus..bus + data.len()].copy_from_slice(data);
        }
        drop(stopped);
        changes
    }
}

/// Adds the runs of bytes in which `now` differs from `before`.
pub(super) fn find(bus: usize, now: &[u8], before: &[u8], changes: &mut Vec<Change>) {
    for (page, (now, before)) in now.chunks(4096).zip(before.chunks(4096)).enumerate() {
        if now == before {
            continue;
        }
        let differs = |at: usize| now.get(at).is_some_and(|byte| *byte != before[at]);
        let mut at = 0;
        while at < now.len() {
            let length = (at..).take_while(|at| differs(*at)).count();
            if length > 0 {
                changes.push(Change { bus: bus + page * 4096 + at, data: now[at..at + length].to_vec() });
            }
            at += length + 1;
        }
    }
}

/// A QEMU that is stopped until this is dropped.
struct Stopped(u32);

impl Stopped {
    fn new(pid: u32) -> Self {
        let this = Self(pid);
        this.send(Signal::SIGSTOP);
        let start = Instant::now();
        while !this.is_stopped() && start.elapsed() < STOP_TIMEOUT {
            thread::yield_now();
        }
        this
    }

    fn send(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.0) {
            // It may have ended, which the connection reports.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Returns whether each of its threads has stopped or ended.
    fn is_stopped(&self) -> bool {
        let Ok(threads) = fs::read_dir(PathBuf::from(std::format!("/proc/{}/task", self.0))) else { return true };
        threads.flatten().all(|thread| {
            let status: String = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            // The state follows the name, which is in parentheses.
            status.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with(['T', 't', 'Z', 'X']))
        })
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.send(Signal::SIGCONT);
    }
}
