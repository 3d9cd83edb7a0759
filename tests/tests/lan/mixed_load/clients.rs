//! The clients: honest ones fetch pages and files, on new and on kept connections. Hostile ones send all kinds of what the
//! other tests send, at a bounded rate: the link carries more, so that it is not the link that is measured.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use etherparse::IpNumber;
use switchboard_tests::lan::packet::{self, ARP, BROADCAST, RST, SYN, Segment, arp, ethernet};
use switchboard_tests::lan::{Behaviour, Lan, Peer};
use switchboard_tests::{mebibyte_file, sha256};

use super::host::HostTimes;
use crate::malformed::{Random, mutant};
use crate::{far, seconds};

/// Latencies of honest requests, in microseconds, and what was lost.
#[derive(Default)]
pub(super) struct Figures {
    pub(super) latencies: Mutex<Vec<u64>>,
    pub(super) lost: Mutex<Vec<String>>,
    /// Frames of the hostile clients, without those of their connections.
    pub(super) hostile_frames: AtomicU64,
    /// The share of the time that other processes of the host took.
    pub(super) taken: f64,
}

/// Returns the segments of the guest on a connection, and when they came.
fn history(connection: &Peer, start: Instant) -> String {
    let segments = connection.segments_since(0);
    let lines = segments.iter().map(|(at, segment)| format!("{:?}: {segment:?}", at.duration_since(start)));
    format!("{:?}: {:?}", start.elapsed(), lines.collect::<Vec<_>>())
}

/// Fetches pages by new and by kept connections until `is_done`.
fn honest(lan: &Lan, last: u8, is_done: &AtomicBool, figures: &Figures) {
    let host = lan.host(last);
    let mut kept: Option<Peer> = None;
    for round in 0_u64.. {
        if is_done.load(Ordering::Relaxed) {
            return;
        }
        let start = Instant::now();
        let result = match round % 4 {
            0 => {
                let connection = host.connect(80);
                let response = connection.last_request("/hello", seconds(30));
                response
                    .map(|response| response.body == b"Hello, world!")
                    .map_err(|error| format!("{error}: {}", history(&connection, start)))
            }
            // A file is checked, and not measured: its time is that of many segments.
            3 if round % 64 == 3 => {
                let file = host.fetch("/files/1mib.bin", seconds(60));
                file.map(|response| sha256(&response.body) == sha256(&mebibyte_file()))
            }
            _ => {
                if kept.as_ref().is_none_or(|connection| !connection.is_open()) {
                    kept = Some(host.connect(80));
                }
                let connection = kept.as_ref().expect("a connection");
                match connection.request("/hello", seconds(30)) {
                    // A connection that is idle may be closed to make room, between requests.
                    Err(_) if !connection.is_open() && connection.with(|kept| kept.received.is_empty()) => {
                        kept = None;
                        continue;
                    }
                    result => result.map(|response| response.body == b"Hello, world!"),
                }
            }
        };
        match result {
            Ok(true) if round % 64 != 3 => {
                let time = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
                figures.latencies.lock().expect("not poisoned").push(time);
            }
            Ok(true) => {}
            Ok(false) => figures.lost.lock().expect("not poisoned").push(format!("{last}, {round}: another answer")),
            Err(error) => figures.lost.lock().expect("not poisoned").push(format!("{last}, {round}: {error}")),
        }
        thread::sleep(Duration::from_millis(15));
    }
}

/// Sends everything that is hostile, in turn, until `is_done`.
fn hostile(lan: &Lan, is_done: &AtomicBool, figures: &Figures) {
    let mut random = Random::new(99);
    let (attacker, gateway) = (lan.host(66), lan.host(254));
    let own = lan.address();
    let mut held: Vec<Peer> = Vec::new();
    let mut round = 0_u32;
    while !is_done.load(Ordering::Relaxed) {
        round = round.wrapping_add(1);
        let port = 1024 + u16::try_from(random.below(60_000)).expect("16 bits");
        for index in 0..8 {
            let source = far(u32::try_from(random.below(1 << 22)).expect("22 bits"));
            let syn = Segment { seq: round, flags: SYN, options: vec![2, 4, 5, 0xb4], ..Segment::default() };
            gateway.send(&packet::tcp((source, port).into(), (own, 80).into(), &syn));
            let reset = Segment { seq: round.wrapping_mul(7919), flags: RST, ..Segment::default() };
            gateway.send(&packet::tcp((lan.host(10).v4(), port).into(), (own, 80).into(), &reset));
            attacker.send_udp(port, 4321, b"nothing is here");
            attacker.send_icmp(8, 0, [0, 1, 0, index], &[0; 56]);
            let sender = ([2, 9, 9, 9, index, 1], core::net::Ipv4Addr::new(10, 0, 9, index));
            lan.send(ethernet(BROADCAST, sender.0, ARP, &arp(1, sender, ([0; 6], own))));
            lan.send(mutant(lan, &attacker, &mut random));
            let fragment = packet::ipv4(attacker.v4(), own, IpNumber::UDP, &[0; 600], |header| {
                header.dont_fragment = false;
                header.identification = port;
                header.more_fragments = true;
            });
            attacker.send(&fragment);
        }
        figures.hostile_frames.fetch_add(56, Ordering::Relaxed);
        // Connections that stay: heads without an end, downloads that are not read, idle ones.
        let behaviour = Behaviour { window: 2000, retransmits: false, ..Behaviour::default() };
        held.push(attacker.connect_with(80, behaviour));
        for connection in held.iter().rev().skip(5).take(40).filter(|connection| connection.is_open()) {
            match round % 3 {
                0 => connection.send(b"GET /hello HTTP/1.1\r\nHost: x\r\nX: "),
                1 => {
                    connection.send(b"GET /files/1mib.bin HTTP/1.1\r\nHost: x\r\n\r\n");
                    connection.behave(|behaviour| behaviour.window = 0);
                }
                _ => connection.send(b"a"),
            }
        }
        if held.len() > 500 {
            held.drain(..250).filter(Peer::is_open).for_each(|connection| connection.reset());
        }
        thread::sleep(Duration::from_millis(25));
    }
}

/// Runs honest clients for a time, with or without hostile ones.
pub(super) fn run(lan: &Lan, time: Duration, is_hostile: bool) -> Figures {
    let (is_done, mut figures) = (AtomicBool::new(false), Figures::default());
    let qemu = lan.guest.process_id();
    figures.taken = thread::scope(|scope| {
        let before = HostTimes::now(qemu);
        for last in 10..14 {
            let (is_done, figures) = (&is_done, &figures);
            scope.spawn(move || honest(lan, last, is_done, figures));
        }
        if is_hostile {
            scope.spawn(|| hostile(lan, &is_done, &figures));
        }
        thread::sleep(time);
        // While the threads exist, whose times count.
        let taken = HostTimes::now(qemu).taken_since(&before);
        is_done.store(true, Ordering::Relaxed);
        taken
    });
    figures
}
