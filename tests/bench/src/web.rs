//! Rows of what a web service does: files, bodies, WebSockets, HTTPS, and idle connections, beside nginx on Linux.
//!
//! nginx has the file in its page cache, and the image reads it from a disk. What nginx lacks, a program of
//! `tests/bench/guests/linux` does, as fast as Linux allows.

use core::time::Duration;
use std::io;
use std::thread::sleep;

use crate::client::exchange::{Exchange, get};
use crate::client::{Sample, tls, websocket};
use crate::goals::{FILE_1, FILE_16, HANDSHAKE, HTTPS, IDLE, POST, WEBSOCKET};
use crate::ports::Ports;
use crate::report::Better;
use crate::rows::{Bench, Started};
use crate::systems::{System, Work};

const IDLE_CONNECTIONS: u32 = 1000;
/// Time after which connections are idle, and their buffers are freed: a check once a second finds them.
const IDLE_TIME: Duration = Duration::from_secs(4);
const POST_BYTES: usize = 64 * 1024;

impl Bench {
    /// Measures the rows of web services.
    pub(crate) fn web(&mut self, is_pinned: bool) {
        let groups: [(Work, &[&str]); 3] = [
            (Work::Web, &[FILE_1, FILE_16, IDLE]),
            (Work::Rest, &[POST, WEBSOCKET]),
            (Work::Https, &[HTTPS, HANDSHAKE]),
        ];
        let wanted = |bench: &Self, rows: &[&str]| rows.iter().any(|row| bench.is_selected(row));
        if !groups.iter().any(|(_, rows)| wanted(self, rows)) {
            return;
        }
        let Some(mut linux) = self.start(System::Linux, Work::Web, is_pinned) else { return };
        for (work, rows) in groups {
            if !wanted(self, rows) {
                continue;
            }
            let Some(ours) = self.start(System::Msix, work, is_pinned) else { continue };
            let started = [ours, linux];
            match work {
                Work::Web => self.files(&started, is_pinned),
                Work::Rest => self.messages(&started, is_pinned),
                _ => self.https(&started, is_pinned),
            }
            let [_, used] = started;
            linux = used;
        }
    }

    fn files(&mut self, started: &[Started], is_pinned: bool) {
        let file = Exchange::file();
        for (row, connections) in [(FILE_1, 1), (FILE_16, 16)] {
            self.measure(row, "MB/s", is_pinned, started, |ports, span| {
                #[expect(clippy::cast_precision_loss, reason = "a file is far below 2^52 bytes")]
                let megabytes = file.body_bytes() as f64 / 1e6;
                Ok(file.run(ports.http, connections, span)?.scaled(megabytes))
            });
        }
        if !self.is_selected(IDLE) {
            return;
        }
        for (system, _, ports) in started {
            if let Some(bytes) = self.record(*system, IDLE, idle(*system, ports)) {
                let sample = Sample::of(bytes / 1024.0);
                self.add(IDLE, "KiB", Better::Less, is_pinned, *system, sample);
            }
        }
    }

    fn messages(&mut self, started: &[Started], is_pinned: bool) {
        let post = Exchange::echo(POST_BYTES);
        self.measure(POST, "/s", is_pinned, started, |ports, span| post.run(ports.rest, 1, span));
        self.measure(WEBSOCKET, "/s", is_pinned, started, |ports, span| websocket::run(ports.rest, span));
    }

    fn https(&mut self, started: &[Started], is_pinned: bool) {
        self.measure(HTTPS, "/s", is_pinned, started, |ports, span| tls::requests(ports.https, span));
        self.measure(HANDSHAKE, "/s", is_pinned, started, |ports, span| tls::handshakes(ports.https, span));
    }
}

/// Returns the bytes of memory of each of a thousand idle connections, all of which answer again.
fn idle(system: System, ports: &Ports) -> io::Result<f64> {
    let used = || if system == System::Linux { linux_bytes(ports) } else { heap_bytes(ports) };
    // What is allocated once.
    Exchange::hello().keep_idle(ports.http, 8, || Ok(()))?;
    sleep(IDLE_TIME);
    let before = used()?;
    let after = Exchange::hello().keep_idle(ports.http, IDLE_CONNECTIONS as usize, || {
        sleep(IDLE_TIME);
        used()
    })?;
    Ok((after - before) / f64::from(IDLE_CONNECTIONS))
}

/// Returns the number behind a label in a text.
fn number(text: &str, label: &str) -> io::Result<f64> {
    let number = text.lines().find_map(|line| line.strip_prefix(label)?.split_ascii_whitespace().next()?.parse().ok());
    number.ok_or_else(|| io::Error::other(format!("no `{label}` in {text:?}")))
}

fn heap_bytes(ports: &Ports) -> io::Result<f64> {
    number(&get(ports.http, "/metrics")?, "switchboard_heap_bytes{state=\"used\"}")
}

fn linux_bytes(ports: &Ports) -> io::Result<f64> {
    let text = get(ports.rest, "/memory")?;
    Ok(-number(&text, "MemAvailable:")? * 1024.0)
}
