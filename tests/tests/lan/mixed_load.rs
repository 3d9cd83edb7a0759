//! Honest clients beside hostile ones, for a minute by default: `make test-hostile HOSTILE_TIME=3600` for an hour.
//!
//! Honest clients fetch pages and files, on new and on kept connections. Hostile ones send all kinds of what the other
//! tests send, at a bounded rate: the link carries more, so that it is not the link that is measured.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::env;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use etherparse::IpNumber;
use switchboard_tests::lan::packet::{self, ARP, BROADCAST, RST, SYN, Segment, arp, ethernet};
use switchboard_tests::lan::{Behaviour, Lan, Peer};
use switchboard_tests::{mebibyte_file, sha256};

use crate::malformed::{Random, mutant};
use crate::{far, seconds};

/// Latencies of honest requests, in microseconds, and what was lost.
#[derive(Default)]
struct Figures {
    latencies: Mutex<Vec<u64>>,
    lost: Mutex<Vec<String>>,
}

impl Figures {
    /// Returns the latency below which so many of a thousand requests stayed.
    fn per_mille(&self, share: usize) -> Duration {
        let mut latencies = self.latencies.lock().expect("not poisoned").clone();
        latencies.sort_unstable();
        let place = latencies.len() * share / 1000;
        Duration::from_micros(latencies[place.min(latencies.len() - 1)])
    }

    fn count(&self) -> usize {
        self.latencies.lock().expect("not poisoned").len()
    }
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
fn hostile(lan: &Lan, is_done: &AtomicBool, sent: &AtomicU64) {
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
        sent.fetch_add(56, Ordering::Relaxed);
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

/// Runs honest clients for a time, with or without hostile ones; returns their figures and the hostile frames.
fn run(lan: &Lan, time: Duration, is_hostile: bool) -> (Figures, u64) {
    let (is_done, figures, sent) = (AtomicBool::new(false), Figures::default(), AtomicU64::new(0));
    thread::scope(|scope| {
        for last in 10..14 {
            let (is_done, figures) = (&is_done, &figures);
            scope.spawn(move || honest(lan, last, is_done, figures));
        }
        if is_hostile {
            scope.spawn(|| hostile(lan, &is_done, &sent));
        }
        thread::sleep(time);
        is_done.store(true, Ordering::Relaxed);
    });
    (figures, sent.into_inner())
}

#[test]
#[ignore = "make test-hostile"]
fn honest_clients_beside_hostile_ones() {
    let time = env::var("HOSTILE_TIME").ok().and_then(|time| time.parse().ok()).map_or(seconds(60), seconds);
    let limit = time + seconds(700);
    let lan = Lan::start("10.0.0.1/24,10.0.0.254", |qemu| qemu.limit(limit).option("services=all"));
    drop(run(&lan, seconds(5), false));
    let (quiet, _) = run(&lan, seconds(10), false);
    let before = lan.heap_bytes();
    let start = Instant::now();
    let mut heaps = Vec::new();
    let (mut lost, mut slowest) = (Vec::new(), Duration::ZERO);
    while start.elapsed() < time {
        let (loaded, frames) = run(&lan, seconds(20).min(time), true);
        heaps.push(lan.heap_bytes());
        let (p50, p99) = (loaded.per_mille(500), loaded.per_mille(990));
        eprintln!(
            "{:5.0?}: {} honest requests, p50 {p50:.1?}, p99 {p99:.1?}; {frames} hostile frames; heap {:.0} KiB",
            start.elapsed(),
            loaded.count(),
            heaps[heaps.len() - 1] / 1024.0
        );
        slowest = slowest.max(p99);
        lost.extend(loaded.lost.into_inner().expect("not poisoned"));
    }
    let p99 = quiet.per_mille(990);
    eprintln!("quiet: {} requests, p50 {:.1?}, p99 {p99:.1?}", quiet.count(), quiet.per_mille(500));
    assert!(lost.is_empty(), "{} requests were lost, as {:?}", lost.len(), &lost[..lost.len().min(5)]);
    // Below some milliseconds the host's scheduler decides.
    assert!(slowest < (p99 * 2).max(Duration::from_millis(20)), "p99 {slowest:?}, quiet {p99:?}");
    // What is held is bounded: the second half of the run takes no more than the first.
    let (first, second) = heaps.split_at(heaps.len().div_ceil(2));
    let most = |heaps: &[f64]| heaps.iter().copied().fold(0.0, f64::max);
    eprintln!("heap before {before:.0}, then at most {:.0} and {:.0}", most(first), most(second));
    assert!(second.is_empty() || most(second) < most(first) * 1.25 + 1_000_000.0, "the heap grows: {heaps:?}");
    // And all of it comes back, at the latest when the connections of hosts that have vanished end: downloads that such a host
    // does not read may take 300 seconds.
    let mut after = lan.heap_bytes();
    for _ in 0..36 {
        if after < before + 1_500_000.0 {
            break;
        }
        lan.sleep(seconds(10));
        after = lan.heap_bytes();
    }
    assert!(after < before + 1_500_000.0, "the heap was {before} bytes before and is {after} six minutes after");
    lan.assert_few_warnings(100 + usize::try_from(time.as_secs()).expect("64 bits"));
}
