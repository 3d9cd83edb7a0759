//! Handling of neighbour discovery messages (RFC 4861, 6 and 7; RFC 4862, 5.4).

use core::net::Ipv6Addr;

use smoltcp::time::Instant;
use switchboard_runtime::log_limit::LogLimit;

use super::Ipv6;
use super::address::{ALL_NODES, Prefix, is_unicast_mac, multicast_mac};
use super::addresses::{Lifetimes, OwnAddress};
use super::frame::{ControlFrame, Endpoints, address_at, u32_at};
use super::ndp::{self, Advertisement, Message, RouterAdvertisement};
use super::neighbor::Learned;
use crate::link::{DropReason, ReplySender};

/// The option types of router advertisements.
const PREFIX: u8 = 3;
const MTU: u8 = 5;
const ROUTE: u8 = 24;
const DNS_SERVERS: u8 = 25;
const SEARCH_DOMAINS: u8 = 31;
/// Options that are read of an advertisement at most.
const MAX_OPTIONS: usize = 32;

/// The limit of lines about addresses that other hosts have, which routers may advertise prefixes for without end.
static DUPLICATE: LogLimit = LogLimit::new();

impl Ipv6 {
    /// Handles a message of neighbour discovery, whose checksum is right.
    pub(super) fn discovery(
        &mut self,
        ends: &Endpoints,
        hop_limit: u8,
        message: &[u8],
        reply: &mut ReplySender<'_>,
        now: Instant,
    ) {
        match Message::parse(ends.source, ends.destination, hop_limit, message) {
            Some(Message::Solicitation { target, source_mac }) => self.solicited(ends, &target, source_mac, reply, now),
            Some(Message::Advertisement(advertisement)) => self.neighbor_advertised(ends, &advertisement, now),
            Some(Message::RouterAdvertisement(advertisement)) if !self.settings.is_manual => {
                self.router_advertised(ends, &advertisement, now);
            }
            Some(Message::RouterAdvertisement(_)) => {}
            Some(Message::Redirect) => self.counters.redirects += 1,
            None => reply.drop_packet(DropReason::Malformed),
        }
    }

    fn solicited(
        &mut self,
        ends: &Endpoints,
        target: &Ipv6Addr,
        source_mac: Option<[u8; 6]>,
        reply: &mut ReplySender<'_>,
        now: Instant,
    ) {
        let Some(own) = self.addresses.find(target).copied() else { return };
        // A switch may return a frame to its sender.
        if ends.source_mac == self.mac {
            return;
        }
        let is_probe = ends.source.is_unspecified();
        if is_probe && own.is_optimistic() {
            self.duplicate_found(&own, ends.source_mac, now);
            return;
        }
        if let Some(mac) = source_mac {
            let learned = self.neighbors.seen(&ends.source, mac, false, now);
            self.note(&ends.source, learned, mac, now);
        }
        let (destination, mac) = match is_probe {
            true => (ALL_NODES, multicast_mac(&ALL_NODES)),
            false => (ends.source, source_mac.unwrap_or(ends.source_mac)),
        };
        if !is_probe && !is_unicast_mac(mac) {
            return;
        }
        let answer = ndp::advertisement(target, self.mac, !is_probe, !own.is_optimistic());
        let answer_ends = Endpoints { source_mac: self.mac, destination_mac: mac, source: *target, destination };
        if let Some(frame) = ControlFrame::icmpv6(&answer_ends, 255, &answer) {
            let frame = frame.as_bytes();
            reply.send(frame.len(), &mut |buffer| buffer.copy_from_slice(frame));
        }
    }

    fn neighbor_advertised(&mut self, ends: &Endpoints, advertisement: &Advertisement, now: Instant) {
        if let Some(own) = self.addresses.find(&advertisement.target).copied() {
            if ends.source_mac != self.mac {
                self.duplicate_found(&own, ends.source_mac, now);
            }
            return;
        }
        let learned = self.neighbors.advertised(advertisement, now);
        self.note(&advertisement.target, learned, advertisement.mac.unwrap_or(ends.source_mac), now);
    }

