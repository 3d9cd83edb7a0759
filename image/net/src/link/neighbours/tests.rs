//! Tests of the neighbour table: requests and their limits, waiting packets, claims of other hosts.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use super::*;
use crate::link::arp::ArpPacket;

const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
const THEIRS: Mac = Mac([2, 0, 0, 0, 0, 2]);
const OTHERS: Mac = Mac([2, 0, 0, 0, 0, 3]);

/// Records what the table sends.
#[derive(Default)]
struct Recorder {
    requests: Vec<Request>,
    packets: Vec<(Vec<u8>, Mac)>,
    unreachable: Vec<Vec<u8>>,
    is_full: bool,
}

impl Output for Recorder {
    fn has_room(&mut self) -> bool {
        !self.is_full
    }

    fn request(&mut self, request: Request) {
        self.requests.push(request);
    }

    fn packet(&mut self, packet: &[u8], destination: Mac) {
        self.packets.push((packet.to_vec(), destination));
    }

    fn unreachable(&mut self, packet: &[u8]) {
        self.unreachable.push(packet.to_vec());
    }
}

/// A table with a clock, which is polled as the stack does.
struct Bench {
    table: NeighbourTable,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self { table: NeighbourTable::new(0x9e37_79b9_7f4a_7c15), now: Instant::from_secs(100) }
    }

    fn poll(&mut self) -> Recorder {
        let mut recorder = Recorder::default();
        self.table.poll(self.now, &mut recorder);
        recorder
    }

    /// Polls at every deadline within so many milliseconds.
    fn pass(&mut self, milliseconds: u64) -> Recorder {
        let (end, mut all) = (self.now + Duration::from_millis(milliseconds), Recorder::default());
        loop {
            let recorder = self.poll();
            all.requests.extend(recorder.requests);
            all.packets.extend(recorder.packets);
            all.unreachable.extend(recorder.unreachable);
            if self.now == end {
                return all;
            }
            self.now = self.table.deadline().max(self.now).min(end);
        }
    }

    fn send(&mut self, address: u32, packet: &[u8]) -> Option<Mac> {
        let known = self.table.lookup(address, self.now);
        if known.is_none() {
            let _ = self.table.queue(address, packet, self.now);
        }
        known
    }

    /// Receives a reply to a request of this host.
    fn answer(&mut self, address: u32, mac: Mac) {
        let packet = ArpPacket::request(OURS, Ipv4Addr::from_bits(1), Ipv4Addr::from_bits(address)).reply(mac);
        self.table.learn(&packet, true, self.now);
    }

    /// Receives a request for this host.
    fn question(&mut self, address: u32, mac: Mac) {
        let packet = ArpPacket::request(mac, Ipv4Addr::from_bits(address), Ipv4Addr::from_bits(1));
        self.table.learn(&packet, true, self.now);
    }

    /// Receives a gratuitous request: its target is its sender.
    fn announcement(&mut self, address: u32, mac: Mac) {
        let packet = ArpPacket::request(mac, Ipv4Addr::from_bits(address), Ipv4Addr::from_bits(address));
        self.table.learn(&packet, false, self.now);
    }
}

#[test]
fn the_first_packet_to_a_stranger_waits_for_the_answer() {
    let mut bench = Bench::new();
    assert_eq!(bench.send(7, b"first"), None);
    assert_eq!(bench.poll().requests, [Request { target: 7, destination: Mac::BROADCAST }]);
    assert_eq!(bench.send(7, b"second"), None);
    assert!(bench.poll().requests.is_empty(), "one request a second");
    bench.answer(7, THEIRS);
    let recorder = bench.poll();
    assert_eq!(recorder.packets, [(b"first".to_vec(), THEIRS), (b"second".to_vec(), THEIRS)]);
    assert_eq!(bench.send(7, b"third"), Some(THEIRS));
    assert_eq!(bench.table.deadline(), NEVER, "nothing is left to do");
}

#[test]
fn each_destination_is_asked_for_once_a_second_and_then_unreachable() {
    let mut bench = Bench::new();
    for address in 1..=250 {
        bench.send(address, b"to each");
    }
    assert_eq!(bench.poll().requests.len(), 250, "at once for each");
    let recorder = bench.pass(900);
    assert!(recorder.requests.is_empty());
    let recorder = bench.pass(3000);
    assert_eq!((recorder.requests.len(), recorder.unreachable.len()), (500, 250));
    assert_eq!((bench.table.queued_packets, bench.table.queued_bytes), (0, 0));
    assert_eq!(bench.table.active.len(), 0);
}

#[test]
fn an_unreachable_neighbour_is_asked_for_again_when_it_is_sent_to() {
    let mut bench = Bench::new();
    bench.send(7, b"lost");
    assert_eq!(bench.pass(3500).requests.len(), 3);
    for _ in 0..100 {
        bench.send(7, b"again");
        bench.now += Duration::from_millis(10);
        bench.poll();
    }
    let recorder = bench.pass(10_000);
    assert!(recorder.requests.len() <= 3, "{:?}", recorder.requests);
    assert!(recorder.packets.is_empty() && bench.table.queued_packets == 0);
}

