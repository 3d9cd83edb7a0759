//! Rows of a card on a tap, in network namespaces of the bench, one for each guest: without QEMU's user-mode network between.

use core::net::SocketAddr;
use core::sync::atomic::{AtomicU32, Ordering};
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::thread;

use nix::sched::{CloneFlags, setns};

use crate::client::{Packets, Sample, Span, bulk, frames};
use crate::report::Better;
use crate::rows::{Bench, Started};
use crate::systems::{System, TAP, Work};

const TO_GUEST: &str = "bulk to the guest, on a tap";
const FROM_GUEST: &str = "bulk from the guest, on a tap";
const FRAMES: &str = "frames of 64 on a tap, window 64";
const GUEST: [u8; 4] = [10, 0, 2, 15];
const DISCARD: u16 = 9;
const CHARGEN: u16 = 19;

/// A network namespace with a tap, deleted when dropped.
#[derive(Debug)]
struct Namespace(String);

impl Namespace {
    fn new() -> io::Result<Self> {
        if !Path::new("/dev/net/tun").exists() {
            return Err(io::Error::other("there is no /dev/net/tun"));
        }
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let this = Self(format!("sb-bench-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        ip(&format!("netns add {}", this.0))?;
        for words in [
            format!("tuntap add {TAP} mode tap"),
            // No frames of the host's own.
            format!("link set {TAP} addrgenmode none"),
            format!("addr add 10.0.2.2/24 dev {TAP}"),
            format!("link set {TAP} up"),
        ] {
            ip(&format!("-n {} {words}", this.0))?;
        }
        Ok(this)
    }

    /// Calls a function on a thread whose sockets are in the namespace.
    fn enter<T: Send>(&self, action: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        let namespace = File::open(format!("/run/netns/{}", self.0))?;
        thread::scope(|scope| {
            let work = move || {
                setns(namespace, CloneFlags::CLONE_NEWNET)?;
                action()
            };
            scope.spawn(work).join().unwrap_or_else(|_| Err(io::Error::other("the client panicked")))
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&format!("netns del {}", self.0)).ok();
    }
}

fn ip(words: &str) -> io::Result<()> {
    let mut command = Command::new("ip");
    command.args(words.split_ascii_whitespace()).stdin(Stdio::null());
    let output = command.output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}

impl Bench {
    /// Measures the rows of a tap; where taps are not allowed, the report has the reason.
    pub(crate) fn tap(&mut self, is_pinned: bool) {
        if ![TO_GUEST, FROM_GUEST, FRAMES].iter().any(|row| self.is_selected(row)) {
            return;
        }
        if let Err(error) = Namespace::new() {
            println!("  skipped: rows of a tap: {error}");
            let note = ("skipped: rows of a tap".to_owned(), error.to_string());
            if !self.report.about.contains(&note) {
                self.report.about.push(note);
            }
            return;
        }
        let address = |port| SocketAddr::from((GUEST, port));
        let serving = self.start_on_taps(Work::ServeOnTap, is_pinned, &[TO_GUEST, FROM_GUEST]);
        self.measure_on_taps(TO_GUEST, "MB/s", is_pinned, &serving, |span| bulk::to_guest(address(DISCARD), span));
        self.measure_on_taps(FROM_GUEST, "MB/s", is_pinned, &serving, |span| bulk::from_guest(address(CHARGEN), span));
        drop(serving);
        let reflecting = self.start_on_taps(Work::FramesOnTap, is_pinned, &[FRAMES]);
        self.measure_on_taps(FRAMES, "/s", is_pinned, &reflecting, |span| {
            frames::run_on(&Packets::open(TAP)?, 64, 64, span)
        });
    }

    /// Starts the image and Linux, if one of the rows is wanted. A guest ends before its namespace.
    fn start_on_taps(&mut self, work: Work, is_pinned: bool, rows: &[&str]) -> Vec<(Started, Namespace)> {
        if !rows.iter().any(|row| self.is_selected(row)) {
            return Vec::new();
        }
        let mut started = Vec::new();
        for system in [System::Msix, System::Linux] {
            let namespace = Namespace::new();
            let Some(namespace) = self.record(system, "tap", namespace) else { continue };
            if let Some(guest) = self.start_in(system, work, is_pinned, Some(&namespace.0)) {
                guest.1.pause(true);
                started.push((guest, namespace));
            }
        }
        started
    }

    fn measure_on_taps(
        &mut self,
        row: &str,
        unit: &'static str,
        is_pinned: bool,
        started: &[(Started, Namespace)],
        run: impl Fn(Span) -> io::Result<Sample> + Sync,
    ) {
        if !self.is_selected(row) {
            return;
        }
        for _ in 0..self.turns {
            for ((system, guest, _), namespace) in started {
                guest.pause(false);
                let span = Span::new(self.seconds, guest.cpu_clock());
                let sample = namespace.enter(|| run(span));
                guest.pause(true);
                if let Some(sample) = self.record(*system, row, sample) {
                    self.add(row, unit, Better::More, is_pinned, *system, sample);
                }
            }
        }
    }
}
