//! IPv6 on Ethernet: neighbours, routers, addresses, multicast groups, DHCPv6, fragments and ICMPv6.
//!
//! Each part is a state machine without input or output: it is called with what has arrived and with the time, and
//! returns what is due. [`Ipv6`] connects them with frames. smoltcp, which runs with packets alone, gets only TCP segments
//! and UDP datagrams behind a plain IPv6 header, and answers nothing else.

mod address;
mod addresses;
mod advertised;
mod configuration;
mod dhcpv6;
mod dhcpv6_message;
mod discovery;
mod extension;
mod frame;
mod icmp;
mod mld;
mod names;
mod ndp;
mod neighbor;
mod output;
mod reassembly;
mod receive;
mod routers;
mod waiting;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::Ipv6Addr;

use smoltcp::time::Instant;
use switchboard::config::Address;
use switchboard_runtime::command_line::{Ipv6Word, Ipv6Words};

use self::addresses::Addresses;
use self::advertised::Advertised;
use self::mld::Listener;
use self::neighbor::Neighbors;
use self::reassembly::Reassembly;
use self::routers::Routers;
use self::waiting::Waiting;
use crate::config::Route;
use crate::membership::Joined;
use crate::rate_limit::RateLimit;

pub(crate) use self::address::multicast_mac;
pub(crate) use self::frame::{Endpoints, ICMPV6, PAYLOAD, fill_checksum, is_checksum_valid, write_headers};
pub(crate) use self::icmp::{ECHO_REPLY, ECHO_REQUEST, error_about};
pub(crate) use self::output::with_datagram;
pub(crate) use self::receive::Received;

/// Whether IPv6 is part of this build. Without it each way into this module ends at once, and the linker leaves the rest out.
pub(crate) const IS_BUILT_IN: bool = cfg!(feature = "ipv6");

/// Later than any time.
pub(crate) const NEVER: Instant = Instant::from_micros_const(i64::MAX);

/// The group of multicast DNS (RFC 6762, 3).
pub(crate) const MDNS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);

/// Log lines about what peers cause, at most so many a second for a kind.
const LOG_INTERVAL_SECS: u64 = 10;

/// What the command line sets for IPv6 on an interface.
///
/// ```
/// use switchboard_net::Ipv6Settings;
///
/// let settings = Ipv6Settings::default().with_address("2001:db8::5".parse()?, 64).with_gateway("fe80::1".parse()?);
/// assert!(!settings.is_off);
/// # Ok::<_, core::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ipv6Settings {
    /// Addresses with the lengths of their prefixes, beside those that routers advertise.
    pub addresses: Vec<(Ipv6Addr, u8)>,
    /// The gateway, before those that advertise themselves.
    pub gateway: Option<Ipv6Addr>,
    /// Static routes, of which up to eight are used.
    pub routes: Vec<Route>,
    /// Routers are not listened to.
    pub is_manual: bool,
    /// The interface has no IPv6.
    pub is_off: bool,
}

impl Ipv6Settings {
    /// Returns what the words of the option `ip=` set.
    pub(crate) fn from_words(words: Ipv6Words<'_>) -> Self {
        words.iter().fold(Self::default(), |settings, word| match word {
            Ipv6Word::Address(address, prefix_length) => settings.with_address(address, prefix_length),
            Ipv6Word::Gateway(gateway) => settings.with_gateway(gateway),
            Ipv6Word::Off => Self { is_off: true, ..settings },
            _ => settings,
        })
    }

    /// Adds a static route.
    #[must_use]
    pub fn with_route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// Adds an address with the length of its prefix.
    #[must_use]
    pub fn with_address(mut self, address: Ipv6Addr, prefix_length: u8) -> Self {
        self.addresses.push((address, prefix_length));
        self
    }

    /// Sets the gateway.
    #[must_use]
    pub fn with_gateway(self, gateway: Ipv6Addr) -> Self {
        Self { gateway: Some(gateway), ..self }
    }
}

/// Messages that were not followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ipv6Counters {
    /// Redirects, which are ignored: any host of the link can forge them.
    pub(crate) redirects: u64,
    /// Claims of another Ethernet address for a neighbour that answers, and of an address of this host.
    pub(crate) conflicts: u64,
}