    /// Handles a sign that another host has an address of this one.
    fn duplicate_found(&mut self, own: &OwnAddress, mac: [u8; 6], now: Instant) {
        self.counters.conflicts += 1;
        let (function, address, mac) = (self.function, own.address, crate::mac::Mac(mac));
        if self.addresses.duplicate(&address).is_none() {
            if self.may_log(now) {
                log::warn!("net {function}: {mac} claims to have {address}, which stays in use here");
            }
            return;
        }
        DUPLICATE.log(log::Level::Warn, format_args!("net {function}: address {address} is in use by {mac}"));
        self.addresses_changed(now);
    }

    /// Follows up what a message has changed about a neighbour.
    fn note(&mut self, address: &Ipv6Addr, learned: Learned, mac: [u8; 6], now: Instant) {
        match learned {
            Learned::Nothing => {}
            Learned::Resolved(mac) => self.resolved.push_back((*address, mac)),
            Learned::Conflict => {
                self.counters.conflicts += 1;
                if self.may_log(now) {
                    let (function, mac) = (self.function, crate::mac::Mac(mac));
                    log::warn!("net {function}: {mac} claims to be {address}, which is asked");
                }
            }
        }
    }

    fn router_advertised(&mut self, ends: &Endpoints, advertisement: &RouterAdvertisement<'_>, now: Instant) {
        let router = ends.source;
        if self.addresses.has(&router) {
            return;
        }
        if let Some(mac) = advertisement.options.source_mac() {
            let learned = self.neighbors.seen(&router, mac, true, now);
            self.note(&router, learned, mac, now);
        }
        self.neighbors.set_timers(advertisement.reachable_ms, advertisement.retransmit_ms);
        self.advertised.set_hop_limit(advertisement.hop_limit);
        self.routers.set_router(router, advertisement.preference, advertisement.lifetime_s, now);
        for (kind, option) in advertisement.options.take(MAX_OPTIONS) {
            match kind {
                PREFIX => self.prefix_advertised(option, now),
                MTU => self.advertised.set_mtu(option, self.card_mtu),
                ROUTE => self.route_advertised(&router, option, now),
                DNS_SERVERS => self.advertised.set_servers(option, now),
                SEARCH_DOMAINS => self.advertised.set_domains(option, now),
                _ => {}
            }
        }
        let random = self.random();
        self.dhcp.advertised(advertisement.is_managed, advertisement.has_other, random, now);
        (self.is_config_changed, self.route_cache) = (true, None);
    }

    fn prefix_advertised(&mut self, option: &[u8], now: Instant) {
        let fields = (option.get(2), option.get(3), u32_at(option, 4), u32_at(option, 8), address_at(option, 16));
        let (Some(length), Some(flags), Some(valid_s), Some(preferred_s), Some(address)) = fields else { return };
        if *length > 128 || address.is_multicast() {
            return;
        }
        let prefix = Prefix::new(address, *length);
        if flags & 0x80 != 0 {
            self.routers.set_on_link(prefix, valid_s, now);
        }
        if flags & 0x40 != 0 && self.addresses.advertised(&prefix, Lifetimes { preferred_s, valid_s }, now) {
            self.addresses_changed(now);
        }
    }

    /// Takes a route; its prefix may be shortened to the bytes that are not 0 (RFC 4191, 2.3).
    fn route_advertised(&mut self, router: &Ipv6Addr, option: &[u8], now: Instant) {
        let (Some(length), Some(flags), Some(lifetime_s)) = (option.get(2), option.get(3), u32_at(option, 4)) else {
            return;
        };
        let mut octets = [0; 16];
        let bytes = &option[8..option.len().min(24)];
        if *length > 128 || usize::from(*length).div_ceil(8) > bytes.len() || flags >> 3 & 3 == 0b10 {
            return;
        }
        octets[..bytes.len()].copy_from_slice(bytes);
        let prefix = Prefix::new(Ipv6Addr::from(octets), *length);
        let preference = ndp::preference(*flags);
        match *length {
            0 => {
                let lifetime_s = u16::try_from(lifetime_s).unwrap_or(u16::MAX);
                self.routers.set_router(*router, preference, lifetime_s, now);
            }
            _ => self.routers.set_route(prefix, *router, preference, lifetime_s, now),
        }
    }
}
