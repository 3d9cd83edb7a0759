//! The operations that are counted, and how each is made to happen.

use core::time::Duration;
use std::io;
use std::process::Command;

use switchboard_http::HTTP;
use switchboard_image::apps::marks::{BLOCK, FRAME};
use switchboard_net::marks::{READY, TCP_ECHO, UDP_ECHO};
use switchboard_runtime::mark::{SCAN, SCANNED};

use super::trace::Trace;
use crate::client::{echo, frames, http};
use crate::guest::Guest;
use crate::ports::Ports;
use crate::systems::{Files, System, Work, command, ready};

const PATIENCE: Duration = Duration::from_secs(60);
/// Seconds of load; counting slows the guest down, and there are thousands of operations all the same.
const SECONDS: f64 = 0.4;

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Load {
    /// Starting, up to the mark READY.
    Boot,
    /// The walk over configuration space, at boot.
    Scan,
    /// Requests on so many connections.
    Http(usize),
    UdpEcho,
    TcpEcho,
    /// Reads, so many at a time.
    Read(usize),
    /// Frames, one at a time.
    Frame,
    /// The interrupt path: the number at this place among those of a line that begins so.
    Interrupt(&'static str, usize),
}

/// An operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    pub(super) name: &'static str,
    system: System,
    pub(super) load: Load,
}

const fn ours(name: &'static str, load: Load) -> Operation {
    Operation { name, system: System::Ours, load }
}

const fn by_line(name: &'static str, load: Load) -> Operation {
    Operation { name, system: System::OursIntx, load }
}

/// All of them, in the order in which they are shown.
pub(super) const OPERATIONS: [Operation; 17] = [
    ours("message: vector to handler", Load::Interrupt("message", 0)),
    ours("message: whole overhead, to iretq", Load::Interrupt("message", 1)),
    ours("line: whole overhead, to iretq", Load::Interrupt("line with 1", 1)),
    ours("notification to task", Load::Interrupt("event", 0)),
    ours("entry to ready", Load::Boot),
    ours("PCI walk", Load::Scan),
    ours("UDP echo", Load::UdpEcho),
    by_line("UDP echo, INTx", Load::UdpEcho),
    ours("TCP echo", Load::TcpEcho),
    by_line("TCP echo, INTx", Load::TcpEcho),
    ours("HTTP request, 1 connection", Load::Http(1)),
    by_line("HTTP request, 1 connection, INTx", Load::Http(1)),
    ours("HTTP request, 16 connections", Load::Http(16)),
    by_line("HTTP request, 16 connections, INTx", Load::Http(16)),
    ours("4K read, depth 1", Load::Read(1)),
    by_line("4K read, depth 1, INTx", Load::Read(1)),
    ours("frame of 64 bytes, sent back", Load::Frame),
];

impl Operation {
    /// The mark that is executed once for each operation, and before the load itself begins to count.
    pub(super) fn mark(self) -> u16 {
        match self.load {
            Load::Boot | Load::Interrupt(..) => READY,
            Load::Scan => SCANNED,
            Load::Http(_) => HTTP,
            Load::UdpEcho => UDP_ECHO,
            Load::TcpEcho => TCP_ECHO,
            Load::Read(_) => BLOCK,
            Load::Frame => FRAME,
        }
    }

    /// Instructions for one.
    pub(super) fn count(self, files: &Files) -> io::Result<u64> {
        let missing = || io::Error::other(format!("{}: too few were counted", self.name));
        if let Load::Interrupt(line, place) = self.load {
            return interrupt(files, line, place);
        }
        let trace = self.trace(files, None)?;
        let count = match self.load {
            Load::Boot => trace.first(READY).zip(trace.entry()).map(|(ready, entry)| ready - entry),
            Load::Scan => trace.first(SCANNED).zip(trace.first(SCAN)).map(|(end, begin)| end - begin),
            Load::Http(1) => trace.median(HTTP),
            Load::Http(_) => trace.best_mean(HTTP),
            _ => trace.median(self.mark()),
        };
        count.ok_or_else(missing)
    }