#[test]
fn queues_are_bounded_and_the_newest_packets_stay() {
    let mut bench = Bench::new();
    for packet in 0..10 {
        bench.send(7, &[packet]);
    }
    bench.answer(7, THEIRS);
    let packets: Vec<u8> = bench.poll().packets.iter().map(|(packet, _)| packet[0]).collect();
    assert_eq!(packets, [6, 7, 8, 9]);
    let results: Vec<_> = (0..2000).map(|address| bench.table.queue(1000 + address, &[0; 1500], bench.now)).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), MAX_QUEUED_BYTES / 1500);
    assert_eq!(results.last(), Some(&Err(DropReason::NeighbourQueueFull)));
}

#[test]
fn a_host_that_asks_for_us_needs_no_request() {
    let mut bench = Bench::new();
    bench.question(7, THEIRS);
    assert_eq!(bench.send(7, b"hello"), Some(THEIRS));
    assert!(bench.poll().requests.is_empty());
    // Announcements and unsolicited replies of strangers are not of use.
    bench.announcement(8, THEIRS);
    bench.answer(9, THEIRS);
    assert_eq!((bench.send(8, b""), bench.send(9, b"")), (None, None));
}

#[test]
fn an_address_from_a_request_is_used_and_its_owner_is_asked() {
    let mut bench = Bench::new();
    // A damaged request: the address is that of another host.
    bench.question(7, OTHERS);
    assert_eq!(bench.pass(60_000).requests, [], "nothing was sent to it");
    let mut requests = Vec::new();
    for second in 0..10 {
        let known = bench.send(7, b"waits");
        assert_eq!(known, (second < 8).then_some(OTHERS), "after {second} s");
        requests.extend(bench.pass(999).requests.into_iter().map(|request| (second, request.destination)));
        bench.now += Duration::from_millis(1);
    }
    assert_eq!(requests, [(5, OTHERS), (6, OTHERS), (7, Mac::BROADCAST), (8, Mac::BROADCAST), (9, Mac::BROADCAST)]);
    bench.answer(7, THEIRS);
    assert_eq!(bench.poll().packets.last(), Some(&(b"waits".to_vec(), THEIRS)));
    assert_eq!(bench.send(7, b""), Some(THEIRS));
}

#[test]
fn a_connection_without_progress_has_the_owner_asked_at_once() {
    let mut bench = Bench::new();
    bench.question(7, OTHERS);
    assert_eq!(bench.send(7, b"SYN"), Some(OTHERS));
    bench.table.suspect(7, bench.now);
    let destinations: Vec<_> = bench.pass(2500).requests.iter().map(|request| request.destination).collect();
    assert_eq!(destinations, [OTHERS, OTHERS, Mac::BROADCAST]);
    bench.answer(7, THEIRS);
    assert_eq!(bench.send(7, b"SYN"), Some(THEIRS));
    // It has answered a moment ago: what is lost is lost elsewhere.
    bench.table.suspect(7, bench.now);
    assert_eq!(bench.pass(4000).requests, []);
    bench.now += Duration::from_secs(2);
    for _ in 0..100 {
        bench.table.suspect(7, bench.now);
    }
    assert_eq!(bench.pass(900).requests, [Request { target: 7, destination: THEIRS }]);
}

#[test]
fn a_connection_with_progress_needs_no_requests() {
    let mut bench = Bench::new();
    bench.question(7, THEIRS);
    for _ in 0..1000 {
        assert_eq!(bench.send(7, b""), Some(THEIRS));
        assert_eq!(bench.pass(1000).requests, []);
        bench.table.confirm(7, bench.now);
    }
    // Progress confirms nothing about a host whose address is not known.
    bench.send(8, b"");
    bench.table.confirm(8, bench.now);
    assert_eq!(bench.send(8, b""), None);
}

#[test]
fn probes_of_many_known_hosts_leave_room_for_requests() {
    let mut bench = Bench::new();
    for address in 0..1000 {
        bench.question(address, THEIRS);
        assert_eq!(bench.send(address, b""), Some(THEIRS));
    }
    bench.now += DELAY;
    for address in 0..1000 {
        assert_eq!(bench.send(address, b""), Some(THEIRS));
    }
    assert_eq!(bench.poll().requests.len(), MAX_ACTIVE_TO_PROBE);
    bench.send(5000, b"hello");
    assert_eq!(bench.poll().requests, [Request { target: 5000, destination: Mac::BROADCAST }]);
}