/// IPv6 of an interface.
pub(crate) struct Ipv6 {
    function: Address,
    mac: [u8; 6],
    /// The longest packet of the card.
    card_mtu: usize,
    settings: Ipv6Settings,
    is_up: bool,
    addresses: Addresses,
    neighbors: Neighbors,
    routers: Routers,
    listener: Listener,
    advertised: Advertised,
    dhcp: dhcpv6::Client,
    dhcp_learnt: dhcpv6::Learnt,
    reassembly: Reassembly,
    waiting: Waiting,
    /// Neighbours whose waiting frames can be sent.
    resolved: VecDeque<(Ipv6Addr, [u8; 6])>,
    /// Frames that were dropped since their next hop does not answer: their sockets get an error.
    failed: VecDeque<Vec<u8>>,
    /// Own frames that are longer than a control frame, or have found no room in the card.
    pending: VecDeque<Vec<u8>>,
    /// Groups that sockets have joined.
    joined: Joined<Ipv6Addr>,
    /// The last destination and its next hop, of which most packets are.
    route_cache: Option<(Ipv6Addr, Ipv6Addr)>,
    error_limit: RateLimit,
    random: u64,
    identification: u32,
    is_config_changed: bool,
    /// The time before which nothing but neighbours has something to do; zero after what may have changed it.
    idle_until: Instant,
    next_log_at: Instant,
    pub(crate) counters: Ipv6Counters,
}

impl Ipv6 {
    /// Creates IPv6 for a card whose link is down. `seed` is random.
    pub(crate) fn new(function: Address, mac: [u8; 6], card_mtu: usize, settings: Ipv6Settings, seed: u64) -> Self {
        let mut random = seed ^ 0x6a09_e667_f3bc_c908;
        let identification = next_random(&mut random);
        Self {
            function,
            mac,
            card_mtu,
            settings,
            is_up: false,
            addresses: Addresses::new(mac),
            neighbors: Neighbors::new(),
            routers: Routers::new(),
            listener: Listener::new(),
            advertised: Advertised::default(),
            dhcp: dhcpv6::Client::new(mac),
            dhcp_learnt: dhcpv6::Learnt::default(),
            reassembly: Reassembly::default(),
            waiting: Waiting::default(),
            resolved: VecDeque::new(),
            failed: VecDeque::new(),
            pending: VecDeque::new(),
            joined: Joined::new(),
            route_cache: None,
            error_limit: icmp::error_limit(),
            random,
            identification,
            is_config_changed: false,
            idle_until: Instant::ZERO,
            next_log_at: Instant::ZERO,
            counters: Ipv6Counters::default(),
        }
    }

    /// Returns a number that a peer cannot guess easily.
    fn random(&mut self) -> u32 {
        next_random(&mut self.random)
    }

    /// Returns whether a line about what a peer has caused may be logged now.
    fn may_log(&mut self, now: Instant) -> bool {
        let may = now >= self.next_log_at;
        if may {
            self.next_log_at = now + smoltcp::time::Duration::from_secs(LOG_INTERVAL_SECS);
        }
        may
    }

    /// Returns the hop limit of packets that have none of their own.
    #[inline]
    pub(crate) fn hop_limit(&self) -> u8 {
        self.advertised.hop_limit()
    }

    /// Returns the number of neighbours.
    pub(crate) fn neighbor_count(&self) -> usize {
        self.neighbors.len()
    }

    /// Returns the link-local address.
    pub(crate) fn link_local(&self) -> Option<Ipv6Addr> {
        self.addresses.link_local().map(|own| own.address)
    }

    /// Returns the address to send from; `None` when the destination cannot be reached.
    pub(crate) fn source_for(&self, destination: &Ipv6Addr, now: Instant) -> Option<Ipv6Addr> {
        if IS_BUILT_IN { self.addresses.source_for(destination, now) } else { None }
    }
}

/// SplitMix64, its upper half.
fn next_random(state: &mut u64) -> u32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    u32::try_from((value ^ value >> 31) >> 32).unwrap_or_default()
}

#[cfg(test)]
mod tests;
