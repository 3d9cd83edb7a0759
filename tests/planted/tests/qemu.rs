//! Each use of a driver on QEMU's model works, and fails with each bug that is planted in its source.

use core::future::poll_fn;
use core::task::Poll;
use core::time::Duration;
use std::env;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use embassy_futures::join::join;
use embassy_net_driver::{Driver as _, TxToken};
use switchboard_planted::ahci::Ahci;
use switchboard_planted::e1000::E1000;
use switchboard_planted::edu::Edu;
use switchboard_planted::interfaces::block::{BlockDevice, DiskController};
use switchboard_planted::nvme::Nvme;
use switchboard_planted::planted::VARIABLE;
use switchboard_planted::virtio::VirtioBlk;
use switchboard_testing::qemu::Bench;

/// Runs a test with a bug, in a process of its own. Returns what it prints; it must fail.
fn run_with(test: &str, bug: &str) -> String {
    let this = env::current_exe().expect("the path of this program");
    let run = Command::new(this).args(["--exact", test]).env(VARIABLE, bug).output().expect("a test can run itself");
    let text = String::from_utf8_lossy(&[run.stdout, run.stderr].concat()).into_owned();
    assert!(!run.status.success(), "not caught: {bug}\n{text}");
    text
}

/// Sees a bug caught by a use.
fn catches(test: &str, bug: &str, message: &str) {
    if Bench::qemu().device("edu").start().is_none() {
        return;
    }
    let text = run_with(test, bug);
    assert!(text.contains(message), "{bug}: not caught by {message:?}\n{text}");
}

/// A folder of this process, removed when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let this = Self(env::temp_dir().join(format!("switchboard-planted-{}-{name}", process::id())));
        fs::create_dir(&this.0).expect("a folder");
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
fn edu() {
    Bench::qemu().device("edu").in_each_mode(|bench| {
        let mut edu: Edu = bench.attach();
        (0..300).for_each(|_| assert_eq!(bench.run(edu.factorial(5)), Ok(120)));
    });
}

#[test]
fn edu_catches() {
    catches("edu", "edu-not-acknowledged", "a line stays asserted");
}

/// Writes arrive late, as on a bus.
#[test]
fn edu_with_posted_writes() {
    Bench::qemu().device("edu").posted_writes().in_each_mode(|bench| {
        let mut edu: Edu = bench.attach();
        (0..50).for_each(|_| assert_eq!(bench.run(edu.factorial(5)), Ok(120)));
    });
}

#[test]
fn edu_with_posted_writes_catches() {
    catches("edu_with_posted_writes", "edu-acknowledgement-posted", "it is not read back");
}

/// Plays a recording of the right driver: needs no QEMU.
#[test]
fn edu_recording() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../drivers/tests/qemu/recordings/edu.intx.recording");
    let bench = Bench::replay(file);
    let mut edu: Edu = bench.attach();
    assert_eq!(bench.run(edu.factorial(5)), Ok(120));
    assert_eq!(bench.run(edu.write_buffer(7, &[0x5a; 100])), Ok(()));
    let mut received = [0; 100];
    assert_eq!(bench.run(edu.read_buffer(7, &mut received)), Ok(()));
    drop(edu);
    bench.check_nothing_left();
}

#[test]
fn edu_recording_catches() {
    let run = run_with("edu_recording", "edu-not-acknowledged");
    let missing = "  recorded: write 00:01.0 bar0+0x64 4 0xffffffff (by a handler)\n  done:     read 00:01.0 bar0+0x24 4 (by a handler)";
    assert!(run.contains("the run differs from edu.intx.recording at access ") && run.contains(missing), "{run}");
}

async fn read_all(disk: &impl BlockDevice) {
    // More requests than a queue has entries.
    for sector in 0..399 {
        let (mut left, mut right) = ([0; 512], [0; 512]);
        let read = join(disk.read(sector, &mut left), disk.read(sector + 1, &mut right)).await;
        assert!(read.0.is_ok() && read.1.is_ok(), "sector {sector}: {read:?}");
        assert_eq!(left, [sector.to_le_bytes()[0]; 512], "sector {sector}");
        assert_eq!(right, [(sector + 1).to_le_bytes()[0]; 512], "the sector after {sector}");
    }
}

fn disk(path: &Path) -> String {
    let content: Vec<u8> = (0..400_u32).flat_map(|sector| [sector.to_le_bytes()[0]; 512]).collect();
    fs::write(path, content).expect("a file");
    format!("if=none,id=disk0,format=raw,file={}", path.display())
}

#[test]
fn nvme() {
    let folder = Folder::new("nvme");
    let drive = disk(&folder.path("disk"));
    let bench = Bench::qemu().arguments(&["-drive", &drive]).device("nvme,drive=disk0,serial=1").start();
    bench.inspect(|bench| bench.run(read_all(&bench.attach::<Nvme>())));
}

#[test]
fn nvme_catches() {
    catches("nvme", "nvme-ring-one-short", "panicked");
}

#[test]
fn ahci() {
    let folder = Folder::new("ahci");
    let drive = disk(&folder.path("disk"));
    let bench = Bench::qemu().arguments(&["-drive", &drive]).device("ich9-ahci,id=ahci0");
    let bench = bench.device("ide-hd,drive=disk0,bus=ahci0.0").start();
    bench.inspect(|bench| bench.run(read_all(&bench.attach::<Ahci>().next_disk().expect("a disk"))));
}

#[test]
fn ahci_catches() {
    catches("ahci", "ahci-region-short", "panicked");
}

#[test]
fn virtio_blk() {
    let folder = Folder::new("virtio");
    let drive = disk(&folder.path("disk"));
    let bench = Bench::qemu().arguments(&["-drive", &drive]).device("virtio-blk-pci,drive=disk0").start();
    bench.inspect(|bench| bench.run(read_all(&bench.attach::<VirtioBlk>())));
}

#[test]
fn virtio_blk_catches() {
    catches("virtio_blk", "virtio-entry-one-late", "panicked");
}

#[test]
fn e1000() {
    let folder = Folder::new("e1000");
    let peer = UnixDatagram::bind(folder.path("peer")).expect("a socket");
    peer.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
    let (card, here) = (folder.path("card"), folder.path("peer"));
    let netdev = format!(
        "dgram,id=net0,local.type=unix,local.path={},remote.type=unix,remote.path={}",
        card.display(),
        here.display()
    );
    let bench = Bench::qemu().arguments(&["-netdev", &netdev]).device("e1000,netdev=net0,romfile=").start();
    let Some(bench) = bench else { return };
    let mut card: E1000 = bench.attach();
    for number in 0..200_u8 {
        bench.run(poll_fn(|context| match card.transmit(context) {
            Some(token) => {
                token.consume(60, |frame| frame.fill(number));
                Poll::Ready(())
            }
            None => Poll::Pending,
        }));
        // Submits what is left of a batch.
        bench.run(poll_fn(|context| Poll::Ready(card.link_state(context))));
        let mut frame = [0; 2048];
        let length = peer.recv(&mut frame).expect("a frame of the card");
        assert_eq!(frame[..length], [number; 60], "frame {number}");
    }
}

#[test]
fn e1000_catches() {
    catches("e1000", "e1000-tail-one-short", "panicked");
    catches("e1000", "e1000-doorbell-first", "panicked");
}
