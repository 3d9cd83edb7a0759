//! The systems that are compared, and their QEMU command lines.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use crate::ports::Ports;

/// A system that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum System {
    /// The image, interrupted by MSI-X.
    Msix,
    /// The image, interrupted by INTx.
    Intx,
    /// The image, with adaptive polling.
    Polling,
    /// Linux, Debian's kernel.
    Linux,
    /// A minimal guest that only polls: the limit of QEMU's device models.
    Limit,
}

impl System {
    /// Returns the name in the report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Msix => "Switchboard",
            Self::Intx => "Switchboard, INTx",
            Self::Polling => "Switchboard, polling",
            Self::Linux => "Linux",
            Self::Limit => "limit",
        }
    }
}

/// The kind of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskKind {
    /// virtio-blk.
    Virtio,
    /// NVM Express.
    Nvme,
    /// A disk of q35's own AHCI controller.
    Ahci,
}

/// What is done with blocks of 4 KiB of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks {
    /// The kind of the disk.
    pub disk: DiskKind,
    /// As for the image's app and the Linux guest's program: `read`, `write`, or `flush`, a write and a flush.
    pub operation: &'static str,
    /// Queue depth.
    pub depth: usize,
}

impl Blocks {
    /// Returns reads of a virtio disk.
    #[must_use]
    pub fn reads(depth: usize) -> Self {
        Self { disk: DiskKind::Virtio, operation: "read", depth }
    }
}

