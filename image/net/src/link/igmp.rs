//! The Internet group management protocol: reports the IPv4 groups of an interface, so that switches and routers forward
//! them (RFC 3376; for queriers of version 2, RFC 2236, and of version 1, RFC 1112).

use core::net::Ipv4Addr;

use alloc::vec::Vec;
use smoltcp::time::{Duration, Instant};

use super::icmp::write_checksum;
use super::ipv4::{self, IPV4_HEADER};
use crate::checksum::checksum;
use crate::membership::{self, Membership, Message, Query, Report};

/// The IP protocol.
pub(crate) const PROTOCOL_IGMP: u8 = 2;

const QUERY: u8 = 0x11;
const REPORT_V1: u8 = 0x12;
const REPORT_V2: u8 = 0x16;
const LEAVE_V2: u8 = 0x17;
const REPORT_V3: u8 = 0x22;
const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);
const ALL_IGMPV3_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 22);

/// The time for which an older querier is taken to be there: twice its interval, and what it waits (RFC 3376, 8.12).
const OLD_TIMEOUT: Duration = Duration::from_secs(260);
/// How long a querier of version 1 waits for reports (RFC 3376, 7.2.1).
const VERSION_1_DELAY: Duration = Duration::from_secs(10);
/// The longest wait that a query asks for.
const MAX_RESPONSE_DELAY: Duration = Duration::from_secs(60);
/// Bytes of a message of version 1 or 2.
const OLD_BYTES: usize = 8;
/// The router alert, by which routers notice a packet that is not sent to them (RFC 2113).
const ROUTER_ALERT: [u8; 4] = [0x94, 4, 0, 0];

/// Parses a query, from its type on; `None` for other messages and malformed ones.
pub(super) fn parse_query(message: &[u8]) -> Option<Query<Ipv4Addr>> {
    let [kind, code, _, _, group @ ..] = *message.first_chunk::<OLD_BYTES>()?;
    // Queries of other lengths are none (RFC 3376, 7.1).
    if kind != QUERY || checksum(message) != [0; 2] || (OLD_BYTES + 1..12).contains(&message.len()) {
        return None;
    }
    let about = Some(Ipv4Addr::from(group)).filter(|about| !about.is_unspecified());
    let (old_version, delay) = match (message.len(), code) {
        (OLD_BYTES, 0) => (Some((1, OLD_TIMEOUT)), VERSION_1_DELAY),
        (OLD_BYTES, code) => (Some((2, OLD_TIMEOUT)), Duration::from_millis(u64::from(code) * 100)),
        (_, code) => (None, Duration::from_millis(membership::floating(code.into(), 4) * 100)),
    };
    Some(Query { about, max_delay: delay.min(MAX_RESPONSE_DELAY), old_version })
}

/// Returns the message of a report, and its destination; `None` for a leave that version 1 does not have.
fn message(report: Report<Ipv4Addr>) -> Option<(Message, Ipv4Addr)> {
    let (mut message, destination) = match report {
        Report::Records(records) => (membership::records_message(REPORT_V3, &records)?, ALL_IGMPV3_ROUTERS),
        Report::Old { version, group, is_left } => {
            let (kind, destination) = match (version, is_left) {
                (1, true) => return None,
                (1, false) => (REPORT_V1, group),
                (_, true) => (LEAVE_V2, ALL_ROUTERS),
                (_, false) => (REPORT_V2, group),
            };
            let mut message = Message::new();
            message.extend_from_slice(&[kind, 0, 0, 0]).ok()?;
            message.extend_from_slice(&group.octets()).ok()?;
            (message, destination)
        }
    };
    write_checksum(&mut message);
    Some((message, destination))
}

