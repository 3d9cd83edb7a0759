//! Frames of any content.

use core::net::Ipv4Addr;
use core::time::Duration;

use etherparse::IpNumber;
use switchboard_tests::lan::packet::{self, ACK, ARP, IPV4, PSH, SYN, Segment, arp, ethernet};
use switchboard_tests::lan::{GUEST_MAC, Host, Lan};

/// A generator of numbers (xorshift64), the same in each run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).expect("64 bits")).expect("64 bits")
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| u8::try_from(self.below(256)).expect("a byte")).collect()
    }
}

/// Sends frames that are cut off, too long, of unknown protocols, or of contradictory lengths.
pub(crate) fn hand_made(lan: &Lan, host: &Host) {
    let mut random = Random::new(11);
    let (own, from) = (lan.address(), host.v4());
    let frame = |packet: &[u8]| ethernet(GUEST_MAC, host.mac(), IPV4, packet);
    let mut frames: Vec<Vec<u8>> = vec![vec![1], vec![1; 13], [&GUEST_MAC[..], &host.mac(), &[8, 0]].concat()];
    frames.push([&GUEST_MAC[..], &host.mac(), &[8, 0, 0x45]].concat());
    frames.push([&GUEST_MAC[..], &host.mac(), &[8, 6], &[0; 27]].concat());
    let udp =
        |change: &mut dyn FnMut(&mut etherparse::Ipv4Header)| packet::ipv4(from, own, IpNumber::UDP, &[0; 8], change);
    for length in [0, 1, 19, 20, 21, 27, 29, 1500, 65_535] {
        frames.push(frame(&udp(&mut |header| header.total_len = length)));
    }
    for ihl in 0..16 {
        // The header length is not a field of its own in the builder.
        let mut packet = udp(&mut |_| {});
        packet[0] = 0x40 | ihl;
        repair(&mut packet);
        frames.push(frame(&packet));
    }
    for offset in 0..16 {
        let syn = Segment { seq: 1, flags: SYN, ..Segment::default() };
        let mut packet = packet::tcp((from, 5000).into(), (own, 80).into(), &syn);
        packet[32] = offset << 4;
        frames.push(frame(&packet));
    }
    for length in [0_u16, 7, 8, 9, 17, 1000, 65_535] {
        let mut packet = packet::udp((from, 5000).into(), (own, 7).into(), &[0x78; 8]);
        packet[24..26].copy_from_slice(&length.to_be_bytes());
        packet[26..28].fill(0);
        frames.push(frame(&packet));
    }
    for port in [7, 9, 19, 67, 68, 0, 53, 5353, 65_535] {
        frames.push(frame(&packet::udp((from, 5000).into(), (own, port).into(), &[0x78; 1472])));
    }
    for kind in 0..20 {
        for code in [0, 1, 5] {
            for length in [0, 4, 28] {
                let body = packet::icmp_body(kind, code, [0; 4], &vec![0; length]);
                frames.push(frame(&packet::ip(from.into(), own.into(), IpNumber::ICMP, &body)));
            }
        }
    }
    for ether_type in [0x86dd, 0x8100, 0x88a8, 0, 0x05dc, 0xffff, 0x8864, 0x888e] {
        frames.push(ethernet(GUEST_MAC, host.mac(), ether_type, &random.bytes(60)));
    }
    for protocol in 0..=255 {
        frames.push(frame(&packet::ip(from.into(), own.into(), IpNumber(protocol), &random.bytes(64))));
    }
    for length in [1400, 1480, 1500, 1600, 2000, 4000, 9000, 16_000, 60_000] {
        frames.push(frame(&packet::ip(from.into(), own.into(), IpNumber::UDP, &random.bytes(length))));
    }
    frames.into_iter().for_each(|frame| lan.send(frame));
}

/// Returns a frame of a kind that the guest handles, with some bytes changed.
pub(crate) fn mutant(lan: &Lan, host: &Host, random: &mut Random) -> Vec<u8> {
    let (own, from) = (lan.address(), host.v4());
    let frame = |packet: &[u8]| ethernet(GUEST_MAC, host.mac(), IPV4, packet);
    let mut bytes = match random.below(5) {
        0 => {
            let syn = Segment { seq: 1, flags: SYN, options: vec![2, 4, 5, 0xb4], ..Segment::default() };
            frame(&packet::tcp((from, 5000).into(), (own, 80).into(), &syn))
        }
        1 => {
            let data = Segment { seq: 1, ack: 1, flags: PSH | ACK, data: b"hi".to_vec(), ..Segment::default() };
            frame(&packet::tcp((from, 5001).into(), (own, 7).into(), &data))
        }
        2 => frame(&packet::udp((from, 5000).into(), (own, 7).into(), &[0x78; 20])),
        3 => {
            let body = packet::icmp_body(8, 0, [0, 1, 0, 1], b"abcdefgh");
            frame(&packet::ip(from.into(), own.into(), IpNumber::ICMP, &body))
        }
        _ => ethernet(GUEST_MAC, host.mac(), ARP, &arp(1, (host.mac(), from), ([0; 6], own))),
    };
    for _ in 0..=random.below(4) {
        let place = 12 + random.below(bytes.len() - 12);
        bytes[place] = u8::try_from(random.below(256)).expect("a byte");
    }
    if random.below(10) < 3 {
        bytes.truncate(random.below(bytes.len() + 1));
    }
    if random.below(10) == 0 {
        let length = 1 + random.below(1600);
        bytes.extend(random.bytes(length));
    }
    // Most with a right checksum of the IP header, so that they get further.
    if bytes.len() > 34 && bytes[12..14] == [8, 0] && random.below(10) < 7 {
        repair(&mut bytes[14..]);
    }
    bytes
}

fn repair(packet: &mut [u8]) {
    packet[10..12].fill(0);
    let sum = packet::checksum(&packet[..20]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
}

#[test]
fn malformed_frames_do_no_harm() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu.option("services=all"));
    let host = lan.host(2);
    hand_made(&lan, &host);
    lan.probe(&lan.host(3)).expect("a page after the hand-made frames");
    let mut random = Random::new(3);
    for _ in 0..3000 {
        lan.send(mutant(&lan, &host, &mut random));
    }
    lan.sleep(Duration::from_millis(500));
    lan.probe(&lan.host_at(Ipv4Addr::new(10, 0, 0, 4))).expect("a page after the mutants");
    lan.assert_few_warnings(30);
}
