//! The operations that are counted, and the load that executes them.

use core::fmt::Write;
use core::time::Duration;
use std::io;
use std::process::Command;

use switchboard_http::HTTP;
use switchboard_net::marks::{FRAME, READY, TCP_ECHO, UDP_ECHO};
use switchboard_runtime::mark::{BLOCK, SCAN, SCANNED};

use super::trace::Trace;
use crate::client::exchange::Exchange;
use crate::client::{echo, frames, http};
use crate::guest::Guest;
use crate::ports::Ports;
use crate::systems::{Blocks, DiskKind, Files, System, Work, command, ready};

const TIMEOUT: Duration = Duration::from_secs(60);
/// Seconds of load, enough for thousands of operations although counting slows the guest down; then those of the next
/// attempts, on a host with other work.
const SECONDS: [f64; 3] = [0.4, 2.0, 10.0];
/// Requests of the file that are not counted, which meet cold code and small windows.
const FILE_COLD: usize = 4;

/// The load that executes an operation.
#[derive(Debug, Clone, Copy)]
pub(super) enum Load {
    /// Boot, up to the mark READY.
    Boot,
    /// The scan of configuration space at boot.
    Scan,
    /// HTTP requests on this number of connections.
    Http(usize),
    /// Requests of the file of 1 MiB on this number of connections.
    File(usize),
    UdpEcho,
    TcpEcho,
    /// Reads of a disk, with this queue depth.
    Read(DiskKind, usize),
    /// Ethernet frames, one at a time.
    Frame,
    /// The interrupt path: the label of a line of the app, and the index of a number on it.
    Interrupt(&'static str, usize),
}

/// An operation that is counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    pub(super) name: &'static str,
    system: System,
    pub(super) load: Load,
}

const fn by_msix(name: &'static str, load: Load) -> Operation {
    Operation { name, system: System::Msix, load }
}

const fn by_intx(name: &'static str, load: Load) -> Operation {
    Operation { name, system: System::Intx, load }
}

/// All operations, in the order of the output.
pub(super) const OPERATIONS: [Operation; 20] = [
    by_msix("message: vector to handler", Load::Interrupt("message", 0)),
    by_msix("message: whole overhead, to iretq", Load::Interrupt("message", 1)),
    by_msix("line: whole overhead, to iretq", Load::Interrupt("line with 1", 1)),
    by_msix("notification to task", Load::Interrupt("event", 0)),
    by_msix("entry to ready", Load::Boot),
    by_msix("PCI walk", Load::Scan),
    by_msix("UDP echo", Load::UdpEcho),
    by_intx("UDP echo, INTx", Load::UdpEcho),
    by_msix("TCP echo", Load::TcpEcho),
    by_intx("TCP echo, INTx", Load::TcpEcho),
    by_msix("HTTP request, 1 connection", Load::Http(1)),
    by_intx("HTTP request, 1 connection, INTx", Load::Http(1)),
    by_msix("HTTP request, 16 connections", Load::Http(16)),
    by_intx("HTTP request, 16 connections, INTx", Load::Http(16)),
    by_msix("file of 1 MiB, 1 connection", Load::File(1)),
    by_msix("4K read, depth 1", Load::Read(DiskKind::Virtio, 1)),
    by_intx("4K read, depth 1, INTx", Load::Read(DiskKind::Virtio, 1)),
    by_msix("4K read, depth 1, NVMe", Load::Read(DiskKind::Nvme, 1)),
    by_intx("4K read, depth 1, NVMe, INTx", Load::Read(DiskKind::Nvme, 1)),
    by_msix("frame of 64 bytes, sent back", Load::Frame),
];

impl Operation {
    /// Returns the mark that is executed once per operation.
    pub(super) fn mark(self) -> u16 {
        match self.load {
            Load::Boot | Load::Interrupt(..) => READY,
            Load::Scan => SCANNED,
            Load::Http(_) | Load::File(_) => HTTP,
            Load::UdpEcho => UDP_ECHO,
            Load::TcpEcho => TCP_ECHO,
            Load::Read(..) => BLOCK,
            Load::Frame => FRAME,
        }
    }

    /// Returns the number of instructions of one operation.
    pub(super) fn count(self, files: &Files) -> io::Result<u64> {
        let missing = || io::Error::other(format!("{}: too few operations were counted", self.name));
        if let Load::Interrupt(line, place) = self.load {
            return interrupt(files, line, place);
        }
        for seconds in SECONDS {
            if let Some(count) = self.count_in(files, seconds)? {
                return Ok(count);
            }
        }
        Err(missing())
    }

