//! The life of a name: probed, announced, answered for, and given up in a conflict (RFC 6762, 6, 8 and 9).

mod receive;

use alloc::format;
use alloc::string::String;
use core::net::IpAddr;

use domain::dep::octseq::array::Array;
use smoltcp::time::{Duration, Instant};

use super::message::{HostRecords, MAX_ADDRESSES, MAX_BYTES, OwnName, Types, local_name};
use super::{Destination, discovery};
use crate::config::InterfaceConfig;
use crate::random::Random;

/// Probes, and the time from one to the next (RFC 6762, 8.1).
const PROBES: u8 = 3;
const PROBE_INTERVAL: Duration = Duration::from_millis(250);
/// Announcements, and the time from one to the next (8.3).
const ANNOUNCEMENTS: u8 = 2;
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(1);
/// RFC 1035, 2.3.4.
const MAX_LABEL_BYTES: usize = 63;
/// Responses that wait to be sent.
const MAX_QUEUED: usize = 4;

/// A message, to be sent from port 5353.
#[derive(Debug, Clone)]
pub(crate) struct Datagram {
    pub(crate) destination: Destination,
    payload: Array<MAX_BYTES>,
}

impl Datagram {
    /// Returns the payload of the datagram.
    pub(crate) fn payload(&self) -> &[u8] {
        self.payload.as_ref()
    }
}

type Goodbyes = heapless::Vec<Datagram, 2>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Without a name or an address, or the link is down.
    Idle,
    /// With the number of probes sent.
    Probing(u8),
    /// With the number of announcements sent.
    Announcing(u8),
    Established,
}

/// The responder for the name of this host on one interface.
#[derive(Debug)]
pub(crate) struct Responder {
    /// As it is configured.
    hostname: String,
    /// The number that makes the name unique, from 2 on; 1 for none.
    number: u32,
    name: Option<OwnName>,
    /// IPv4 before IPv6, each in order, as records are compared.
    addresses: heapless::Vec<IpAddr, MAX_ADDRESSES>,
    is_up: bool,
    state: State,
    next_at: Option<Instant>,
    conflicts: u32,
    /// Whether the host has a web server.
    has_http: bool,
    /// When a service or a name was last sent to the group.
    discovered_at: Option<Instant>,
    /// When records of all types were last sent to the group.
    multicast_at: Option<Instant>,
    /// The second in which answers to single hosts were counted, and their number.
    unicast: (Instant, u32),
    queue: heapless::Deque<Datagram, MAX_QUEUED>,
    random: Random,
}

