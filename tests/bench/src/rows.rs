//! The measurements: systems, loads, and their order.
//!
//! Systems that are compared are measured in short turns, one directly after the other and over again, so that a temporarily
//! slow host affects all of them.

use core::time::Duration;
use std::io;
use std::thread::sleep;

use crate::client::{Sample, Span, bulk, echo, forwarded, frames, http};
use crate::guest::Guest;
use crate::ports::Ports;
use crate::report::{Better, Report, Row};
use crate::systems::{Files, System, Work, command, ready};

const TIMEOUT: Duration = Duration::from_secs(60);
/// Time after which QEMU's e1000 receives frames; it drops them for a second after its set-up.
const LINK_TIME: Duration = Duration::from_millis(1300);

/// A run of all measurements.
#[derive(Debug)]
pub struct Bench {
    /// Paths of the files.
    pub files: Files,
    /// Results so far.
    pub report: Report,
    /// Seconds of measurement of a turn.
    pub seconds: f64,
    /// Turns of each system for a row, in each round.
    pub turns: u32,
    /// Whether to skip slow measurements.
    pub is_quick: bool,
    /// Text that the name of a row must contain to be measured.
    pub only: String,
}

/// Names of the rows of [`Bench::serve`], or their prefixes.
const SERVED: [&str; 7] = ["QEMU start", MEMORY, MEMORY_AFTER_CONNECTIONS, "HTTP, ", "UDP echo", "TCP echo", "bulk "];
const MEMORY: &str = "resident memory";
const MEMORY_AFTER_CONNECTIONS: &str = "resident memory, after 256 connections";
const MAX_CONNECTIONS: usize = 256;

/// A guest that is ready.
pub(crate) type Started = (System, Guest, Ports);

impl Bench {
    /// Measures all rows once.
    pub fn round(&mut self, is_pinned: bool) {
        if SERVED.iter().any(|row| row.contains(&self.only) || self.only.contains(row)) {
            self.serve(is_pinned);
        }
        self.web(is_pinned);
        for card in ["virtio-net-pci", "e1000", "e1000e"] {
            self.frames(card, is_pinned);
        }
        self.tap(is_pinned);
        self.storage(is_pinned);
    }

    pub(crate) fn is_selected(&self, row: &str) -> bool {
        row.contains(&self.only)
    }

    pub(crate) fn start(&mut self, system: System, work: Work, is_pinned: bool) -> Option<Started> {
        self.start_in(system, work, is_pinned, None)
    }

    /// Starts a guest, in a network namespace if one is given.
    pub(crate) fn start_in(
        &mut self,
        system: System,
        work: Work,
        is_pinned: bool,
        namespace: Option<&str>,
    ) -> Option<Started> {
        let ports = Ports::free();
        let started = Guest::start_in(&command(system, work, &self.files, &ports), is_pinned, namespace)
            .and_then(|guest| guest.wait_for(ready(system, work), TIMEOUT).map(|_| guest));
        self.record(system, "start", started).map(|guest| (system, guest, ports))
    }

    /// Records a failure in the report.
    pub(crate) fn record<T>(&mut self, system: System, what: &str, result: io::Result<T>) -> Option<T> {
        result.map_err(|error| self.report.failures.push(format!("{}, {what}: {error}", system.name()))).ok()
    }

    pub(crate) fn add(
        &mut self,
        name: &str,
        unit: &'static str,
        better: Better,
        is_pinned: bool,
        system: System,
        sample: Sample,
    ) {
        if !self.is_selected(name) {
            return;
        }
        let rows = &mut self.report.rows;
        let known = rows.iter().position(|row| row.name == name && row.is_pinned == is_pinned);
        let place = known.unwrap_or_else(|| {
            let (values, cpu_values, times) = Default::default();
            rows.push(Row { name: name.to_owned(), unit, better, is_pinned, values, cpu_values, times });
            rows.len() - 1
        });
        if let Some(rate) = sample.cpu_rate {
            rows[place].cpu_values.entry(system).or_default().push(rate);
        }
        rows[place].values.entry(system).or_default().push(sample.rate);
        rows[place].times.entry(system).or_default().push((sample.p50, sample.p99));
        let cpu = sample.cpu_rate.map(|rate| format!(", by CPU time {rate:.1}")).unwrap_or_default();
        println!("  {name}, {}: {:.1} {unit}{cpu}", system.name(), sample.rate);
    }

    pub(crate) fn measure(
        &mut self,
        name: &str,
        unit: &'static str,
        is_pinned: bool,
        started: &[Started],
        run: impl Fn(&Ports, Span) -> io::Result<Sample>,
    ) {
        if !self.is_selected(name) {
            return;
        }
        for _ in 0..self.turns {
            for (system, guest, ports) in started {
                let span = Span::new(self.seconds, guest.cpu_clock());
                if let Some(sample) = self.record(*system, name, run(ports, span)) {
                    self.add(name, unit, Better::More, is_pinned, *system, sample);
                }
            }
        }
    }

    /// Adds the resident memory of QEMU.
    fn add_memory(&mut self, row: &str, is_pinned: bool, system: System, guest: &Guest) {
        let Some(kib) = guest.resident() else { return };
        let rate = f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0;
        self.add(row, "MiB", Better::Less, is_pinned, system, Sample::of(rate));
    }

