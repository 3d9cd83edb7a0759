//! The flow of data: windows, slow readers, losses, small segments, paths with a small MTU.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::thread;
use std::time::Instant;

use etherparse::IpNumber;
use switchboard_tests::lan::packet::{self, ACK, IPV4, RST, ethernet};
use switchboard_tests::lan::{Behaviour, GUEST_MAC, Host, LIMIT, Lan, Peer, Phase};
use switchboard_tests::{mebibyte_file, sha256};

use crate::{far, seconds};

/// Reads a response as slowly as a line of `rate` bytes a second carries it: each segment is acknowledged when the line
/// would have carried it. Returns how many bytes of the body came, and how many it has.
pub(crate) fn read_slowly(host: &Host, request: &str, rate: u32, window: u16) -> (usize, usize) {
    let connection = host.connect_with(80, Behaviour { window, acknowledges: false, ..Behaviour::default() });
    assert!(connection.is_opened(LIMIT));
    connection.send(request.as_bytes());
    let (mut body, mut length) = (Vec::new(), None);
    loop {
        let (mut is_ended, mut phase) = (false, Phase::Open);
        let has_more = connection.wait(seconds(15), |connection| {
            (is_ended, phase) = (connection.is_ended, connection.phase);
            !connection.received.is_empty() || is_ended || phase != Phase::Open
        });
        let data = connection.with(|connection| core::mem::take(&mut connection.received));
        thread::sleep(Duration::from_secs_f64(data.len() as f64 / f64::from(rate)));
        connection.acknowledge();
        body.extend(data);
        if length.is_none()
            && let Some(end) = body.windows(4).position(|bytes| bytes == b"\r\n\r\n")
        {
            let head = String::from_utf8_lossy(&body[..end]).to_ascii_lowercase();
            let value = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next().map(str::to_owned));
            length = Some(value.expect("a length").parse::<usize>().expect("a number"));
            body.drain(..end + 4);
        }
        let is_whole = length.is_some_and(|length| body.len() >= length);
        if is_whole || is_ended || phase != Phase::Open || !has_more {
            return (body.len(), length.unwrap_or(usize::MAX));
        }
    }
}

#[test]
fn slow_readers_get_everything() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let (close, keep) = ("Connection: close\r\n", "");
    let part = "Connection: close\r\nRange: bytes=-12000\r\n";
    let cases = [("/", close, 1500), ("/", keep, 1500), ("/metrics", close, 700), ("/files/1mib.bin", part, 1500)];
    thread::scope(|scope| {
        for (index, (path, headers, rate)) in cases.into_iter().enumerate() {
            let host = lan.host(10 + u8::try_from(index).expect("few"));
            scope.spawn(move || {
                let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
                let (received, length) = read_slowly(&host, &request, rate, 1000);
                assert_eq!(received, length, "of {path} at {rate} bytes a second, {headers:?}");
            });
        }
    });
}

/// Requests a large file, and stops reading after 100,000 bytes.
pub(crate) fn stopped_download(host: &Host) -> Peer {
    let connection = host.connect_with(80, Behaviour { window: 8192, ..Behaviour::default() });
    assert!(connection.is_opened(LIMIT));
    connection.send(b"GET /files/1mib.bin HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(connection.wait(LIMIT, |connection| connection.received.len() > 100_000));
    connection.behave(|behaviour| behaviour.window = 0);
    connection.acknowledge();
    connection
}

#[test]
fn a_closed_window_is_probed_and_opens_again() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let connection = stopped_download(&lan.host(2));
    let before = connection.segment_count();
    lan.sleep(seconds(6));
    let probes = connection.segment_count() - before;
    assert!((1..=40).contains(&probes), "{probes} segments in 6 s with a closed window");
    connection.behave(|behaviour| behaviour.window = u16::MAX);
    connection.acknowledge();
    let whole = connection.wait(LIMIT, |connection| connection.received.ends_with(b"000000000065535\n"));
    assert!(whole, "{:?}", connection.phase());
}

#[test]
fn data_beyond_the_window_is_acknowledged_and_dropped() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu.option("services=echo"));
    let connection = lan.host(2).connect_with(7, Behaviour { window: 0, retransmits: false, ..Behaviour::default() });
    assert!(connection.is_opened(LIMIT));
    // The guest's buffers of both directions fill, and its window closes.
    let chunk = [b'w'; 1000];
    let mut sent = 0;
    while connection.with(|connection| connection.guest_window) >= 1000 && sent < 200_000 {
        connection.send(&chunk);
        sent += chunk.len();
        lan.sleep(Duration::from_millis(30));
    }
    let before = connection.segment_count();
    for _ in 0..20 {
        connection.send_raw(|segment| {
            segment.data = b"beyond the window".to_vec();
            segment.seq = segment.seq.wrapping_add(5000);
        });
    }
    lan.sleep(seconds(1));
    let answers = connection.segments_since(before);
    assert!(!answers.is_empty(), "no answer to data beyond the window (RFC 9293, 3.10.7.4)");
    assert!(answers.iter().all(|(_, answer)| !answer.has(RST)), "a reset");
    connection.behave(|behaviour| {
        behaviour.window = u16::MAX;
        behaviour.retransmits = true;
    });
    connection.acknowledge();
    let echo = connection.receive(sent, LIMIT).unwrap_or_else(|echo| panic!("{} of {sent} bytes", echo.len()));
    assert!(echo.iter().all(|byte| *byte == b'w'), "data from beyond the window");
}

#[test]
fn a_download_survives_losses() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    for every in [100, 30] {
        let mut count = 0;
        lan.lose(move |frame| {
            count += u32::from(frame.bytes.len() > 500);
            frame.bytes.len() > 500 && count % every == 0
        });
        let file = lan.host(2).fetch("/files/1mib.bin", seconds(60));
        let file = file.unwrap_or_else(|error| panic!("with one of {every} segments lost: {error}"));
        assert_eq!(sha256(&file.body), sha256(&mebibyte_file()));
    }
}

