//! What is measured side by side, and how each is started.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use crate::ports::Ports;

/// One of the systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum System {
    /// The image, by MSI-X.
    Ours,
    /// The image, by INTx.
    OursIntx,
    /// The image, which polls while that is faster.
    OursPolling,
    /// Debian's kernel.
    Linux,
    /// The guest that only polls.
    Limit,
}

impl System {
    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::OursIntx => "ours by INTx",
            Self::OursPolling => "ours, polling",
            Self::Linux => "Linux",
            Self::Limit => "limit",
        }
    }
}

/// What a guest is to do.
#[derive(Debug, Clone, Copy)]
pub enum Work {
    /// Serve TCP, UDP and HTTP.
    Serve,
    /// Send frames back, on that card.
    Frames(&'static str),
    /// Read blocks, so many at a time.
    Blocks(usize),
    /// The same, for fewer of them, of a disk that has something in it, and look at every byte.
    CheckedBlocks(usize),
    /// Say hello.
    Hello,
}

/// Where the files are, as `make bench` says.
#[derive(Debug, Clone)]
pub struct Files {
    /// The image.
    pub image: PathBuf,
    /// Its disk.
    pub disk: PathBuf,
    /// The folder of `tools/bench-guests`.
    pub guests: PathBuf,
    /// Where results go.
    pub results: PathBuf,
    /// The plugin that counts.
    pub plugin: PathBuf,
}

/// A disk of 16 MiB in which each eight bytes are their own place, made in the folder of the results.
///
/// # Errors
/// Returns an error when it cannot be written.
pub fn offsets(files: &Files) -> io::Result<()> {
    let content: Vec<u8> = (0..16_u64 << 20).step_by(8).flat_map(u64::to_le_bytes).collect();
    fs::write(files.results.join(OFFSETS), content)
}

const OFFSETS: &str = "offsets.img";

impl Files {
    /// From the environment.
    ///
    /// # Panics
    /// Panics when a variable is missing: `make` sets them.
    #[must_use]
    pub fn from_environment() -> Self {
        let path =
            |name| PathBuf::from(env::var_os(name).unwrap_or_else(|| panic!("{name} is not set; see the Makefile")));
        let results = path("BENCH_RESULTS");
        let guests = results.join("guests");
        Self {
            image: path("SWITCHBOARD_IMAGE"),
            disk: path("SWITCHBOARD_DISK"),
            guests,
            results,
            plugin: path("BENCH_PLUGIN"),
        }
    }
}

/// The command that starts a system.
#[must_use]
pub fn command(system: System, work: Work, files: &Files, ports: &Ports) -> Vec<String> {
    let shown = |path: &Path| path.display().to_string();
    let memory = if system == System::Linux { "256M" } else { "128M" };
    let mut words: Vec<String> =
        "qemu-system-x86_64 -accel tcg -machine q35 -cpu max -smp 1 -nodefaults -no-user-config \
        -display none -no-reboot -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=0x04 -m"
            .split_ascii_whitespace()
            .map(str::to_owned)
            .collect();
    words.push(memory.into());
    match system {
        System::Ours | System::OursIntx | System::OursPolling => {
            words.extend(["-kernel".into(), shown(&files.image), "-append".into(), ours(system, work)]);
        }
        System::Linux => {
            let (kernel, initrd) = (files.guests.join("linux"), files.guests.join("initrd"));
            words.extend(["-kernel".into(), shown(&kernel), "-initrd".into(), shown(&initrd), "-append".into()]);
            words.push(format!("console=ttyS0 quiet mitigations=off {}", linux(work)));
        }
        System::Limit => {
            words.extend(["-kernel".into(), shown(&files.guests.join("limit")), "-append".into(), limit(work)]);
        }
    }
    let device = |text: String| ["-device".to_owned(), text];
    match work {
        Work::Serve => {
            let forwards = [("tcp", 80, ports.http), ("tcp", 7, ports.echo), ("udp", 7, ports.echo)];
            let forwards = forwards.into_iter().chain([("tcp", 9, ports.discard), ("tcp", 19, ports.chargen)]);
            let rules: String =
                forwards.map(|(kind, guest, host)| format!(",hostfwd={kind}:127.0.0.1:{host}-:{guest}")).collect();
            words.extend(["-netdev".into(), format!("user,id=net0{rules}")]);
            words.extend(device("virtio-net-pci,netdev=net0,romfile=".into()));
        }
        Work::Frames(card) => {
            let end = |side, port| format!(",{side}.type=inet,{side}.host=127.0.0.1,{side}.port={port}");
            let ends = end("local", ports.frames) + &end("remote", ports.frames_back);
            words.extend(["-netdev".into(), format!("dgram,id=net0{ends}")]);
            // The limit speaks the legacy dialect only.
            let legacy = if card == "e1000" { "" } else { ",disable-legacy=off" };
            words.extend(device(format!("{card},netdev=net0,romfile=,mac=52:54:00:12:34:56{legacy}")));
        }
        Work::Blocks(_) => {
            words.extend(["-blockdev".into(), "null-co,node-name=disk0,size=1073741824,read-zeroes=on".into()]);
            words.extend(device("virtio-blk-pci,drive=disk0,disable-legacy=off".into()));
        }
        Work::CheckedBlocks(_) => {
            let disk = shown(&files.results.join(OFFSETS));
            words.extend(["-blockdev".into(), format!("raw,node-name=disk0,file.driver=file,file.filename={disk}")]);
            words.extend(device("virtio-blk-pci,drive=disk0".into()));
        }
        Work::Hello => {}
    }
    words
}

/// Seconds for which blocks are read.
pub const BLOCK_SECONDS: u64 = 1;

fn ours(system: System, work: Work) -> String {
    let mode = if system == System::OursIntx { "irq=intx " } else { "" };
    mode.to_owned()
        + &match (work, system) {
            (Work::Serve | Work::Hello, _) => "ip=10.0.2.15/24,10.0.2.2".to_owned(),
            (Work::Frames(_), System::OursPolling) => "app=reflect".into(),
            (Work::Frames(_), _) => "poll=0 app=reflect".into(),
            (Work::Blocks(depth), _) => format!("app=blkbench -- qd {depth} secs {BLOCK_SECONDS}"),
            (Work::CheckedBlocks(depth), _) => format!("app=blkbench -- qd {depth} count 20000 verify offsets"),
        }
}

fn linux(work: Work) -> String {
    match work {
        Work::Serve | Work::Hello => "mode=serve".into(),
        Work::Frames("e1000") => "mode=xdp xdp=generic".into(),
        Work::Frames(_) => "mode=xdp xdp=native".into(),
        Work::Blocks(depth) | Work::CheckedBlocks(depth) => format!("mode=blk secs={BLOCK_SECONDS} qd={depth}"),
    }
}

fn limit(work: Work) -> String {
    match work {
        Work::Serve | Work::Hello => "hello".into(),
        Work::Frames("e1000") => "e1000".into(),
        Work::Frames(_) => "net".into(),
        // It reads a number of blocks, not for a time; the time is measured from outside.
        Work::Blocks(depth) | Work::CheckedBlocks(depth) => format!("blk {depth} {} 4096", limit_reads(depth)),
    }
}

/// Reads of the polled guest, enough for about a second.
#[must_use]
pub fn limit_reads(depth: usize) -> u32 {
    if depth == 1 { 20_000 } else { 200_000 }
}

/// What a system says on its console when it is ready.
#[must_use]
pub fn ready(system: System, work: Work) -> &'static str {
    match (system, work) {
        (System::Limit, Work::Hello | Work::Serve) => "APP-START",
        (System::Limit | System::Linux, Work::Serve | Work::Frames(_) | Work::Hello) => "READY",
        (_, Work::Serve | Work::Hello) => "address 10.0.2.15",
        (_, Work::Frames(_)) => ", ready",
        (System::Limit, Work::Blocks(_) | Work::CheckedBlocks(_)) => "BEGIN",
        (_, Work::Blocks(_)) => " per second",
        (_, Work::CheckedBlocks(_)) => " wrong",
    }
}