    /// Measures start-up, memory, and services over TCP/IP.
    fn serve(&mut self, is_pinned: bool) {
        let mut started = Vec::new();
        for (system, work) in [
            (System::Msix, Work::Serve),
            (System::Intx, Work::Serve),
            (System::Linux, Work::Serve),
            (System::Limit, Work::Hello),
        ] {
            let Some((_, guest, ports)) = self.start(system, work, is_pinned) else { continue };
            let milliseconds = guest.age().as_secs_f64() * 1e3;
            self.add("QEMU start to ready", "ms", Better::Less, is_pinned, system, Sample::of(milliseconds));
            if system != System::Limit {
                if self.record(system, "first response", http::run(ports.http, 1, 0.0)).is_some() {
                    let milliseconds = guest.age().as_secs_f64() * 1e3 - 300.0;
                    self.add(
                        "QEMU start to an answer",
                        "ms",
                        Better::Less,
                        is_pinned,
                        system,
                        Sample::of(milliseconds),
                    );
                }
                started.push((system, guest, ports));
            } else {
                self.add_memory(MEMORY, is_pinned, system, &guest);
                if !self.is_quick {
                    self.add_memory(MEMORY_AFTER_CONNECTIONS, is_pinned, system, &guest);
                }
            }
        }
        let is_quick = self.is_quick;
        for connections in [1, 16, 64, MAX_CONNECTIONS] {
            if is_quick && connections > 16 {
                continue;
            }
            let name = format!("HTTP, {connections} connection{}", if connections == 1 { "" } else { "s" });
            let memory = match connections {
                16 => Some(MEMORY),
                MAX_CONNECTIONS => Some(MEMORY_AFTER_CONNECTIONS),
                _ => None,
            };
            let memory = memory.filter(|row| self.is_selected(row));
            if !self.is_selected(&name) && memory.is_none() {
                continue;
            }
            // The memory row is defined after this load, so the load runs also when only that row is selected.
            for turn in 0..self.turns {
                for (system, guest, ports) in &started {
                    let span = Span::new(self.seconds, guest.cpu_clock());
                    if let Some(sample) = self.record(*system, &name, http::run(ports.http, connections, span)) {
                        self.add(&name, "/s", Better::More, is_pinned, *system, sample);
                    }
                    if let Some(row) = memory.filter(|_| turn == 0) {
                        self.add_memory(row, is_pinned, *system, guest);
                    }
                }
            }
        }
        self.measure("UDP echo", "/s", is_pinned, &started, |ports, span| echo::udp(ports.echo, span));
        self.measure("TCP echo", "/s", is_pinned, &started, |ports, span| echo::tcp(ports.echo, span));
        self.measure("bulk to the guest", "MB/s", is_pinned, &started, |ports, span| {
            bulk::to_guest(forwarded(ports.discard), span)
        });
        self.measure("bulk from the guest", "MB/s", is_pinned, &started, |ports, span| {
            bulk::from_guest(forwarded(ports.chargen), span)
        });
    }

    fn frames(&mut self, card: &'static str, is_pinned: bool) {
        // The e1000 has no MSI or MSI-X.
        let systems = match card {
            "e1000" => &[System::Intx, System::Polling, System::Linux, System::Limit][..],
            "e1000e" => &[System::Msix, System::Polling, System::Linux],
            _ => &[System::Msix, System::Intx, System::Polling, System::Linux, System::Limit],
        };
        let name = if card == "virtio-net-pci" { "virtio" } else { card };
        let rows = [(64, 1), (64, 64), (1514, 64)];
        let rows = rows.map(|(size, window)| (size, window, format!("frames of {size} on {name}, window {window}")));
        if !rows.iter().any(|(.., row)| self.is_selected(row)) {
            return;
        }
        let mut started = Vec::new();
        for system in systems {
            if let Some(guest) = self.start(*system, Work::Frames(card), is_pinned) {
                if name != "virtio" {
                    sleep(LINK_TIME);
                }
                // Only the measured guest runs.
                guest.1.pause(true);
                started.push(guest);
            }
        }
        for (size, window, row) in rows {
            if self.is_quick && size > 64 || !self.is_selected(&row) {
                continue;
            }
            self.measure_frames(&row, is_pinned, &started, window, |ports, span| {
                frames::run(ports.frames_back, ports.frames, size, window, span)
            });
        }
    }

    /// Measures frames in turns. Only the measured guest runs.
    pub(crate) fn measure_frames(
        &mut self,
        row: &str,
        is_pinned: bool,
        started: &[Started],
        window: usize,
        run: impl Fn(&Ports, Span) -> io::Result<Sample>,
    ) {
        for _ in 0..self.turns {
            for (system, guest, ports) in started {
                if *system == System::Polling && window > 1 {
                    continue;
                }
                guest.pause(false);
                sleep(Duration::from_millis(50));
                let sample = run(ports, Span::new(self.seconds, guest.cpu_clock()));
                guest.pause(true);
                if let Some(sample) = self.record(*system, row, sample) {
                    self.add(row, "/s", Better::More, is_pinned, *system, sample);
                }
            }
        }
    }
}
