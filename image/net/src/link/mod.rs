//! The link layer: Ethernet, ARP, neighbours and routes, below smoltcp, which works on IP packets.
//!
//! [`Link::ingress`] takes a received frame and returns the IP packet in it, or consumes it. To send a packet,
//! [`Link::resolve`] returns the Ethernet address of its next hop, and [`Link::write_header`] completes the frame;
//! [`Link::egress`] does both for a packet in memory, which waits if the next hop is not known. [`Link::poll`] sends
//! what is due then, and [`Link::deadline`] is when to call it next.

mod addressing;
mod arp;
mod conflicts;
mod drops;
mod egress;
pub(crate) mod ethernet;
mod fragments;
pub(crate) mod icmp;
pub(crate) mod igmp;
mod ingress;
pub(crate) mod ipv4;
mod local_errors;
mod neighbours;
mod reassembly;
mod routes;
mod sender;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use smoltcp::time::Instant;
use switchboard_runtime::sort;

use self::arp::{ARP_FRAME, ArpPacket};
use self::conflicts::{Conflicts, Message};
use self::egress::{FrameParameters, send_packet};
use self::ethernet::ETHERNET_HEADER;
use self::icmp::{IcmpError, IcmpErrorKind};
use self::ipv4::Ipv4Header;
use self::local_errors::LocalErrors;
use self::neighbours::{NeighbourTable, Output, Request};
use self::reassembly::Reassembly;
use self::routes::Routes;
use crate::ipv6::{Ipv6, multicast_mac as multicast_mac6};
use crate::mac::Mac;
use crate::membership::{Joined, Membership};
use crate::random::Random;

pub(crate) use self::conflicts::Conflict;
pub use self::drops::{DropReason, Drops};
pub(crate) use self::sender::{FrameSender, ReplySender};

/// The UDP port of DHCP clients (RFC 2131, 4.1), which receive before they have an address.
pub(crate) const DHCP_CLIENT_PORT: u16 = 68;

/// The first byte of multicast addresses; those above are reserved, but for the broadcast address.
const FIRST_GROUP: u8 = 224;

/// The group that each host is in (RFC 1112, 4).
const ALL_HOSTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);

/// Returns the Ethernet address of a group (RFC 1112, 6.4).
pub(crate) fn multicast_mac(group: Ipv4Addr) -> Mac {
    let [_, b, c, d] = group.octets();
    Mac([0x01, 0x00, 0x5e, b & 0x7f, c, d])
}

/// What a received frame was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ingress {
    /// An IPv4 packet for this host, behind the Ethernet header.
    Ipv4(Ipv4Header),
    /// An IPv6 packet, not verified, behind the Ethernet header.
    Ipv6,
    /// Nothing for the layers above.
    Consumed,
}

/// The link layer of one interface.
pub(crate) struct Link {
    mac: Mac,
    /// The IPv4 address; unspecified for none.
    address: Ipv4Addr,
    prefix_length: u8,
    /// The broadcast address of its network; unspecified for none.
    broadcast: Ipv4Addr,
    routes: Routes,
    neighbours: NeighbourTable,
    pub(crate) ipv6: Ipv6,
    conflicts: Conflicts,
    /// The IPv4 groups that are reported.
    groups: Membership<Ipv4Addr>,
    joined: Joined<Ipv4Addr>,
    /// The time before which neither of both has something to do; zero after what may have changed it.
    idle_until: Instant,
    random: Random,
    reassembly: Reassembly,
    /// The longest packet of a frame, in bytes.
    mtu: usize,
    /// The identification of the last packet that was fragmented.
    identification: u16,
    /// Packets that wait for the next poll.
    outbox: VecDeque<Vec<u8>>,
    errors: LocalErrors,
    /// Memory for one packet.
    scratch: Vec<u8>,
}