/// Returns the packet of the next report that is due at `now`, from `source`.
pub(super) fn poll(groups: &mut Membership<Ipv4Addr>, source: Ipv4Addr, now: Instant) -> Option<Vec<u8>> {
    while let Some(report) = groups.poll(now) {
        let Some((message, destination)) = message(report) else { continue };
        let mut packet = alloc::vec![0; IPV4_HEADER];
        ipv4::write_header(&mut packet, ROUTER_ALERT.len() + message.len(), PROTOCOL_IGMP, source, destination);
        packet.extend(ROUTER_ALERT);
        packet.extend_from_slice(&message);
        // A header of six words, of the class of network control, that passes no router (RFC 3376, 4).
        (packet[0], packet[1], packet[8]) = (0x46, 0xc0, 1);
        packet[10..12].fill(0);
        let sum = checksum(&packet[..IPV4_HEADER + ROUTER_ALERT.len()]);
        packet[10..12].copy_from_slice(&sum);
        return Some(packet);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::ipv4::Ipv4Header;
    use super::*;

    const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);

    /// Returns a query with a right checksum.
    fn query(code: u8, about: Ipv4Addr, is_v3: bool) -> Vec<u8> {
        let mut message = [&[QUERY, code, 0, 0][..], &about.octets()].concat();
        message.extend(core::iter::repeat_n(0, if is_v3 { 4 } else { 0 }));
        write_checksum(&mut message);
        message
    }

    /// Returns the destination and the message of the next packet.
    fn next(groups: &mut Membership<Ipv4Addr>, now: Instant) -> Option<(Ipv4Addr, Vec<u8>)> {
        let packet = poll(groups, OWN, now)?;
        let header = Ipv4Header::parse(&packet).expect("a valid header");
        assert_eq!((header.source, header.protocol, packet[8], packet[20..24] == ROUTER_ALERT), (OWN, 2, 1, true));
        assert_eq!(checksum(&packet[header.header_length..]), [0; 2]);
        Some((header.destination, packet[header.header_length..].to_vec()))
    }

    /// Returns a membership whose joining was reported.
    fn joined() -> Membership<Ipv4Addr> {
        let mut groups = Membership::new();
        groups.set(core::iter::once(GROUP), Instant::ZERO);
        for now in [Instant::ZERO, Instant::from_secs(1)] {
            let (destination, message) = next(&mut groups, now).expect("a report");
            assert_eq!((destination, message.len()), (ALL_IGMPV3_ROUTERS, 16));
            assert_eq!((message[0], message[7], message[8], &message[12..]), (0x22, 1, 4, &GROUP.octets()[..]));
            assert_eq!(next(&mut groups, now), None);
        }
        groups
    }

    #[test]
    fn queries_of_each_version_are_answered_in_that_version() {
        let now = Instant::from_secs(10);
        for (code, is_v3, expected, destination) in [
            (100, true, [0x22, 0], ALL_IGMPV3_ROUTERS),
            (100, false, [REPORT_V2, 0], GROUP),
            (0, false, [REPORT_V1, 0], GROUP),
        ] {
            let mut groups = joined();
            for about in [Ipv4Addr::UNSPECIFIED, GROUP] {
                let query = parse_query(&query(code, about, is_v3)).expect("a query");
                assert_eq!(query.max_delay, Duration::from_secs(10));
                groups.query(&query, 4_000_000, now);
                assert_eq!(next(&mut groups, now), None, "not at once");
                let (to, message) = next(&mut groups, now + Duration::from_secs(4)).expect("a report");
                assert_eq!((to, &message[..2]), (destination, &expected[..]));
                assert_eq!(next(&mut groups, now + Duration::from_secs(4)), None);
            }
            let other = parse_query(&query(code, Ipv4Addr::new(224, 0, 0, 9), is_v3)).expect("a query");
            groups.query(&other, 0, now);
            assert_eq!(next(&mut groups, now + Duration::from_secs(20)), None);
        }
    }

    #[test]
    fn a_group_is_left_in_the_version_of_the_querier() {
        for (code, is_v3, expected) in [(100, true, Some(0x22)), (100, false, Some(LEAVE_V2)), (0, false, None)] {
            let mut groups = joined();
            let other = Ipv4Addr::new(224, 0, 0, 9);
            groups.query(&parse_query(&query(code, other, is_v3)).expect("a query"), 0, Instant::from_secs(10));
            groups.set(core::iter::empty(), Instant::from_secs(11));
            let report = next(&mut groups, Instant::from_secs(11));
            assert_eq!(report.map(|(_, message)| message[0]), expected);
        }
    }

    #[test]
    fn long_delays_are_floating_point_and_bounded() {
        for (code, tenths) in [(127, 127), (128, 128), (143, 248), (144, 256), (255, 600)] {
            let delay = parse_query(&query(code, GROUP, true)).map(|query| query.max_delay);
            assert_eq!(delay, Some(Duration::from_millis(tenths * 100)), "{code}");
        }
    }

    #[test]
    fn malformed_queries_are_ignored() {
        // Eight bytes are a query of version 2.
        for length in (0..12).filter(|length| *length != 8) {
            let whole = query(100, GROUP, true);
            assert!(parse_query(&whole[..length]).is_none(), "{length} bytes");
        }
        let mut wrong = query(100, GROUP, true);
        wrong[5] ^= 1;
        assert!(parse_query(&wrong).is_none());
        assert!(parse_query(&[]).is_none());
    }
}
