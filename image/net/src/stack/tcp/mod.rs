//! TCP around smoltcp: what its sockets lack.
//!
//! smoltcp's sockets do the work of established connections. This module answers SYNs without one ([`syn_queue`]), has a
//! socket adopt a connection when its handshake is complete and data arrives or is written ([`adopt`]), takes the socket
//! away from idle connections, which are *parked* as records ([`connection`]), and keeps records of those in TIME-WAIT
//! ([`time_wait`]). It verifies resets, SYNs and acknowledgements (RFC 5961) and splits segments for paths that are
//! shorter than the link ([`path_mtu`]).

mod access;
mod acknowledgement_run;
mod adopt;
mod backlog;
mod bounded_map;
mod config;
mod connect;
mod connection;
mod egress;
mod error;
mod evict;
mod examine;
mod halves;
mod icmp;
mod ingress;
mod io;
mod listener;
mod loss;
mod new_socket;
mod orphan;
mod path_mtu;
mod room;
mod secret;
mod statistics;
mod status;
mod stream;
mod syn_queue;
mod tick;
mod time_wait;
mod unconnected;
mod wire;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::IpAddr;

use smoltcp::time::Instant;
use switchboard_runtime::memory_budget::{self, MemoryBudget};

use self::listener::Listeners;
use self::path_mtu::PathMtu;
use self::secret::Secret;
use self::syn_queue::SynQueue;
use self::time_wait::TimeWait;
use super::socket_table::{NEVER, SocketId};
use crate::rate_limit::RateLimit;

pub(super) use self::acknowledgement_run::Held;
pub(super) use self::connection::Connection;
pub(super) use self::egress::{header_bytes, set_hop_limit, split};
pub(super) use self::wire::{Control, Endpoints, MAX_CONTROL_BYTES};

pub use self::config::TcpConfig;
pub use self::error::{Disconnected, TcpError};
pub use self::halves::{TcpReader, TcpWriter};
pub use self::listener::TcpListener;
pub use self::statistics::{TcpState, TcpStatistics};
pub use self::stream::TcpStream;

/// Segments of the wrapper that wait to be sent. More are dropped, as on a full wire.
const MAX_OUTGOING: usize = 512;
/// Resets that are sent in a second.
const RESETS_PER_SECOND: u32 = 200;
/// Challenge acknowledgements that are sent in a second (RFC 5961, 7).
const CHALLENGES_PER_SECOND: u32 = 200;

/// The state of TCP beside its connections.
pub(super) struct Tcp {
    secret: Secret,
    syn_queue: SynQueue,
    time_wait: TimeWait,
    pub(super) path_mtu: PathMtu,
    listeners: Listeners,
    /// Connections that were closed to make room, the first first; some may have ended since.
    evicted: VecDeque<SocketId>,
    /// Connections without a stream that close by themselves, the first first; some may have ended since.
    orphans: VecDeque<SocketId>,
    /// Segments of the wrapper that are to be sent.
    outgoing: VecDeque<Control>,
    /// Memory for a packet that is split.
    pub(super) scratch: Vec<u8>,
    resets: RateLimit,
    challenges: RateLimit,
    /// The maximum length of a packet on the link.
    mtu: u16,
    /// When to look for losses or at all connections next.
    pub(super) next_tick: Instant,
    /// When to look at all connections next.
    next_second: Instant,
    /// How often a connection became idle.
    idle_count: u64,
    /// Connections that were opened, of which the ephemeral ports depend (RFC 6056, 3.3.3).
    opened: u32,
    pub(super) budget: &'static MemoryBudget,
}

impl Tcp {
    pub(super) fn new(mtu: usize, seed: u64) -> Self {
        let secret = Secret::new(seed);
        Self {
            secret,
            syn_queue: SynQueue::new(&secret),
            time_wait: TimeWait::new(&secret),
            path_mtu: PathMtu::new(secret.table),
            listeners: Listeners::default(),
            evicted: VecDeque::new(),
            orphans: VecDeque::new(),
            outgoing: VecDeque::with_capacity(MAX_OUTGOING),
            scratch: Vec::with_capacity(mtu),
            resets: RateLimit::new(RESETS_PER_SECOND, RESETS_PER_SECOND),
            challenges: RateLimit::new(CHALLENGES_PER_SECOND, CHALLENGES_PER_SECOND),
            mtu: u16::try_from(mtu).unwrap_or(u16::MAX),
            next_tick: NEVER,
            next_second: NEVER,
            idle_count: 0,
            opened: 0,
            budget: memory_budget::machine(),
        }
    }

    /// Sets the maximum length of a packet on the link.
    pub(super) fn set_mtu(&mut self, mtu: usize) {
        self.mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
    }

    /// Returns whether there is a listener on a port.
    pub(super) fn is_listening(&mut self, port: u16) -> bool {
        self.listeners.with_port(port).is_some()
    }

    /// Queues a segment of the wrapper.
    fn send(&mut self, control: Control) {
        if self.outgoing.len() < MAX_OUTGOING {
            self.outgoing.push_back(control);
        }
    }

    /// Queues an acknowledgement of what is not acceptable, within a rate.
    fn challenge(&mut self, control: Control, now: Instant) {
        if self.challenges.take(now) {
            self.send(control);
        }
    }

    /// Takes the next segment of the wrapper.
    pub(super) fn next_outgoing(&mut self) -> Option<Control> {
        self.outgoing.pop_front()
    }

    pub(super) fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Returns the maximum length of a packet to `destination`.
    #[inline]
    pub(super) fn max_packet_bytes(&self, destination: Option<IpAddr>, now: Instant) -> usize {
        if !self.path_mtu.may_exceed(self.mtu.into()) {
            return usize::MAX;
        }
        let path = destination.and_then(|destination| self.path_mtu.get(destination, now));
        path.map_or(usize::MAX, usize::from)
    }

    /// Returns the maximum segment size of the path to `destination`.
    fn max_segment_bytes(&self, destination: IpAddr, now: Instant) -> u16 {
        let headers = if destination.is_ipv4() { 40 } else { 60 };
        let packet = self.path_mtu.get(destination, now).unwrap_or(self.mtu).min(self.mtu);
        packet.saturating_sub(headers)
    }

    /// Has [`tick`](super::engine::Engine::tick) be called within a second.
    fn schedule_tick(&mut self, now: Instant) {
        self.next_second = self.next_second.min(now + smoltcp::time::Duration::from_secs(1));
        self.next_tick = self.next_tick.min(now + loss::INTERVAL);
    }
}