impl Link {
    /// Creates the link layer of a card without an IPv4 address, for packets of up to `mtu` bytes.
    pub(crate) fn new(mac: Mac, mtu: usize, seed: u64, ipv6: Ipv6) -> Self {
        Self {
            mac,
            address: Ipv4Addr::UNSPECIFIED,
            prefix_length: 32,
            broadcast: Ipv4Addr::UNSPECIFIED,
            routes: Routes::default(),
            neighbours: NeighbourTable::new(seed),
            ipv6,
            conflicts: Conflicts::new(),
            groups: Membership::new(),
            joined: Joined::new(),
            idle_until: Instant::ZERO,
            random: Random::new(seed),
            reassembly: Reassembly::default(),
            mtu,
            identification: (seed >> 48) as u16,
            outbox: VecDeque::new(),
            errors: LocalErrors::default(),
            scratch: alloc::vec![0; mtu],
        }
    }

    /// Returns the IPv4 address; unspecified for none.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Returns the numbers of IPv4 and IPv6 neighbours.
    pub(crate) fn neighbour_counts(&self) -> (usize, usize) {
        (self.neighbours.len(), self.ipv6.neighbor_count())
    }

    /// Sets the length of the longest packet of a frame in bytes, which is at most that of the card.
    pub(crate) fn set_mtu(&mut self, mtu: usize) {
        self.mtu = mtu;
    }

    /// Returns the length of the longest packet of a frame, in bytes.
    pub(crate) fn mtu(&self) -> usize {
        self.mtu
    }

    /// Sends the requests that are due, and the packets that wait and can be sent now.
    pub(crate) fn poll(&mut self, sender: &mut FrameSender<'_, '_>, now: Instant) {
        if !self.outbox.is_empty() {
            self.send_outbox(sender, now);
        }
        if now >= self.neighbours.deadline() {
            let (parameters, address, errors) = (self.frame_parameters(), self.address, &mut self.errors);
            let mut output = LinkOutput { parameters, address, errors, sender };
            self.neighbours.poll(now, &mut output);
            self.identification = output.parameters.identification;
        }
        if now >= self.idle_until {
            self.poll_address(sender, now);
        }
        self.ipv6.poll(sender, now);
        while let Some(frame) = self.ipv6.take_failed() {
            self.errors.report(frame.get(ETHERNET_HEADER..).unwrap_or_default(), IcmpErrorKind::HostUnreachable);
        }
    }

    /// Sends what is due for the address: probes and announcements, and reports of groups.
    #[cold]
    fn poll_address(&mut self, sender: &mut FrameSender<'_, '_>, now: Instant) {
        while now >= self.conflicts.deadline()
            && sender.has_room()
            && let Some(message) = self.conflicts.next_message(now)
        {
            let own = match message {
                Message::Probe => Ipv4Addr::UNSPECIFIED,
                Message::Announcement => self.address,
            };
            let packet = ArpPacket::request(self.mac, own, self.address);
            sender.send(ARP_FRAME, &mut |frame| packet.write_frame(frame, Mac::BROADCAST));
        }
        self.idle_until = self.conflicts.deadline();
        if self.address.is_unspecified() {
            return;
        }
        while sender.has_room()
            && let Some(packet) = igmp::poll(&mut self.groups, self.address, now)
        {
            self.egress(&packet, sender, now);
        }
        self.idle_until = self.idle_until.min(self.groups.deadline());
    }

    /// Returns whether packets wait for the Ethernet addresses of neighbours.
    pub(crate) fn has_waiting(&self) -> bool {
        self.neighbours.has_queued() || !self.outbox.is_empty()
    }

    /// Joins a group, which is reported then, and whose packets are received. Returns `false` when there are too many.
    pub(crate) fn join(&mut self, group: IpAddr, now: Instant) -> bool {
        match group {
            IpAddr::V4(group) => {
                let is_joined = self.joined.add(group);
                self.update_groups(now);
                is_joined
            }
            IpAddr::V6(group) => self.ipv6.join(group, now),
        }
    }

    /// Leaves a group.
    pub(crate) fn leave(&mut self, group: IpAddr, now: Instant) {
        match group {
            IpAddr::V4(group) => {
                self.joined.remove(group);
                self.update_groups(now);
            }
            IpAddr::V6(group) => self.ipv6.leave(group, now),
        }
    }

