//! Deadlines of connections.
//!
//! A timer for each read and write would cost more than they do, and so would reading the clock. So one task ticks once a
//! second, and a deadline is the number of a tick.

use alloc::collections::BTreeMap;
use alloc::rc::Weak;
use alloc::vec::Vec;
use core::cell::{Cell, Ref, RefCell};
use core::net::IpAddr;

use embassy_time::{Duration, Timer};

use crate::response::DateHeader;

const TICK: Duration = Duration::from_secs(1);
/// A peer has more than its share with more than one in so many of the connections.
const MAX_SHARE: usize = 4;

/// What is done with a connection once a second.
pub(crate) trait Tick {
    /// Acts on a deadline that has passed. Returns false when the connection needs no more ticks.
    fn tick(&self, now: u64) -> bool;

    /// Returns how dispensable the connection is; `None` if it is being closed already.
    fn dispensability(&self) -> Option<Dispensability>;

    /// Closes the connection to make room for others.
    fn evict(&self);
}

/// How dispensable a connection is, when others need room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dispensability {
    pub(super) peer: Option<IpAddr>,
    pub(super) rank: Rank,
    /// The tick at which its phase ends: of two that are alike, the older one has the earlier end.
    pub(super) deadline: u64,
}

/// What a connection is doing, the most dispensable first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// Nothing: it waits for a request.
    Idle,
    /// It receives a head.
    Head,
    /// It waits for its first request.
    Fresh,
    /// It waits for the peer to send or to receive.
    Waiting,
    /// It is at work.
    Working,
}

/// The deadlines of all connections of a server on one stack.
pub(crate) struct Deadlines {
    max_connections: usize,
    connections: RefCell<Vec<Weak<dyn Tick>>>,
    ticks: Cell<u64>,
    date: RefCell<DateHeader>,
    /// Seconds for which a handler may take until its response begins.
    pub(super) handler_seconds: u32,
}

impl Deadlines {
    /// Creates the deadlines of so many connections at most.
    pub(crate) fn new(max_connections: usize, handler_seconds: u32) -> Self {
        Self {
            max_connections,
            connections: RefCell::new(Vec::with_capacity(max_connections)),
            ticks: Cell::new(0),
            date: RefCell::new(DateHeader::now()),
            handler_seconds,
        }
    }

    /// Returns the tick at which a timeout that begins now expires. The next tick may be at once, so one more is added.
    pub(super) fn after(&self, seconds: u64) -> u64 {
        self.ticks.get() + 1 + seconds
    }

    /// Returns the Date header of responses.
    #[inline]
    pub(super) fn date(&self) -> Ref<'_, DateHeader> {
        self.date.borrow()
    }

    /// Adds a connection.
    pub(super) fn add(&self, connection: Weak<dyn Tick>) {
        self.connections.borrow_mut().push(connection);
    }

    /// Removes a connection that has ended.
    pub(crate) fn remove(&self, connection: &dyn Tick) {
        self.connections.borrow_mut().retain(|other| !core::ptr::addr_eq(other.as_ptr(), connection));
    }

    /// Closes connections, if fewer than `spare` others could still be accepted.
    pub(crate) fn make_room(&self, spare: usize) {
        let excess = (self.connections.borrow().len() + spare).saturating_sub(self.max_connections);
        if excess > 0 {
            self.evict(excess, excess > spare / 2);
        }
    }

    /// Closes so many connections, those included that are being closed: of the peer that has more than its share, else the
    /// idle ones of all. In urgent need, those that are being closed do not wait for their peers.
    #[cold]
    fn evict(&self, count: usize, is_urgent: bool) {
        let connections: Vec<_> = self.connections.borrow().iter().filter_map(Weak::upgrade).collect();
        let mut candidates: Vec<_> =
            connections.iter().filter_map(|connection| Some((connection.dispensability()?, connection))).collect();
        let closing = connections.len() - candidates.len();
        if is_urgent {
            connections.iter().filter(|connection| connection.dispensability().is_none()).for_each(|it| it.evict());
        }
        let mut peers: BTreeMap<Option<IpAddr>, usize> = BTreeMap::new();
        for (candidate, _) in &candidates {
            *peers.entry(candidate.peer).or_default() += 1;
        }
        let share = self.max_connections / MAX_SHARE;
        let greedy = peers.into_iter().filter(|(_, count)| *count > share).max_by_key(|(_, count)| *count);
        let is_greedy = |candidate: &Dispensability| greedy.is_some_and(|(peer, _)| peer == candidate.peer);
        // Without a greedy peer, connections at work stay.
        candidates.retain(|(candidate, _)| is_greedy(candidate) || candidate.rank < Rank::Working);
        candidates.sort_by_key(|(candidate, _)| {
            (
                !is_greedy(candidate) && candidate.rank != Rank::Idle,
                candidate.rank,
                !is_greedy(candidate),
                candidate.deadline,
            )
        });
        for (_, connection) in candidates.into_iter().take(count.saturating_sub(closing)) {
            connection.evict();
        }
    }

    /// Ticks once a second, for ever.
    pub(crate) async fn run(&self) {
        loop {
            Timer::after(TICK).await;
            let now = self.ticks.get() + 1;
            self.ticks.set(now);
            *self.date.borrow_mut() = DateHeader::now();
            self.connections
                .borrow_mut()
                .retain(|connection| connection.upgrade().is_some_and(|connection| connection.tick(now)));
        }
    }
}
