//! Connections that do nothing are ended after a while.
//!
//! A timer for each read and write would cost more than they do. So each connection says until when it may go on as
//! it is, which is a store, and once a second somebody looks at all of them.

use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use embassy_time::{Duration, Instant, Timer};

use super::connection::Wire;
use crate::network::{Disconnected, TcpSocket};

/// For the first request of a connection to begin.
pub(super) const FIRST: Duration = Duration::from_secs(10);
/// For another one to begin.
pub(super) const NEXT: Duration = Duration::from_secs(15);
/// For the rest of a head or a body that has begun.
pub(super) const REST: Duration = Duration::from_secs(5);
/// For the peer to take a part of what it is sent.
pub(super) const WRITE: Duration = Duration::from_secs(15);
/// For the peer to close its side, once ours was.
const CLOSE: Duration = Duration::from_secs(3);

const LOOK: Duration = Duration::from_secs(1);

/// A connection, and until when it may go on as it is.
pub(super) struct Timed {
    socket: Rc<TcpSocket>,
    until: Cell<Instant>,
    is_closed: Cell<bool>,
}

impl Timed {
    pub(super) fn new(socket: &Rc<TcpSocket>) -> Rc<Self> {
        let until = Cell::new(Instant::now() + FIRST);
        Rc::new(Self { socket: socket.clone(), until, is_closed: Cell::new(false) })
    }
}

impl Wire for Timed {
    async fn read_with<R>(&self, read: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected> {
        self.socket.read_with(read).await
    }

    async fn write_with<R>(&self, write: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected> {
        self.socket.write_with(write).await
    }

    fn allow(&self, duration: Duration) {
        self.until.set(Instant::now() + duration);
    }

    fn abort(&self) {
        self.socket.abort();
    }
}

/// All connections of a stack.
pub(super) struct Watch(RefCell<Vec<Weak<Timed>>>);

impl Watch {
    /// Of so many connections at the most.
    pub(super) fn new(most: usize) -> Self {
        Self(RefCell::new(Vec::with_capacity(most)))
    }

    /// Watches over a connection for as long as it lives.
    pub(super) fn add(&self, connection: &Rc<Timed>) {
        self.0.borrow_mut().push(Rc::downgrade(connection));
    }

    /// It has ended.
    pub(super) fn remove(&self, connection: &Rc<Timed>) {
        self.0.borrow_mut().retain(|other| other.as_ptr() != Rc::as_ptr(connection));
    }

    /// Looks at them once a second.
    pub(super) async fn run(&self) {
        loop {
            Timer::after(LOOK).await;
            self.look(Instant::now());
        }
    }

    /// Closes those whose time is up: the peer gets what was written, and an end. Then it has to close as well.
    fn look(&self, now: Instant) {
        self.0.borrow_mut().retain(|connection| {
            let Some(connection) = connection.upgrade() else { return false };
            if now < connection.until.get() {
                return true;
            }
            if connection.is_closed.replace(true) {
                connection.socket.abort();
                return false;
            }
            connection.socket.close();
            connection.until.set(now + CLOSE);
            true
        });
    }
}
