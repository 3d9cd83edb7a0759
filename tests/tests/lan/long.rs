//! Tests that take a minute or more: `make test-lan`.

use core::time::Duration;
use std::thread;
use std::time::Instant;

use switchboard_tests::built_disk;
use switchboard_tests::lan::{LIMIT, Lan};

use crate::seconds;
use crate::tcp_flow::{read_slowly, stopped_download};

#[test]
#[ignore = "long"]
fn a_reader_that_answers_probes_is_kept_for_minutes() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let connection = stopped_download(&lan.host(2));
    lan.sleep(seconds(75));
    connection.behave(|behaviour| behaviour.window = u16::MAX);
    connection.acknowledge();
    let whole = connection.wait(LIMIT, |connection| connection.received.ends_with(b"000000000065535\n"));
    assert!(whole, "{:?}", connection.phase());
}

#[test]
#[ignore = "long"]
fn very_slow_readers_get_everything() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    thread::scope(|scope| {
        for (last, rate, headers) in [(10, 400, ""), (11, 300, ""), (12, 300, "Connection: close\r\n")] {
            let host = lan.host(last);
            scope.spawn(move || {
                let request = format!("GET / HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
                let (received, length) = read_slowly(&host, &request, rate, 600);
                assert_eq!(received, length, "at {rate} bytes a second, {headers:?}");
            });
        }
    });
}

#[test]
#[ignore = "long"]
fn heads_that_never_end_are_ended() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let connections: Vec<_> = (0..8).map(|_| lan.host(3).connect(80)).collect();
    let start = Instant::now();
    assert!(connections.iter().all(|connection| connection.is_opened(LIMIT)));
    for (index, connection) in connections.iter().enumerate() {
        connection.send(match index % 2 {
            0 => &b"GET /hello HTTP/1.1\r\nHost: x\r\nX: "[..],
            _ => b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n",
        });
    }
    // A byte each second does not extend the deadline of the whole.
    while connections.iter().any(switchboard_tests::lan::Peer::is_open) {
        assert!(start.elapsed() < seconds(150), "still open after {:?}", start.elapsed());
        connections.iter().filter(|connection| connection.is_open()).for_each(|connection| connection.send(b"a"));
        lan.sleep(seconds(1));
    }
    // RFC 9110, 15.5.9.
    let head = connections[0].with(|connection| connection.received.clone());
    assert!(head.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&head));
}

#[test]
#[ignore = "long"]
fn a_disk_of_one_request_a_second_gives_everyone_a_status() {
    let disk = built_disk();
    let drive = format!("format=raw,readonly=on,file={},throttling.iops-total=1", disk.display());
    let lan = Lan::start_without_disk("10.0.0.1/24", move |qemu| qemu.drive(&drive, "virtio-blk-pci"));
    lan.guest.console().wait_for("files: ", seconds(60)).expect("the archive is read");
    thread::scope(|scope| {
        for index in 0..30 {
            let host = lan.host(10 + index);
            scope.spawn(move || {
                let response = host.fetch("/files/README.txt", seconds(100));
                let status = response.unwrap_or_else(|error| panic!("client {index}: {error}")).status;
                assert!([200, 503, 504].contains(&status), "client {index}: status {status}");
            });
        }
    });
    lan.probe(&lan.host(2)).expect("a page");
    lan.assert_few_warnings(20);
}

#[test]
#[ignore = "long"]
fn frames_of_any_content_do_no_harm() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu.option("services=all"));
    let host = lan.host(2);
    crate::malformed::hand_made(&lan, &host);
    lan.probe(&lan.host(3)).expect("a page after the hand-made frames");
    let start = Instant::now();
    let mut random = crate::malformed::Random::new(7);
    while start.elapsed() < seconds(40) {
        for _ in 0..200 {
            lan.send(crate::malformed::mutant(&lan, &host, &mut random));
        }
        lan.sleep(Duration::from_millis(10));
    }
    lan.probe(&lan.host(4)).expect("a page after the mutants");
    lan.assert_few_warnings(60);
}
