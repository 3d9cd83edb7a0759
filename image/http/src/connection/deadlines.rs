//! Deadlines of connections.
//!
//! A timer for each read and write would cost more than they do, and so would reading the clock. So one task ticks once a
//! second, and a deadline is the number of a tick.

use alloc::rc::Weak;
use alloc::vec::Vec;
use core::cell::{Cell, Ref, RefCell};

use embassy_time::{Duration, Timer};

use crate::response::CommonHeaders;

const TICK: Duration = Duration::from_secs(1);

/// What is done with a connection once a second.
pub(crate) trait Tick {
    /// Acts on a deadline that has passed. Returns false when the connection needs no more ticks.
    fn tick(&self, now: u64) -> bool;
}

/// The deadlines of all connections of a server on one stack.
pub(crate) struct Deadlines {
    connections: RefCell<Vec<Weak<dyn Tick>>>,
    ticks: Cell<u64>,
    common_headers: RefCell<CommonHeaders>,
    /// Seconds for which a handler may take until its response begins.
    pub(super) handler_seconds: u32,
    /// The value of the Server header; empty without one.
    server_name: &'static str,
}

impl Deadlines {
    /// Creates the deadlines of so many connections at most.
    pub(crate) fn new(max_connections: usize, handler_seconds: u32, server_name: &'static str) -> Self {
        Self {
            // Those that were closed to make room are more.
            connections: RefCell::new(Vec::with_capacity(max_connections.saturating_add(64))),
            ticks: Cell::new(0),
            common_headers: RefCell::new(CommonHeaders::now(server_name)),
            handler_seconds,
            server_name,
        }
    }

    /// Returns the tick at which a timeout that begins now expires. The next tick may be at once, so one more is added.
    pub(super) fn after(&self, seconds: u64) -> u64 {
        self.ticks.get() + 1 + seconds
    }

    /// Returns the headers that all responses have.
    #[inline]
    pub(super) fn common_headers(&self) -> Ref<'_, CommonHeaders> {
        self.common_headers.borrow()
    }

    /// Adds a connection.
    pub(super) fn add(&self, connection: Weak<dyn Tick>) {
        self.connections.borrow_mut().push(connection);
    }

    /// Removes a connection that has ended.
    pub(crate) fn remove(&self, connection: &dyn Tick) {
        self.connections.borrow_mut().retain(|other| !core::ptr::addr_eq(other.as_ptr(), connection));
    }

    /// Ticks once a second, for ever.
    pub(crate) async fn run(&self) {
        loop {
            Timer::after(TICK).await;
            let now = self.ticks.get() + 1;
            self.ticks.set(now);
            *self.common_headers.borrow_mut() = CommonHeaders::now(self.server_name);
            self.connections
                .borrow_mut()
                .retain(|connection| connection.upgrade().is_some_and(|connection| connection.tick(now)));
        }
    }
}