/// The work of a guest.
#[derive(Debug, Clone, Copy)]
pub enum Work {
    /// Serves TCP, UDP and HTTP.
    Serve,
    /// The same over a tap of the bench's namespace.
    ServeOnTap,
    /// Reflects frames on this card.
    Frames(&'static str),
    /// Reflects frames of a virtio card on a tap.
    FramesOnTap,
    /// Reads or writes blocks.
    Blocks(Blocks),
    /// Reads a file of a directory that the host shares by 9P.
    Share,
    /// Reads fewer blocks with this queue depth, from a disk of known content, and checks every byte.
    CheckedBlocks(usize),
    /// Serves files by HTTP; Linux does by nginx, and all of the three services.
    Web,
    /// Sends bodies and WebSocket messages back.
    Rest,
    /// Serves HTTPS.
    Https,
    /// Boots only.
    Hello,
}

/// Paths of the files, set by `make bench`.
#[derive(Debug, Clone)]
pub struct Files {
    /// The image.
    pub image: PathBuf,
    /// The image with the feature `tls`.
    pub tls_image: PathBuf,
    /// Their disk.
    pub disk: PathBuf,
    /// The output folder of `tools/bench-guests`.
    pub guests: PathBuf,
    /// The folder for results.
    pub results: PathBuf,
    /// The counting plugin.
    pub plugin: PathBuf,
}

/// Creates a disk of 16 MiB in the results folder, whose content is, every eight bytes, the number of their offset.
///
/// # Errors
/// Returns an error when it cannot be written.
pub fn offsets(files: &Files) -> io::Result<()> {
    let content: Vec<u8> = (0..16_u64 << 20).step_by(8).flat_map(u64::to_le_bytes).collect();
    fs::write(files.results.join(OFFSETS), content)
}

/// Makes the directory that is shared, with its file of 64 MiB, if it is not there.
///
/// # Errors
/// Returns an error when it cannot be written.
pub fn shared_directory(files: &Files) -> io::Result<()> {
    let path = files.results.join(SHARE);
    fs::create_dir_all(&path)?;
    let file = path.join("64mib.bin");
    if fs::metadata(&file).is_ok_and(|metadata| metadata.len() == 64 << 20) {
        return Ok(());
    }
    fs::write(file, (0..64_u64 << 20).step_by(8).flat_map(u64::to_le_bytes).collect::<Vec<_>>())
}

const SHARE: &str = "share";
const OFFSETS: &str = "offsets.img";

impl Files {
    /// Reads the paths from the environment.
    ///
    /// # Panics
    /// Panics when a variable is missing: `make` sets them.
    #[must_use]
    pub fn from_environment() -> Self {
        let path =
            |name| PathBuf::from(env::var_os(name).unwrap_or_else(|| panic!("{name} is not set; see the Makefile")));
        let results = path("BENCH_RESULTS");
        let (guests, tls_image) = (results.join("guests"), results.join("tls-image"));
        Self {
            image: path("SWITCHBOARD_IMAGE"),
            tls_image,
            disk: path("SWITCHBOARD_DISK"),
            guests,
            results,
            plugin: path("BENCH_PLUGIN"),
        }
    }
}

/// Returns the command that starts a system.
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
        System::Msix | System::Intx | System::Polling => {
            let image = if matches!(work, Work::Https) { &files.tls_image } else { &files.image };
            words.extend(["-kernel".into(), shown(image), "-append".into(), switchboard(system, work)]);
        }
        System::Linux => {
            let (kernel, initrd) = (files.guests.join("linux"), files.guests.join(initrd(work)));
            words.extend(["-kernel".into(), shown(&kernel), "-initrd".into(), shown(&initrd), "-append".into()]);
            words.push(format!("console=ttyS0 quiet mitigations=off {}", linux(work)));
        }
        System::Limit => {
            words.extend(["-kernel".into(), shown(&files.guests.join("limit")), "-append".into(), limit(work)]);
        }
    }
    let device = |text: String| ["-device".to_owned(), text];
    match work {
        Work::Serve | Work::Web | Work::Rest | Work::Https => {
            let rule = |(kind, guest, host)| format!(",hostfwd={kind}:127.0.0.1:{host}-:{guest}");
            let rules: String = forwards(system, work, ports).into_iter().map(rule).collect();
            words.extend(["-netdev".into(), format!("user,id=net0{rules}")]);
            words.extend(device("virtio-net-pci,netdev=net0,romfile=".into()));
            if matches!(work, Work::Web) && system != System::Linux {
                let disk = shown(&files.disk);
                words.extend(["-drive".into(), format!("if=none,id=disk0,format=raw,readonly=on,file={disk}")]);
                words.extend(device("virtio-blk-pci,drive=disk0".into()));
            }
            if matches!(work, Work::Https) && system != System::Linux {
                for (name, file) in [("cert", "p256.pem"), ("key", "p256.key")] {
                    words
                        .extend(["-fw_cfg".into(), format!("name=opt/switchboard/tls/{name},file={TLS_FILES}/{file}")]);
                }
            }
        }
        Work::Frames(card) => {
            let end = |side, port| format!(",{side}.type=inet,{side}.host=127.0.0.1,{side}.port={port}");
            let ends = end("local", ports.frames) + &end("remote", ports.frames_back);
            words.extend(["-netdev".into(), format!("dgram,id=net0{ends}")]);
            // The polling guest drives legacy virtio only.
            let legacy = if card == "virtio-net-pci" { ",disable-legacy=off" } else { "" };
            words.extend(device(format!("{card},netdev=net0,romfile=,mac={GUEST_MAC}{legacy}")));
        }
        Work::ServeOnTap | Work::FramesOnTap => {
            words.extend(["-netdev".into(), format!("tap,id=net0,ifname={TAP},script=no,downscript=no")]);
            words.extend(device(format!("virtio-net-pci,netdev=net0,romfile=,mac={GUEST_MAC}")));
        }
        Work::Blocks(Blocks { disk, .. }) => {
            words.extend(["-blockdev".into(), "null-co,node-name=disk0,size=1073741824,read-zeroes=on".into()]);
            words.extend(device(match disk {
                DiskKind::Virtio => "virtio-blk-pci,drive=disk0,disable-legacy=off".into(),
                DiskKind::Nvme => "nvme,drive=disk0,serial=1".into(),
                DiskKind::Ahci => "ide-hd,drive=disk0,bus=ide.0".into(),
            }));
        }
        Work::Share => {
            let path = shown(&files.results.join(SHARE));
            words.extend(["-fsdev".into(), format!("local,id=share0,path={path},security_model=none,readonly=on")]);
            words.extend(device("virtio-9p-pci,fsdev=share0,mount_tag=bench".into()));
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

/// The address of the card where frames are measured.
const GUEST_MAC: &str = "52:54:00:12:34:56";
/// The tap in the bench's namespace.
pub const TAP: &str = "tap0";

/// The folder of the certificate.
const TLS_FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../image/tls/tests/data");

/// Returns the forwarded ports: protocol, the guest's port, the host's.
fn forwards(system: System, work: Work, ports: &Ports) -> Vec<(&'static str, u16, u16)> {
    match (work, system) {
        (Work::Web, System::Linux) => {
            vec![("tcp", 80, ports.http), ("tcp", 443, ports.https), ("tcp", 8080, ports.rest)]
        }
        (Work::Web, _) => vec![("tcp", 80, ports.http)],
        (Work::Rest, _) => vec![("tcp", 80, ports.rest)],
        (Work::Https, _) => vec![("tcp", 443, ports.https)],
        _ => vec![
            ("tcp", 80, ports.http),
            ("tcp", 7, ports.echo),
            ("udp", 7, ports.echo),
            ("tcp", 9, ports.discard),
            ("tcp", 19, ports.chargen),
        ],
    }
}

/// Returns the file with the programs of the Linux guest.
fn initrd(work: Work) -> &'static str {
    match work {
        Work::Web => "initrd-web",
        Work::Blocks(Blocks { disk: DiskKind::Nvme | DiskKind::Ahci, .. }) | Work::Share | Work::Frames("e1000e") => {
            "initrd-devices"
        }
        _ => "initrd",
    }
}

/// Seconds of a turn of blocks or of a share.
const TURN_SECONDS: u64 = 1;
/// Turns of the image's apps: one is measured, and the CPU time of QEMU is read while the next one runs.
const TURNS: u64 = 2;

fn switchboard(system: System, work: Work) -> String {
    let mode = if system == System::Intx { "irq=intx " } else { "" };
    mode.to_owned()
        + &match (work, system) {
            (Work::Serve | Work::ServeOnTap | Work::Hello, _) => "ip=10.0.2.15/24,10.0.2.2 services=all".to_owned(),
            (Work::Web, _) => "ip=10.0.2.15/24,10.0.2.2 -- connections 2048".into(),
            (Work::Https, _) => "ip=10.0.2.15/24,10.0.2.2".into(),
            (Work::Rest, _) => "ip=10.0.2.15/24,10.0.2.2 app=rest".into(),
            (Work::Frames(_), System::Polling) => "app=reflect".into(),
            (Work::Frames(_) | Work::FramesOnTap, _) => "poll=0 app=reflect".into(),
            (Work::Blocks(Blocks { operation, depth, .. }), _) => {
                format!("app=blkbench -- do {operation} qd {depth} secs {TURN_SECONDS} turns {TURNS}")
            }
            (Work::Share, _) => format!("app=sharebench -- 64mib.bin secs {TURN_SECONDS} turns {TURNS}"),
            (Work::CheckedBlocks(depth), _) => format!("app=blkbench -- qd {depth} count 20000 verify offsets"),
        }
}

fn linux(work: Work) -> String {
    match work {
        Work::Serve | Work::ServeOnTap | Work::Hello => "mode=serve".into(),
        Work::Web | Work::Rest | Work::Https => "mode=web".into(),
        // These drivers have no XDP of their own.
        Work::Frames("e1000" | "e1000e") => "mode=xdp xdp=generic".into(),
        Work::Frames(_) | Work::FramesOnTap => "mode=xdp xdp=native".into(),
        Work::Blocks(Blocks { disk, operation, depth }) => {
            let name = match disk {
                DiskKind::Virtio => "vda",
                DiskKind::Nvme => "nvme0n1",
                DiskKind::Ahci => "sda",
            };
            format!("mode=blk disk=/dev/{name} do={operation} secs={TURN_SECONDS} qd={depth}")
        }
        Work::CheckedBlocks(depth) => format!("mode=blk disk=/dev/vda do=read secs={TURN_SECONDS} qd={depth}"),
        Work::Share => format!("mode=share secs={TURN_SECONDS}"),
    }
}

fn limit(work: Work) -> String {
    match work {
        Work::Frames("e1000") => "e1000".into(),
        Work::Frames(_) => "net".into(),
        // The polling guest reads a given number of blocks; the time is measured from outside.
        Work::Blocks(Blocks { depth, .. }) | Work::CheckedBlocks(depth) => {
            format!("blk {depth} {} 4096", limit_reads(depth))
        }
        _ => "hello".into(),
    }
}

/// Returns the number of reads of the polling guest, enough for about a second.
#[must_use]
pub fn limit_reads(depth: usize) -> u32 {
    if depth == 1 { 20_000 } else { 200_000 }
}

/// Returns the text that a system prints when it is ready.
#[must_use]
pub fn ready(system: System, work: Work) -> &'static str {
    match (system, work) {
        (System::Limit, Work::Blocks(_) | Work::CheckedBlocks(_)) => "BEGIN",
        (System::Limit | System::Linux, Work::Frames(_) | Work::FramesOnTap) => "READY",
        (_, Work::Blocks(_) | Work::Share) => "begin",
        (_, Work::CheckedBlocks(_)) => " wrong",
        (_, Work::Frames(_) | Work::FramesOnTap) => ", ready",
        (System::Limit, _) => "APP-START",
        (System::Linux, _) => "READY",
        _ => "address 10.0.2.15",
    }
}
