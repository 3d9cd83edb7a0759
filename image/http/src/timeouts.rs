//! Timeouts of connections.
//!
//! A timer for each read and write would cost more than they do, and so would reading the clock. So one task ticks once a
//! second, and a timeout is the number of a tick.

use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use embassy_time::{Duration, Timer};
use switchboard_net::{Disconnected, TcpSocket};

use crate::transport::{CLOSE_TIMEOUT, FIRST_REQUEST_TIMEOUT, TimeoutSeconds, Transport};

const TICK: Duration = Duration::from_secs(1);

/// A connection with a timeout.
pub(super) struct TimedConnection {
    socket: Rc<TcpSocket>,
    timeouts: Rc<Timeouts>,
    /// The tick at which the connection is closed.
    deadline: Cell<u64>,
    is_closed: Cell<bool>,
}

impl Transport for TimedConnection {
    async fn read_with<R>(&self, read: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected> {
        self.socket.read_with(read).await
    }

    async fn write_with<R>(&self, write: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected> {
        self.socket.write_with(write).await
    }

    fn set_timeout(&self, timeout: TimeoutSeconds) {
        self.deadline.set(self.timeouts.deadline(timeout));
    }

    fn abort(&self) {
        self.socket.abort();
    }
}

/// The timeouts of all connections of a stack.
pub(super) struct Timeouts {
    connections: RefCell<Vec<Weak<TimedConnection>>>,
    ticks: Cell<u64>,
}

impl Timeouts {
    /// Creates the timeouts of so many connections at most.
    pub(super) fn new(max_connections: usize) -> Self {
        Self { connections: RefCell::new(Vec::with_capacity(max_connections)), ticks: Cell::new(0) }
    }

    /// Returns the tick at which a timeout that begins now expires. The next tick may be at once, so one more is added.
    fn deadline(&self, TimeoutSeconds(seconds): TimeoutSeconds) -> u64 {
        self.ticks.get() + 1 + seconds
    }

    /// Adds a connection, which has to begin its first request in time.
    pub(super) fn add(self: &Rc<Self>, socket: &Rc<TcpSocket>) -> Rc<TimedConnection> {
        let (deadline, is_closed) = (Cell::new(self.deadline(FIRST_REQUEST_TIMEOUT)), Cell::new(false));
        let connection =
            Rc::new(TimedConnection { socket: socket.clone(), timeouts: self.clone(), deadline, is_closed });
        self.connections.borrow_mut().push(Rc::downgrade(&connection));
        connection
    }

    /// Removes a connection that has ended.
    pub(super) fn remove(&self, connection: &Rc<TimedConnection>) {
        self.connections.borrow_mut().retain(|other| other.as_ptr() != Rc::as_ptr(connection));
    }

    /// Ticks once a second, for ever.
    pub(super) async fn run(&self) {
        loop {
            Timer::after(TICK).await;
            self.ticks.set(self.ticks.get() + 1);
            self.close_expired();
        }
    }

    /// Closes the connections whose timeouts have expired: the peer receives what was written, and a FIN. If it does not
    /// close its side in time, the connection is reset.
    fn close_expired(&self) {
        self.connections.borrow_mut().retain(|connection| {
            let Some(connection) = connection.upgrade() else { return false };
            if self.ticks.get() < connection.deadline.get() {
                return true;
            }
            if connection.is_closed.replace(true) {
                connection.socket.abort();
                return false;
            }
            connection.socket.close();
            connection.deadline.set(self.deadline(CLOSE_TIMEOUT));
            true
        });
    }
}