    /// Has it done many times, and counted; with a profile from one occurrence of the mark to another.
    pub(super) fn trace(self, files: &Files, profile: Option<(u64, u64)>) -> io::Result<Trace> {
        let (ports, out) = (Ports::free(), files.results.join("count.txt"));
        let work = match self.load {
            Load::Read(depth) => Work::Blocks(depth),
            Load::Frame => Work::Frames("virtio-net-pci"),
            _ => Work::Serve,
        };
        let mut words = command(self.system, work, files, &ports);
        // Waiting awake and polling are no part of an operation.
        if let Some(place) = words.iter().position(|word| word == "-append") {
            words[place + 1] = format!("spin=0 poll=0 {}", words[place + 1]);
        }
        if matches!(self.load, Load::Boot | Load::Scan) {
            let disk = format!("if=none,id=disk0,format=raw,readonly=on,file={}", files.disk.display());
            words.extend(["-drive", &disk, "-device", "virtio-blk-pci,drive=disk0"].map(str::to_owned));
            words.extend(["-device", "virtio-rng-pci", "-device", "edu"].map(str::to_owned));
        }
        let entry = symbols(files)?.into_iter().find(|symbol| symbol.name == "boot_start");
        let entry = entry.ok_or_else(|| io::Error::other("the image has no boot_start"))?.address;
        let profile = profile.map_or_else(String::new, |(from, to)| format!(",profile={}:{from}:{to}", self.mark()));
        let plugin = format!("{},out={},at=entry:{entry:x}{profile}", files.plugin.display(), out.display());
        words.extend(["-plugin".into(), plugin]);
        let guest = Guest::start(&words, false)?;
        guest.wait_for(ready(self.system, work), PATIENCE)?;
        match self.load {
            Load::Http(connections) => drop(http::run(ports.http, connections, SECONDS * 2.0)?),
            Load::UdpEcho => drop(echo::udp(ports.echo, SECONDS)?),
            Load::TcpEcho => drop(echo::tcp(ports.echo, SECONDS)?),
            Load::Frame => drop(frames::run(ports.frames_back, ports.frames, 64, 1, SECONDS)?),
            Load::Boot | Load::Scan | Load::Read(_) | Load::Interrupt(..) => {}
        }
        drop(guest);
        Trace::read(&out)
    }
}

/// The figures of the app that looks at the interrupt path itself, under `-icount`, where the clock counts instructions.
fn interrupt(files: &Files, begin: &str, place: usize) -> io::Result<u64> {
    let mut words = command(System::Ours, Work::Hello, files, &Ports::free());
    if let Some(append) = words.iter().position(|word| word == "-append") {
        words[append + 1] = "app=bench-interrupts spin=0".into();
    }
    // Three functions whose pins this machine routes to one line are wanted by the app.
    words.extend(
        "-icount shift=0 -device edu,addr=2 -device edu,addr=6 -device edu,addr=0xa".split(' ').map(str::to_owned),
    );
    let guest = Guest::start(&words, false)?;
    guest.wait_for("on an idle CPU", PATIENCE)?;
    let line = guest.line(&format!("{begin}: ")).unwrap_or_default();
    let mut numbers = line.split(' ').filter_map(|word| word.trim_end_matches(',').parse().ok());
    let number = numbers.nth(place);
    number.ok_or_else(|| io::Error::other(format!("no figure in `{line}`")))
}

/// A function of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Symbol {
    pub(super) address: u64,
    pub(super) name: String,
}

/// The functions of the image, by address.
pub(super) fn symbols(files: &Files) -> io::Result<Vec<Symbol>> {
    let output =
        Command::new("nm").args(["--demangle", "--defined-only", "--numeric-sort"]).arg(&files.image).output()?;
    let parse = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let (address, kind, name) = (words.next()?, words.next()?, words.next()?);
        let address = u64::from_str_radix(address, 16).ok()?;
        matches!(kind, "t" | "T" | "w" | "W").then(|| Symbol { address, name: name.to_owned() })
    };
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(parse).collect())
}