    /// Returns the number of instructions of one operation; `None` if there were too few in the time.
    fn count_in(self, files: &Files, seconds: f64) -> io::Result<Option<u64>> {
        let trace = self.trace(files, None, seconds)?;
        Ok(match self.load {
            Load::Boot => trace.first(READY).zip(trace.entry()).map(|(ready, entry)| ready - entry),
            Load::Scan => trace.first(SCANNED).zip(trace.first(SCAN)).map(|(end, begin)| end - begin),
            Load::Http(1) => trace.median(HTTP),
            Load::Http(_) => trace.best_mean(HTTP),
            Load::File(_) => trace.median_after(HTTP, FILE_COLD),
            _ => trace.median(self.mark()),
        })
    }

    /// Executes the operation many times under the plugin, with a profile between two occurrences of the mark. These are
    /// so many operations, which take their time on a host with other work.
    pub(super) fn profile(self, files: &Files, between: (u64, u64)) -> io::Result<Trace> {
        self.trace(files, Some(between), SECONDS[0] * 10.0)
    }

    fn trace(self, files: &Files, profile: Option<(u64, u64)>, seconds: f64) -> io::Result<Trace> {
        let (ports, out) = (Ports::free(), files.results.join("count.txt"));
        let work = match self.load {
            Load::Read(disk, depth) => Work::Blocks(Blocks { disk, operation: "read", depth }),
            Load::Frame => Work::Frames("virtio-net-pci"),
            Load::File(_) => Work::Web,
            _ => Work::Serve,
        };
        let mut words = command(self.system, work, files, &ports);
        // Busy waiting and polling are not part of an operation.
        if let Some(place) = words.iter().position(|word| word == "-append") {
            words[place + 1] = format!("spin=0 poll=0 {}", words[place + 1]);
            if matches!(self.load, Load::Read(..)) {
                // The last of two equal words decides.
                write!(words[place + 1], " secs {} turns 1", seconds.ceil()).ok();
            }
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
        guest.wait_for(ready(self.system, work), TIMEOUT)?;
        match self.load {
            Load::Http(connections) => drop(http::run(ports.http, connections, seconds * 2.0)?),
            Load::File(connections) => drop(Exchange::file().run(ports.http, connections, seconds * 10.0)?),
            Load::UdpEcho => drop(echo::udp(ports.echo, seconds)?),
            Load::TcpEcho => drop(echo::tcp(ports.echo, seconds)?),
            Load::Frame => drop(frames::run(ports.frames_back, ports.frames, 64, 1, seconds)?),
            // Until the end of the first turn.
            Load::Read(..) => drop(guest.wait_for_line(0, " per second", TIMEOUT)?),
            Load::Boot | Load::Scan | Load::Interrupt(..) => {}
        }
        drop(guest);
        Trace::read(&out)
    }
}

/// Returns the command that runs the app `bench-interrupts` under `-icount`, where the clock counts instructions.
pub(super) fn interrupt_bench(files: &Files) -> Vec<String> {
    let mut words = command(System::Msix, Work::Hello, files, &Ports::free());
    if let Some(append) = words.iter().position(|word| word == "-append") {
        words[append + 1] = "app=bench-interrupts spin=0".into();
    }
    // With an x2APIC, QEMU 10 and 11 do not work under `-icount`.
    if let Some(cpu) = words.iter_mut().find(|word| *word == "max") {
        cpu.push_str(",-x2apic");
    }
    // The app needs three functions whose pins are routed to one line.
    words.extend(
        "-icount shift=0 -device edu,addr=2 -device edu,addr=6 -device edu,addr=0xa".split(' ').map(str::to_owned),
    );
    words
}

/// Returns a number that the app `bench-interrupts` prints.
fn interrupt(files: &Files, begin: &str, place: usize) -> io::Result<u64> {
    let guest = Guest::start(&interrupt_bench(files), false)?;
    guest.wait_for("on an idle CPU", TIMEOUT)?;
    let line = guest.line(&format!("{begin}: ")).unwrap_or_default();
    let mut numbers = line.split(' ').filter_map(|word| word.trim_end_matches(',').parse().ok());
    let number = numbers.nth(place);
    number.ok_or_else(|| io::Error::other(format!("no figure in `{line}`")))
}

/// A symbol of the image's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Symbol {
    pub(super) address: u64,
    pub(super) name: String,
}

/// Returns the symbols of the image's code in the order of addresses.
pub(super) fn symbols(files: &Files) -> io::Result<Vec<Symbol>> {
    let output =
        Command::new("nm").args(["--demangle", "--defined-only", "--numeric-sort"]).arg(&files.image).output()?;
    let parse = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let (address, kind, name) = (words.next()?, words.next()?, words.next()?);
        let address = u64::from_str_radix(address, 16).ok()?;
        // Absolute are those of the linker script, for the end of the text.
        matches!(kind, "t" | "T" | "w" | "W" | "A").then(|| Symbol { address, name: name.to_owned() })
    };
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(parse).collect())
}
