//! Machines with little memory and more connections than fit: new work is refused, old work goes on, and the machine
//! does not end.

use core::time::Duration;
use std::fs;

use switchboard_tests::lan::{Behaviour, LIMIT, Lan, Peer};
use switchboard_tests::{Qemu, ScratchPath, archive};

use crate::seconds;

/// Opens connections of several hosts that each request `path`, and do not read when `window` is small.
fn open(lan: &Lan, count: u16, port: u16, path: Option<&str>, window: u16) -> Vec<Peer> {
    let behaviour = Behaviour { window, ..Behaviour::default() };
    let connections: Vec<_> = (0..count)
        .map(|index| {
            let host = lan.host(10 + u8::try_from(index % 20).expect("few"));
            let connection = host.connect_with(port, behaviour.clone());
            // About a thousand a second.
            std::thread::sleep(Duration::from_millis(1));
            connection
        })
        .collect();
    if let Some(path) = path {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        for connection in &connections {
            if connection.is_open() {
                connection.send(request.as_bytes());
            }
        }
    }
    connections
}

/// Checks that a machine survives more connections than fit, and serves again when they are gone.
fn survives(memory: &str) {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu.memory(memory).option("services=all"));
    lan.probe(&lan.host(2)).expect("a page before");
    let mut connections = open(&lan, 400, 80, Some("/files/README.txt"), u16::MAX);
    connections.extend(open(&lan, 200, 80, Some("/files/1mib.bin"), 0));
    connections.extend(open(&lan, 100, 80, Some("/"), 500));
    for port in [7, 9, 19] {
        connections.extend(open(&lan, 70, port, None, 1000));
    }
    lan.sleep(seconds(2));
    let open = connections.iter().filter(|connection| connection.is_open()).count();
    connections.iter().filter(|connection| connection.is_open()).for_each(Peer::reset);
    lan.sleep(Duration::from_millis(500));
    lan.probe(&lan.host(3)).unwrap_or_else(|error| panic!("{memory}, after {open} connections: {error}"));
    assert!(open > 10, "{open} connections were open at {memory}");
    assert_eq!(lan.console_lines("panicked").len(), 0);
    lan.assert_few_warnings(40);
}

#[test]
fn twelve_mebibytes_are_not_exhausted() {
    survives("12M");
}

#[test]
fn sixteen_mebibytes_are_not_exhausted() {
    survives("16M");
}

#[test]
fn twenty_four_mebibytes_are_not_exhausted() {
    survives("24M");
}

#[test]
fn thirty_two_mebibytes_are_not_exhausted() {
    survives("32M");
}

/// Boots a guest whose disk has many files with long names.
fn with_files(count: usize, name: &str, memory: &str) -> (Lan, ScratchPath) {
    let disk = ScratchPath::new("img");
    let mut bytes = Vec::new();
    for index in 0..count {
        let mut one = archive(&format!("{index:05}{name}"), b"abc");
        one.truncate(one.len() - 1024);
        bytes.extend(one);
    }
    bytes.extend([0; 1024]);
    fs::write(disk.path(), bytes).expect("a disk");
    let path = disk.path().to_owned();
    let lan = Lan::start_without_disk("10.0.0.1/24", move |qemu: Qemu| qemu.memory(memory).disk(&path));
    // Until then, the list is answered by 503.
    lan.guest.wait_for("files: ");
    (lan, disk)
}

#[test]
fn a_long_list_of_files_is_not_held_for_each_reader() {
    let (lan, _disk) = with_files(4096, &"\"".repeat(90), "64M");
    let whole = lan.host(2).fetch("/files/", seconds(40)).expect("the list");
    assert!(whole.status == 200 && whole.body.len() > 4096 * 90, "{} bytes", whole.body.len());
    // Clients that request the list and do not read it.
    let connections = open(&lan, 100, 80, Some("/files/"), 500);
    lan.sleep(seconds(2));
    lan.probe(&lan.host(3)).expect("a page meanwhile");
    connections.iter().filter(|connection| connection.is_open()).for_each(Peer::reset);
    lan.probe(&lan.host(4)).expect("a page afterwards");
    lan.assert_few_warnings(40);
}

#[test]
fn heap_and_connections_come_back_after_many_cycles() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let host = lan.host(2);
    let cycle = |count: u32| {
        for index in 0..count {
            let connection = host.connect(80);
            connection.request("/hello", LIMIT).expect("a page");
            match index % 3 {
                0 => connection.reset(),
                // It does not acknowledge the guest's FIN.
                1 => connection.finish(),
                // The host vanishes without a segment.
                _ => {}
            }
        }
    };
    cycle(5);
    let before = lan.heap_bytes();
    cycle(600);
    // Buffers of idle and of closed connections are freed within three seconds; the rest is kept until the connection times
    // out.
    lan.sleep(seconds(5));
    let grown = lan.heap_bytes() - before;
    assert!(
        grown < 400.0 * 3072.0,
        "the heap is {grown} bytes larger with 400 connections of a host that has vanished"
    );
    // 15 seconds for another request, 6 for the peer to close its side, a minute for it to acknowledge the FIN.
    lan.sleep(seconds(85));
    let grown = lan.heap_bytes() - before;
    assert!(grown < 100_000.0, "the heap is {grown} bytes larger after 600 connections that have ended");
}
