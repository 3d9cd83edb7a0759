//! Checksums and segmentation by the card, which only a tap offers: TCP to and from the host, with and without them.

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Instant;

use switchboard_tests::lan::{GUEST_MAC, Namespace, is_skipped_without_namespaces};
use switchboard_tests::{Client, Guest, Machine, Qemu, mebibyte_file, sha256};

use crate::seconds;

const GUEST: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 50);
/// A card without offloads.
const PLAIN: &str =
    "virtio-net-pci,csum=off,guest_csum=off,host_tso4=off,host_tso6=off,guest_tso4=off,guest_tso6=off,mrg_rxbuf=off";

/// Starts a guest on a tap, whose host is 10.7.0.1.
fn start(device: &str) -> (Guest, Namespace) {
    let host = Namespace::new();
    host.add_tap("tap0");
    host.ip("addr add 10.7.0.1/24 dev tap0");
    let qemu = Qemu::new(Machine::Q35).nic_on_tap(&host, "tap0", device, GUEST_MAC);
    let guest = qemu.option("ip=10.7.0.50/24 services=all").files().limit(seconds(120)).start();
    guest.wait_for("address 10.7.0.50");
    (guest, host)
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect_timeout(&SocketAddr::new(GUEST.into(), port), seconds(20)).expect("a connection");
    stream.set_read_timeout(Some(seconds(20))).expect("a timeout");
    stream
}

/// Returns the frames that the tap has received from the guest.
fn frames_of_guest(host: &Namespace) -> u64 {
    let text = host.run("cat", "/sys/class/net/tap0/statistics/rx_packets");
    text.trim().parse().expect("a number")
}

/// Sends bytes to the echo service, and checks that the same ones come back.
fn echo(length: usize) {
    let byte = |at: usize| (at * 31 + at / 251).to_le_bytes()[0];
    let mut stream = connect(7);
    let mut sender = stream.try_clone().expect("a second handle");
    let sending = thread::spawn(move || {
        let data: Vec<u8> = (0..length).map(byte).collect();
        sender.write_all(&data).expect("it is sent");
        sender.shutdown(Shutdown::Write).expect("it is closed");
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received).expect("it comes back");
    sending.join().expect("it is sent");
    assert!(received.into_iter().eq((0..length).map(byte)));
}

#[test]
fn long_segments_arrive_whole_in_both_directions() {
    if is_skipped_without_namespaces("long_segments_arrive_whole_in_both_directions") {
        return;
    }
    let (guest, host) = start("virtio-net-pci");
    let before = frames_of_guest(&host);
    let response = host.enter(|| {
        let mut client = Client::connect_to((GUEST, 80).into(), seconds(40)).expect("a connection");
        client.get("/files/1mib.bin").expect("a response")
    });
    assert_eq!((response.status, sha256(&response.body)), (200, sha256(&mebibyte_file())));
    let frames = frames_of_guest(&host) - before;
    assert!(frames < 300, "{frames} frames for a MiB, which are 719 without offloads");
    host.enter(|| echo(3_000_000));
    drop(guest);
}

/// Receives from the character generator, or sends to the discard service, for a while. Returns MiB a second.
fn bulk(is_download: bool) -> f64 {
    let mut stream = connect(if is_download { 19 } else { 9 });
    let (mut buffer, mut bytes, begin) = (vec![0; 1 << 18], 0, Instant::now());
    while begin.elapsed() < Duration::from_secs(4) {
        bytes += if is_download { stream.read(&mut buffer) } else { stream.write(&buffer) }.expect("a connection");
    }
    f64::from(u32::try_from(bytes >> 10).expect("a few GiB")) / 1024.0 / begin.elapsed().as_secs_f64()
}

#[test]
#[ignore = "measures"]
fn measure_bulk_over_tap() {
    for device in [PLAIN, "virtio-net-pci"] {
        let (_guest, host) = start(device);
        let rates = [true, false].map(|is_download| host.enter(|| bulk(is_download)));
        println!("{device}: from the guest {:.0} MiB/s, to the guest {:.0} MiB/s", rates[0], rates[1]);
    }
}