#[test]
fn an_address_that_is_used_is_confirmed_once_a_minute() {
    let mut bench = Bench::new();
    bench.question(7, THEIRS);
    let mut requests = Vec::new();
    for _ in 0..600 {
        bench.now += Duration::from_millis(1000);
        assert_eq!(bench.send(7, b""), Some(THEIRS), "packets go out meanwhile");
        let recorder = bench.poll();
        if !recorder.requests.is_empty() {
            bench.answer(7, THEIRS);
        }
        requests.extend(recorder.requests);
    }
    assert!((9..=10).contains(&requests.len()), "{}", requests.len());
    assert!(requests.iter().all(|request| request.destination == THEIRS), "only the host itself is asked");
}

#[test]
fn a_host_that_is_gone_is_noticed() {
    let mut bench = Bench::new();
    bench.question(7, THEIRS);
    bench.now += Duration::from_secs(61);
    assert_eq!(bench.send(7, b"used"), Some(THEIRS));
    bench.now += DELAY;
    assert_eq!(bench.send(7, b"probe"), Some(THEIRS));
    let recorder = bench.pass(2500);
    let destinations: Vec<_> = recorder.requests.iter().map(|request| request.destination).collect();
    assert_eq!(destinations, [THEIRS, THEIRS, Mac::BROADCAST]);
    assert_eq!(bench.send(7, b"lost"), None);
    assert_eq!(bench.pass(3000).unreachable, [b"lost"]);
}

#[test]
fn another_host_does_not_take_over_an_address_whose_owner_answers() {
    let mut bench = Bench::new();
    bench.send(7, b"hello");
    bench.poll();
    bench.answer(7, THEIRS);
    bench.poll();
    for _ in 0..3 {
        bench.now += Duration::from_secs(2);
        bench.announcement(7, OTHERS);
        bench.answer(7, OTHERS);
        bench.question(7, OTHERS);
        assert_eq!(bench.send(7, b""), Some(THEIRS));
        assert_eq!(bench.poll().requests, [Request { target: 7, destination: THEIRS }], "the owner is asked");
        bench.answer(7, OTHERS);
        bench.answer(7, THEIRS);
    }
    assert_eq!(bench.send(7, b""), Some(THEIRS));
}

#[test]
fn another_host_takes_over_an_address_whose_owner_is_gone() {
    let mut bench = Bench::new();
    bench.question(7, THEIRS);
    assert_eq!(bench.send(7, b""), Some(THEIRS));
    bench.announcement(7, OTHERS);
    let recorder = bench.pass(2000);
    assert_eq!(recorder.requests.last(), Some(&Request { target: 7, destination: Mac::BROADCAST }));
    bench.answer(7, OTHERS);
    assert_eq!(bench.send(7, b""), Some(OTHERS));
}

#[test]
fn a_router_is_learned_only_from_answers() {
    let mut bench = Bench::new();
    bench.table.set_router(7, bench.now);
    assert_eq!(bench.poll().requests.len(), 1);
    bench.question(7, OTHERS);
    bench.announcement(7, OTHERS);
    assert_eq!(bench.send(7, b"hello"), None);
    bench.answer(7, THEIRS);
    assert_eq!(bench.poll().packets, [(b"hello".to_vec(), THEIRS)]);
}

#[test]
fn a_flood_of_strangers_evicts_no_neighbour_that_is_sent_to() {
    let mut bench = Bench::new();
    for address in 0..100 {
        bench.question(address, THEIRS);
        assert_eq!(bench.send(address, b""), Some(THEIRS));
    }
    for address in 1000..20_000 {
        bench.question(address, OTHERS);
    }
    bench.now += Duration::from_secs(30);
    for address in 0..100 {
        assert_eq!(bench.send(address, b""), Some(THEIRS), "{address}");
    }
    // A stranger that is answered still finds a place.
    bench.question(50_000, OTHERS);
    assert_eq!(bench.send(50_000, b""), Some(OTHERS));
}

#[test]
fn a_full_table_evicts_the_idle() {
    let mut bench = Bench::new();
    for address in 0..5000 {
        bench.send(address, b"");
        bench.poll();
        bench.answer(address, THEIRS);
        bench.now += Duration::from_millis(1);
        assert_eq!(bench.send(address, b""), Some(THEIRS), "{address}");
        bench.poll();
    }
    assert!((4000..5000).all(|address| bench.send(address, b"") == Some(THEIRS)), "those in use stay");
    assert_eq!(bench.send(1, b""), None);
}

#[test]
fn a_card_without_room_delays_and_loses_nothing() {
    let mut bench = Bench::new();
    bench.send(7, b"waits");
    let mut full = Recorder { is_full: true, ..Recorder::default() };
    bench.table.poll(bench.now, &mut full);
    assert!(full.requests.is_empty() && bench.table.deadline() <= bench.now);
    assert_eq!(bench.poll().requests.len(), 1);
    bench.answer(7, THEIRS);
    bench.table.poll(bench.now, &mut full);
    assert_eq!(bench.poll().packets.len(), 1);
}
