//! Network cards, with the test as their peer on QEMU's `dgram` network.

use core::future::poll_fn;
use core::task::Poll;
use core::time::Duration;
use std::env;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process;

use embassy_net_driver::{Driver as NetDriver, HardwareAddress, LinkState, RxToken, TxToken};
use switchboard::driver::Driver;
use switchboard::interrupt::ModePolicy;
use switchboard_drivers::e1000::E1000;
use switchboard_drivers::e1000e::E1000e;
use switchboard_drivers::igb::Igb;
use switchboard_drivers::interfaces::network::NetworkCard;
use switchboard_drivers::rtl8139::Rtl8139;
use switchboard_drivers::virtio::VirtioNet;
use switchboard_drivers::vmxnet3::Vmxnet3;
use switchboard_testing::qemu::{Bench, BenchBuilder};

const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

/// The other end of the card's wire: one datagram a frame.
struct Peer {
    socket: UnixDatagram,
    folder: PathBuf,
}

impl Peer {
    fn new(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("switchboard-{}-{name}", process::id()));
        fs::create_dir(&folder).expect("a folder");
        let socket = UnixDatagram::bind(folder.join("peer")).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        Self { socket, folder }
    }

    fn bench(&self, device: &str) -> BenchBuilder {
        let (here, there) = (self.folder.join("peer"), self.folder.join("card"));
        let netdev = format!(
            "dgram,id=net0,local.type=unix,local.path={},remote.type=unix,remote.path={}",
            there.display(),
            here.display()
        );
        Bench::qemu().arguments(&["-netdev", &netdev]).device(device)
    }

    fn send(&self, frame: &[u8]) {
        self.socket.send_to(frame, self.folder.join("card")).expect("a frame sent");
    }

    fn receive(&self) -> Vec<u8> {
        let mut frame = [0; 2048];
        let length = self.socket.recv(&mut frame).expect("a frame of the card");
        frame[..length].to_vec()
    }

    /// Drops frames of an earlier run.
    fn drain(&self) {
        self.socket.set_nonblocking(true).expect("a mode");
        while self.socket.recv(&mut [0; 2048]).is_ok() {}
        self.socket.set_nonblocking(false).expect("a mode");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// Returns frame `number`, for `to`.
fn frame(to: [u8; 6], number: usize) -> Vec<u8> {
    let mut frame = vec![number.to_le_bytes()[0]; 60 + number * 97 % 1400];
    frame[..6].copy_from_slice(&to);
    frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    frame[12..14].copy_from_slice(&[0x88, 0xb5]);
    frame
}

async fn link_up(card: &mut impl NetDriver) {
    poll_fn(|context| {
        let _ = card.receive(context).map(drop);
        if card.link_state(context) == LinkState::Up { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

async fn send(card: &mut impl NetDriver, bytes: &[u8]) {
    poll_fn(|context| match card.transmit(context) {
        Some(token) => {
            token.consume(bytes.len(), |room| room.copy_from_slice(bytes));
            Poll::Ready(())
        }
        None => Poll::Pending,
    })
    .await;
    // A stack reads the link state at the end of each poll, which submits what is left of a batch.
    poll_fn(|context| Poll::Ready(card.link_state(context))).await;
}

async fn receive(card: &mut impl NetDriver) -> Vec<u8> {
    poll_fn(|context| match card.receive(context) {
        Some((token, _)) => Poll::Ready(token.consume(|bytes| bytes.to_vec())),
        None => Poll::Pending,
    })
    .await
}

/// Polls the card until it has executed its commands.
async fn execute(card: &mut VirtioNet) {
    poll_fn(|context| {
        let _ = card.link_state(context);
        if card.has_pending_commands() { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
}

fn check<D: Driver + NetDriver>(peer: &Peer, bench: &Bench) {
    peer.drain();
    let mut card: D = bench.attach();
    assert!(card.hardware_address() == HardwareAddress::Ethernet(MAC));
    bench.run(link_up(&mut card));
    // More frames than a ring has descriptors.
    for number in 0..300 {
        let sent = frame([2, 0, 0, 0, 0, 1], number);
        bench.run(send(&mut card, &sent));
        assert_eq!(peer.receive(), sent, "frame {number}");
        let sent = frame(MAC, number);
        peer.send(&sent);
        assert_eq!(bench.run(receive(&mut card)), sent, "frame {number}");
    }
    // A burst of them.
    (0..20).for_each(|number| peer.send(&frame(MAC, number)));
    for number in 0..20 {
        assert_eq!(bench.run(receive(&mut card)), frame(MAC, number), "frame {number} of a burst");
    }
}

#[test]
fn virtio_net_sends_and_receives() {
    let peer = Peer::new("virtio");
    peer.bench("virtio-net-pci,netdev=net0,romfile=").in_each_mode(|bench| check::<VirtioNet>(&peer, bench));
}

/// Returns whether the card receives a frame to this address, of this VLAN.
fn is_received(peer: &Peer, bench: &Bench, card: &mut VirtioNet, to: [u8; 6], vlan: Option<u16>) -> bool {
    let (mut probe, end) = (frame(to, 1), frame(MAC, 2));
    if let Some(vlan) = vlan {
        probe.splice(12..12, [&[0x81, 0][..], &vlan.to_be_bytes()].concat());
    }
    peer.send(&probe);
    peer.send(&end);
    let first = bench.run(receive(card));
    let is_received = first == probe;
    if is_received {
        assert_eq!(bench.run(receive(card)), end);
    }
    is_received
}

#[test]
fn virtio_net_receives_selected_groups_and_vlans() {
    let peer = Peer::new("virtio-filters");
    peer.bench("virtio-net-pci,netdev=net0,romfile=").in_each_mode(|bench| {
        peer.drain();
        let mut card: VirtioNet = bench.attach();
        bench.run(link_up(&mut card));
        let (group, other) = ([1, 0, 0x5e, 1, 2, 3], [1, 0, 0x5e, 1, 2, 4]);
        bench.run(execute(&mut card));
        assert!(is_received(&peer, bench, &mut card, group, None), "all groups");
        assert!(!is_received(&peer, bench, &mut card, [2, 0, 0, 0, 0, 9], None), "another station");
        assert!(!is_received(&peer, bench, &mut card, MAC, Some(5)));
        card.set_groups(&[group]);
        assert!(card.set_vlan(5, true));
        bench.run(execute(&mut card));
        assert!(is_received(&peer, bench, &mut card, group, None));
        assert!(!is_received(&peer, bench, &mut card, other, None));
        assert!(is_received(&peer, bench, &mut card, [0xff; 6], None));
        assert!(is_received(&peer, bench, &mut card, MAC, Some(5)));
        assert!(!is_received(&peer, bench, &mut card, MAC, Some(6)));
        assert!(!card.take_announcement());
    });
}

#[test]
fn a_virtio_card_with_the_legacy_interface_only_is_refused_with_a_clear_error() {
    let bench = Bench::qemu().device("virtio-net-pci,romfile=,disable-modern=on,disable-legacy=off");
    if let Some(bench) = bench.policy(ModePolicy::INTX).start() {
        let error = bench.try_attach::<VirtioNet>().map(drop).expect_err("it is not supported");
        assert!(error.to_string().contains("only the legacy interface of virtio"), "{error}");
    }
}

#[test]
fn virtio_net_announces_where_the_host_asks_for_it() {
    let peer = Peer::new("virtio-announce");
    peer.bench("virtio-net-pci,netdev=net0,romfile=").in_each_mode(|bench| {
        peer.drain();
        let mut card: VirtioNet = bench.attach();
        bench.run(link_up(&mut card));
        for _ in 0..2 {
            bench.run_monitor_command("announce_self");
            bench.run(poll_fn(|context| {
                let _ = card.link_state(context);
                if card.take_announcement() { Poll::Ready(()) } else { Poll::Pending }
            }));
            bench.run(execute(&mut card));
            assert!(!card.take_announcement(), "once for each request");
        }
    });
}

#[test]
fn e1000_sends_and_receives() {
    for model in ["e1000", "e1000-82544gc", "e1000-82545em"] {
        let peer = Peer::new(model);
        peer.bench(&format!("{model},netdev=net0,romfile=")).in_each_mode(|bench| check::<E1000>(&peer, bench));
    }
}

#[test]
fn e1000e_sends_and_receives() {
    let peer = Peer::new("e1000e");
    peer.bench("e1000e,netdev=net0,romfile=").in_each_mode(|bench| check::<E1000e>(&peer, bench));
}

#[test]
fn rtl8139_sends_and_receives() {
    let peer = Peer::new("rtl8139");
    peer.bench("rtl8139,netdev=net0,romfile=").in_each_mode(|bench| check::<Rtl8139>(&peer, bench));
}

#[test]
fn vmxnet3_sends_and_receives() {
    let peer = Peer::new("vmxnet3");
    peer.bench("vmxnet3,netdev=net0,romfile=").in_each_mode(|bench| check::<Vmxnet3>(&peer, bench));
}

/// Does the same with a card whose registers are written late, as by a bus.
fn check_posted<D: Driver + NetDriver>(device: &str) {
    let peer = Peer::new(&format!("{device}-posted"));
    let bench = peer.bench(&format!("{device},netdev=net0,romfile=")).posted_writes();
    bench.in_each_mode(|bench| check::<D>(&peer, bench));
}

#[test]
fn cards_whose_registers_are_written_late() {
    check_posted::<VirtioNet>("virtio-net-pci");
    check_posted::<E1000>("e1000");
    check_posted::<E1000e>("e1000e");
    check_posted::<Rtl8139>("rtl8139");
    check_posted::<Vmxnet3>("vmxnet3");
}

/// Injects faults, of which there are at least as many as given, and checks that enough of them are reported as errors.
fn inject<D: Driver + NetDriver>(peer: &Peer, device: &str, (faults, errors): (usize, usize)) {
    let report = peer.bench(device).inject::<D, &str>(40, |bench, card| {
        peer.drain();
        bench.try_run(async {
            link_up(card).await;
            send(card, &frame([2, 0, 0, 0, 0, 1], 3)).await;
            peer.send(&frame(MAC, 4));
            if receive(card).await == frame(MAC, 4) { Ok(()) } else { Err("another frame") }
        })
    });
    assert!(
        report.is_none_or(|report| report.stuck == 0 && report.faults >= faults && report.errors >= errors),
        "{report:?}"
    );
}

#[test]
fn virtio_net_with_faults() {
    inject::<VirtioNet>(&Peer::new("virtio-faults"), "virtio-net-pci,netdev=net0,romfile=", (50, 10));
}

#[test]
fn e1000_with_faults() {
    inject::<E1000>(&Peer::new("e1000-faults"), "e1000,netdev=net0,romfile=", (50, 10));
}

#[test]
fn e1000e_with_faults() {
    inject::<E1000e>(&Peer::new("e1000e-faults"), "e1000e,netdev=net0,romfile=", (50, 10));
}

#[test]
fn rtl8139_with_faults() {
    inject::<Rtl8139>(&Peer::new("rtl8139-faults"), "rtl8139,netdev=net0,romfile=", (12, 8));
}

#[test]
fn vmxnet3_with_faults() {
    inject::<Vmxnet3>(&Peer::new("vmxnet3-faults"), "vmxnet3,netdev=net0,romfile=", (50, 10));
}

/// Returns whether this QEMU has the device: only newer ones do.
fn has_igb() -> bool {
    let help = process::Command::new("qemu-system-x86_64").args(["-device", "igb,help"]).output();
    // An unknown device is an error on stderr, and yet a success on older QEMUs.
    help.is_ok_and(|output| output.status.success() && !output.stdout.is_empty())
}

#[test]
fn igb_sends_and_receives_where_qemu_has_it() {
    if !has_igb() {
        return eprintln!("skipped: this QEMU has no igb");
    }
    let peer = Peer::new("igb");
    peer.bench("igb,netdev=net0,romfile=").in_each_mode(|bench| check::<Igb>(&peer, bench));
}

#[test]
fn igb_with_faults_where_qemu_has_it() {
    if has_igb() {
        inject::<Igb>(&Peer::new("igb-faults"), "igb,netdev=net0,romfile=", (50, 10));
    }
}