impl Responder {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            hostname: String::new(),
            number: 1,
            name: None,
            addresses: heapless::Vec::new(),
            is_up: false,
            state: State::Idle,
            next_at: None,
            conflicts: 0,
            has_http: false,
            discovered_at: None,
            multicast_at: None,
            unicast: (Instant::ZERO, 0),
            queue: heapless::Deque::new(),
            random: Random::new(seed),
        }
    }

    /// Handles a change of the configuration: another name is probed for, another address announced.
    pub(crate) fn set_config(&mut self, config: &InterfaceConfig, now: Instant) {
        let mut addresses: heapless::Vec<IpAddr, MAX_ADDRESSES> =
            config.addresses.iter().map(|address| address.address).take(MAX_ADDRESSES).collect();
        addresses.sort_unstable();
        let hostname = config.hostname.as_deref().unwrap_or_default();
        let has_same_name = hostname == self.hostname;
        if has_same_name && addresses == self.addresses {
            return;
        }
        self.addresses = addresses;
        let goodbyes = if has_same_name { Goodbyes::new() } else { self.goodbyes(true) };
        if !has_same_name {
            self.hostname = hostname.into();
            self.number = 1;
            self.name = local_name(hostname).filter(|_| !hostname.is_empty());
        }
        match self.state {
            State::Announcing(_) | State::Established if has_same_name && !self.addresses.is_empty() => {
                self.enter(State::Announcing(0), Some(now));
            }
            _ => self.start(now),
        }
        self.queue_all(goodbyes);
    }

    /// Sets whether the host has a web server, which is announced and answered for then.
    pub(crate) fn set_has_http(&mut self, has_http: bool, now: Instant) {
        if has_http == self.has_http {
            return;
        }
        if !has_http {
            let goodbyes = self.goodbyes(false);
            self.queue_all(goodbyes);
        }
        self.has_http = has_http;
        if has_http && self.is_announced() {
            self.enter(State::Announcing(0), Some(now));
        }
    }

    /// Takes back what was announced (RFC 6762, 10.1), and is silent until the link comes up again.
    pub(crate) fn withdraw(&mut self) {
        let goodbyes = self.goodbyes(true);
        self.queue_all(goodbyes);
        (self.is_up, self.state, self.next_at) = (false, State::Idle, None);
    }

    fn is_announced(&self) -> bool {
        matches!(self.state, State::Announcing(_) | State::Established)
    }

    /// Returns the messages that take back the web server, and all of the host if `is_all`, where they were announced.
    fn goodbyes(&self, is_all: bool) -> Goodbyes {
        let Some(name) = self.name.as_ref().filter(|_| self.is_announced()) else { return Goodbyes::new() };
        let records = HostRecords { name, addresses: &self.addresses };
        let service = self.has_http.then(|| discovery::unsolicited(&records, &self.host_name(), true)).flatten();
        let host = is_all.then(|| records.goodbye()).flatten();
        let payloads = service.into_iter().chain(host);
        payloads.map(|payload| Datagram { destination: Destination::Group, payload }).collect()
    }

    /// Queues messages, as far as there is room.
    fn queue_all(&mut self, datagrams: impl IntoIterator<Item = Datagram>) {
        for datagram in datagrams {
            self.queue.push_back(datagram).ok();
        }
    }

    /// Handles a change of the link: the name may be that of another host on the next network (RFC 6762, 8).
    pub(crate) fn link_changed(&mut self, is_up: bool, now: Instant) {
        self.is_up = is_up;
        self.start(now);
    }

    /// Returns the name that this host has on the link, without `local`, once no other host has claimed it.
    pub(crate) fn established_name(&self) -> Option<String> {
        self.is_announced().then(|| self.host_name())
    }

    fn host_name(&self) -> String {
        match self.number {
            1 => self.hostname.clone(),
            number => {
                let suffix = format!("-{number}");
                // The number takes from the room of a long name.
                let room = MAX_LABEL_BYTES - suffix.len();
                format!("{}{suffix}", self.hostname.get(..room).unwrap_or(&self.hostname))
            }
        }
    }

    /// Starts to probe, after a random delay so that hosts which are switched on together do not.
    fn start(&mut self, now: Instant) {
        self.queue.clear();
        if !self.is_up || self.name.is_none() || self.addresses.is_empty() {
            return self.enter(State::Idle, None);
        }
        let delay = Duration::from_millis(self.random.below(251).into());
        self.enter(State::Probing(0), Some(now + delay));
    }

    fn enter(&mut self, state: State, next_at: Option<Instant>) {
        (self.state, self.next_at) = (state, next_at);
    }

    /// Returns when [`poll`](Self::poll) has something to do, unless something arrives before.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.queue.is_empty() { self.next_at } else { Some(Instant::ZERO) }
    }

    /// Returns the next message to send now, if any. Call it until it returns `None`.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Datagram> {
        if let Some(datagram) = self.queue.pop_front() {
            return Some(datagram);
        }
        if self.next_at.is_none_or(|at| now < at) {
            return None;
        }
        let name = self.name.as_ref()?;
        let records = HostRecords { name, addresses: &self.addresses };
        let payload = match self.state {
            State::Probing(sent) if sent < PROBES => {
                let probe = records.probe();
                self.enter(State::Probing(sent + 1), Some(now + PROBE_INTERVAL));
                probe
            }
            State::Probing(_) | State::Announcing(_) => {
                let response = records.response(Types::ALL);
                if self.has_http {
                    let service = discovery::unsolicited(&records, &self.host_name(), false);
                    let service = service.map(|payload| Datagram { destination: Destination::Group, payload });
                    self.queue.extend(service.filter(|_| !self.queue.is_full()));
                }
                let sent = if let State::Announcing(sent) = self.state { sent + 1 } else { 1 };
                self.multicast_at = Some(now);
                match sent {
                    ANNOUNCEMENTS.. => self.enter(State::Established, None),
                    _ => self.enter(State::Announcing(sent), Some(now + ANNOUNCE_INTERVAL)),
                }
                response
            }
            State::Idle | State::Established => {
                self.next_at = None;
                None
            }
        };
        payload.map(|payload| Datagram { destination: Destination::Group, payload })
    }
}