    fn update_groups(&mut self, now: Instant) {
        // The group of all hosts is never reported (RFC 3376, 6).
        self.groups.set(self.joined.iter().filter(|group| *group != ALL_HOSTS), now);
        self.idle_until = Instant::ZERO;
    }

    /// Returns whether packets to a group are received.
    pub(crate) fn is_member(&self, group: Ipv4Addr) -> bool {
        group == ALL_HOSTS || self.groups.has(&group)
    }

    /// Handles a message of IGMP that was sent to `destination`.
    #[cold]
    pub(crate) fn receive_igmp(&mut self, message: &[u8], destination: Ipv4Addr, now: Instant) {
        // A query that was sent to this host alone would tell a host beyond the link its groups (RFC 3376, 9.1).
        if let Some(query) = igmp::parse_query(message).filter(|_| destination.is_multicast()) {
            self.groups.query(&query, self.random.next_u32(), now);
            self.idle_until = Instant::ZERO;
        }
    }

    /// Takes a conflict over the IPv4 address that was found.
    #[inline]
    pub(crate) fn take_conflict(&mut self) -> Option<Conflict> {
        self.conflicts.take()
    }

    /// Checks the address again: the link may be another one.
    pub(crate) fn link_changed(&mut self, is_up: bool, now: Instant) {
        if is_up && !self.address.is_unspecified() {
            self.conflicts.start(now);
        }
        // The next switch does not know its groups.
        self.groups.report_again(now);
        self.idle_until = Instant::ZERO;
    }

    /// Announces the addresses and the groups, by which switches learn where this machine is (RFC 5227, 3; RFC 4861, 7.2.6).
    pub(crate) fn announce(&mut self, now: Instant) {
        if !self.address.is_unspecified() {
            self.conflicts.announce();
        }
        self.groups.report_again(now);
        self.ipv6.announce(now);
        self.idle_until = Instant::ZERO;
    }

    /// Returns the Ethernet addresses of the groups to receive, if they may have changed since the last call.
    #[inline]
    pub(crate) fn take_groups(&mut self) -> Option<Vec<Mac>> {
        let is_changed = self.groups.take_change() | self.ipv6.take_group_change();
        is_changed.then(|| {
            let mut groups: Vec<Mac> = self.groups.iter().chain([ALL_HOSTS]).map(multicast_mac).collect();
            groups.extend(self.ipv6.groups().map(|group| Mac(multicast_mac6(&group))));
            sort::by(&mut groups, |one, other| one < other);
            groups.dedup();
            groups
        })
    }

    /// Returns a time before which [`poll`](Self::poll) has nothing to do.
    #[inline]
    pub(crate) fn deadline(&self) -> Instant {
        match self.outbox.is_empty() && self.errors.is_empty() {
            true => self.neighbours.deadline().min(self.ipv6.deadline()).min(self.idle_until),
            false => Instant::ZERO,
        }
    }

    /// Returns an error about a packet that could not be sent.
    #[inline]
    pub(crate) fn take_error(&mut self) -> Option<IcmpError> {
        self.errors.take()
    }
}

/// Where the neighbour table sends to.
struct LinkOutput<'l, 'a, 'c> {
    parameters: FrameParameters,
    address: Ipv4Addr,
    errors: &'l mut LocalErrors,
    sender: &'l mut FrameSender<'a, 'c>,
}

impl Output for LinkOutput<'_, '_, '_> {
    fn has_room(&mut self) -> bool {
        self.sender.has_room()
    }

    fn request(&mut self, request: Request) {
        let packet = ArpPacket::request(self.parameters.source, self.address, Ipv4Addr::from_bits(request.target));
        self.sender.send(ARP_FRAME, &mut |frame| packet.write_frame(frame, request.destination));
    }

    fn packet(&mut self, packet: &[u8], destination: Mac) {
        self.parameters.identification = self.parameters.identification.wrapping_add(1);
        send_packet(packet, self.parameters, destination, self.sender);
    }

    fn unreachable(&mut self, packet: &[u8]) {
        self.sender.drop_packet(DropReason::NeighbourUnreachable);
        self.errors.report(packet, IcmpErrorKind::HostUnreachable);
    }
}
