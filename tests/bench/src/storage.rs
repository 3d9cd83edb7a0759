//! Rows of disks and shares: random reads and writes, sequential reads.

use core::time::Duration;
use std::io;
use std::time::Instant;

use crate::client::Sample;
use crate::guest::Guest;
use crate::ports::Ports;
use crate::report::Better;
use crate::rows::Bench;
use crate::systems::{Blocks, DiskKind, System, Work, command, limit_reads, offsets, ready, shared_directory};

const TIMEOUT: Duration = Duration::from_secs(60);

/// The rows of disks: name, what is done, whether in quick runs, and whether unpinned, too.
fn disk_rows() -> Vec<(String, Blocks, bool, bool)> {
    let reads = [1, 4, 32, 128].map(|depth| {
        let (is_quick, is_unpinned) = (depth < 128, matches!(depth, 1 | 32));
        (format!("4K reads, depth {depth}"), Blocks::reads(depth), is_quick, is_unpinned)
    });
    let more = [
        ("4K writes", DiskKind::Virtio, "write", &[1, 32][..]),
        ("4K writes with a flush each", DiskKind::Virtio, "flush", &[1]),
        ("NVMe: 4K reads", DiskKind::Nvme, "read", &[1, 32]),
        ("AHCI: 4K reads", DiskKind::Ahci, "read", &[1, 32]),
    ];
    let more = more.into_iter().flat_map(|(name, disk, operation, depths)| {
        depths.iter().map(move |depth| {
            (format!("{name}, depth {depth}"), Blocks { disk, operation, depth: *depth }, true, false)
        })
    });
    reads.into_iter().chain(more).collect()
}

const SHARE: &str = "9P: sequential reads of 64 MiB";

impl Bench {
    /// Measures disks and shares.
    pub(crate) fn storage(&mut self, is_pinned: bool) {
        for (row, blocks, is_quick, is_unpinned) in disk_rows() {
            if self.is_quick && !is_quick || !is_pinned && !is_unpinned || !self.is_selected(&row) {
                continue;
            }
            let is_virtio = blocks.disk == DiskKind::Virtio;
            let systems = match blocks {
                Blocks { disk: DiskKind::Virtio, operation: "read", .. } => {
                    &[System::Msix, System::Intx, System::Linux, System::Limit][..]
                }
                // It has MSI, which the image prefers.
                _ => &[System::Msix, System::Linux],
            };
            self.turns(&row, "/s", 1.0, is_pinned, systems, Work::Blocks(blocks));
            for system in [System::Msix, System::Intx] {
                if is_virtio && blocks.operation == "read" {
                    let right = self.check_blocks(system, blocks.depth, is_pinned);
                    self.record(system, &row, right);
                }
            }
        }
        if is_pinned && self.is_selected(SHARE) {
            let made = shared_directory(&self.files);
            if self.record(System::Linux, SHARE, made).is_some() {
                self.turns(SHARE, "MB/s", 1e-6, is_pinned, &[System::Msix, System::Linux], Work::Share);
            }
        }
    }

    /// Measures what a guest does by itself, in turns. Linux is started once, and stopped while others are measured; the
    /// others start within milliseconds.
    fn turns(&mut self, row: &str, unit: &'static str, factor: f64, is_pinned: bool, systems: &[System], work: Work) {
        let linux = systems.contains(&System::Linux).then(|| self.start(System::Linux, work, is_pinned)).flatten();
        if let Some((_, guest, _)) = &linux {
            guest.pause(true);
        }
        for turn in 0..self.turns {
            for system in systems {
                let sample = match (system, &linux) {
                    (System::Linux, None) => continue,
                    (System::Linux, Some((_, guest, _))) => {
                        guest.pause(false);
                        let sample = one_turn(guest, guest.console_length());
                        guest.pause(true);
                        sample
                    }
                    // Its figures hardly vary, and it has no turns.
                    (System::Limit, _) if turn > 0 => continue,
                    _ => {
                        let Some((_, guest, _)) = self.start(*system, work, is_pinned) else { continue };
                        match (system, work) {
                            (System::Limit, Work::Blocks(blocks)) => polled(&guest, blocks.depth),
                            _ => one_turn(&guest, 0),
                        }
                    }
                };
                if let Some(sample) = self.record(*system, row, sample) {
                    self.add(row, unit, Better::More, is_pinned, *system, sample.scaled(factor));
                }
            }
        }
    }

    /// Checks the content of blocks in a run of its own, since checking takes longer than reading.
    fn check_blocks(&self, system: System, depth: usize, is_pinned: bool) -> io::Result<()> {
        offsets(&self.files)?;
        let work = Work::CheckedBlocks(depth);
        let guest = Guest::start(&command(system, work, &self.files, &Ports::free()), is_pinned)?;
        guest.wait_for(ready(system, work), TIMEOUT)?;
        let line = guest.line(" per second").unwrap_or_default();
        if line.contains(", 0 wrong") { Ok(()) } else { Err(io::Error::other(line)) }
    }
}

/// Waits for the next whole turn behind a place on the console; returns its rates.
fn one_turn(guest: &Guest, from: usize) -> io::Result<Sample> {
    let (_, from) = guest.wait_for_line(from, "begin", TIMEOUT)?;
    let clock = guest.cpu_clock();
    let begin = clock.and_then(|clock| clock.now());
    // `.., N operations in N us, N per second, ..`
    let (line, _) = guest.wait_for_line(from, " per second", TIMEOUT)?;
    let end = clock.and_then(|clock| clock.now());
    let before = |text: &str| line.split(text).next()?.rsplit(' ').next()?.parse::<f64>().ok();
    let (Some(rate), Some(microseconds)) = (before(" per second"), before(" us, ")) else {
        return Err(io::Error::other(format!("no figures in `{line}`")));
    };
    let cpu_time = end.zip(begin).map(|(end, begin)| (end - begin).as_secs_f64());
    let cpu_rate = cpu_time.filter(|time| *time > 0.0).map(|time| rate * microseconds / 1e6 / time);
    Ok(Sample { cpu_rate, ..Sample::of(rate) })
}

/// Waits until the polling guest has read all blocks; returns its rates.
fn polled(guest: &Guest, depth: usize) -> io::Result<Sample> {
    let (clock, begin) = (guest.cpu_clock(), Instant::now());
    let cpu_begin = clock.and_then(|clock| clock.now());
    guest.wait_for("DONE", TIMEOUT)?;
    let (reads, elapsed) = (f64::from(limit_reads(depth)), begin.elapsed());
    let cpu_end = clock.and_then(|clock| clock.now());
    let cpu_rate = cpu_end.zip(cpu_begin).map(|(end, begin)| reads / (end - begin).as_secs_f64());
    Ok(Sample { cpu_rate, ..Sample::of(reads / elapsed.as_secs_f64()) })
}