#[test]
fn segments_keep_to_the_peers_maximum_and_tiny_ones_do_not_jam() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    for mss in [0_u16, 1, 8, 48, 536, 1200, 65_535] {
        let syn_options = [&[2, 4][..], &mss.to_be_bytes()].concat();
        let connection = lan.host(2).connect_with(80, Behaviour { syn_options, ..Behaviour::default() });
        assert!(connection.is_opened(LIMIT), "MSS {mss}");
        connection.send(b"GET /files/1mib.bin HTTP/1.1\r\nHost: x\r\n\r\n");
        connection.wait(seconds(1), |connection| connection.received.len() > 200_000);
        let longest = connection.segments_since(0).iter().map(|(_, segment)| segment.data.len()).max();
        let longest = longest.expect("segments");
        assert!(longest > 0 && longest <= usize::from(mss).clamp(536, 1460), "MSS {mss}: a segment of {longest}");
        lan.probe(&lan.host(3)).expect("a page meanwhile");
        connection.reset();
    }
}

/// Fetches the page by a path that carries packets of at most `mtu` bytes; longer ones are reported by ICMP, or lost
/// without a report.
fn fetch_by_path(mtu: usize, is_reported: bool) -> Duration {
    let lan = Lan::start("10.0.0.1/24,10.0.0.254", |qemu| qemu);
    let gateway = lan.host(254);
    let client = gateway.behind(far(7));
    let router = gateway.clone();
    let link = lan.link().clone();
    lan.lose(move |frame| {
        let is_long = frame.tcp().is_some() && frame.bytes.len() - 14 > mtu;
        if is_long && is_reported {
            let [high, low] = u16::try_from(mtu).expect("an MTU").to_be_bytes();
            let body = packet::icmp_body(3, 4, [0, 0, high, low], &frame.bytes[14..42]);
            let packet = packet::ip(router.address(), Ipv4Addr::new(10, 0, 0, 1).into(), IpNumber::ICMP, &body);
            link.send(ethernet(GUEST_MAC, router.mac(), IPV4, &packet));
        }
        is_long
    });
    let start = Instant::now();
    let file = client.fetch("/files/1mib.bin", seconds(60));
    let file = file.unwrap_or_else(|error| panic!("path MTU {mtu}, reported {is_reported}: {error}"));
    assert_eq!(sha256(&file.body), sha256(&mebibyte_file()));
    start.elapsed()
}

#[test]
fn a_path_with_a_small_mtu_that_is_reported_carries_everything() {
    for mtu in [1400, 576] {
        let time = fetch_by_path(mtu, true);
        assert!(time < seconds(15), "{time:?} for a path MTU of {mtu}");
    }
}

#[test]
fn a_path_that_drops_long_packets_in_silence_carries_everything() {
    fetch_by_path(1400, false);
}

#[test]
fn forged_reports_of_small_mtus_do_not_cripple() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let host = lan.host(2);
    let connection = host.connect_with(80, Behaviour { window: 4096, ..Behaviour::default() });
    assert!(connection.is_opened(LIMIT));
    let own = (connection.with(|connection| connection.next_ack), 80_u16);
    let quote = |source_port: u16, destination_port: u16, seq: u32| {
        let body = [&source_port.to_be_bytes()[..], &destination_port.to_be_bytes(), &seq.to_be_bytes()].concat();
        let tcp = IpNumber::TCP;
        packet::ip(lan.address().into(), host.address(), tcp, &body)
    };
    for mtu in [0_u16, 1, 67, 68, 296] {
        let rest = [0, 0, mtu.to_be_bytes()[0], mtu.to_be_bytes()[1]];
        // For another connection, for a sequence number that was not sent, and for none at all.
        host.send_icmp(3, 4, rest, &quote(own.1, 1, own.0));
        host.send_icmp(3, 4, rest, &quote(own.1, 12_345, own.0.wrapping_add(1_000_000)));
        host.send_icmp(3, 4, rest, &[]);
        host.send_icmp(3, 4, rest, &[0x45; 12]);
    }
    connection.send(b"GET /files/1mib.bin HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(connection.wait(LIMIT, |connection| connection.received.len() > 500_000));
    let longest = connection.segments_since(0).iter().map(|(_, segment)| segment.data.len()).max();
    assert!(longest > Some(1000), "segments of at most {longest:?} bytes after forged reports");
}

#[test]
fn unreachable_reports_do_not_end_an_open_connection() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu.option("services=echo"));
    let host = lan.host(2);
    let connection = host.connect_from(40_000, 7, Behaviour::default());
    assert!(connection.is_opened(LIMIT));
    let seq = connection.with(|connection| connection.next_ack);
    let body = [&7_u16.to_be_bytes()[..], &40_000_u16.to_be_bytes(), &seq.to_be_bytes()].concat();
    let tcp = IpNumber::TCP;
    let quoted = packet::ip(lan.address().into(), host.address(), tcp, &body);
    // RFC 1122, 4.2.3.9, and RFC 5927: soft errors, whatever their code, for a connection that is established.
    for (kind, code) in [(3, 0), (3, 1), (3, 3), (3, 5), (11, 0), (11, 1), (4, 0), (12, 0)] {
        host.send_icmp(kind, code, [0; 4], &quoted);
    }
    connection.send(b"alive?");
    assert_eq!(connection.receive(6, LIMIT).expect("an echo"), b"alive?");
    assert!(connection.segments_since(0).iter().all(|(_, segment)| segment.has(ACK)));
}
