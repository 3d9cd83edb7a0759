//! Connections that do nothing are ended after a while.
//!
//! A timer for each read and write would cost more than they do, and so would a look at the clock. So somebody looks at all
//! connections once a second, and each says after how many of those looks it may not be as it is any more.

use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use embassy_time::{Duration, Timer};

use super::connection::Wire;
use switchboard_net::{Disconnected, TcpSocket};

/// Seconds, and up to one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seconds(u64);

/// For the first request of a connection to begin.
pub(super) const FIRST: Seconds = Seconds(10);
/// For another one to begin.
pub(super) const NEXT: Seconds = Seconds(15);
/// For the rest of a head or a body that has begun.
pub(super) const REST: Seconds = Seconds(5);
/// For the peer to take a part of what it is sent.
pub(super) const WRITE: Seconds = Seconds(15);
/// For the peer to close its side, once ours was.
const CLOSE: Seconds = Seconds(3);

const LOOK: Duration = Duration::from_secs(1);

/// A connection, and until which look it may go on as it is.
pub(super) struct Timed {
    socket: Rc<TcpSocket>,
    watch: Rc<Watch>,
    until: Cell<u64>,
    is_closed: Cell<bool>,
}

impl Wire for Timed {
    async fn read_with<R>(&self, read: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected> {
        self.socket.read_with(read).await
    }

    async fn write_with<R>(&self, write: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected> {
        self.socket.write_with(write).await
    }

    fn allow(&self, seconds: Seconds) {
        self.until.set(self.watch.after(seconds));
    }

    fn abort(&self) {
        self.socket.abort();
    }
}

/// All connections of a stack.
pub(super) struct Watch {
    connections: RefCell<Vec<Weak<Timed>>>,
    looks: Cell<u64>,
}

impl Watch {
    /// Of so many connections at the most.
    pub(super) fn new(most: usize) -> Self {
        Self { connections: RefCell::new(Vec::with_capacity(most)), looks: Cell::new(0) }
    }

    /// The look that comes after so many seconds. The next one may come at once.
    fn after(&self, Seconds(seconds): Seconds) -> u64 {
        self.looks.get() + 1 + seconds
    }

    /// Watches over a connection for as long as it lives.
    pub(super) fn add(self: &Rc<Self>, socket: &Rc<TcpSocket>) -> Rc<Timed> {
        let (until, is_closed) = (Cell::new(self.after(FIRST)), Cell::new(false));
        let connection = Rc::new(Timed { socket: socket.clone(), watch: self.clone(), until, is_closed });
        self.connections.borrow_mut().push(Rc::downgrade(&connection));
        connection
    }

    /// It has ended.
    pub(super) fn remove(&self, connection: &Rc<Timed>) {
        self.connections.borrow_mut().retain(|other| other.as_ptr() != Rc::as_ptr(connection));
    }

    /// Looks at them once a second.
    pub(super) async fn run(&self) {
        loop {
            Timer::after(LOOK).await;
            self.looks.set(self.looks.get() + 1);
            self.look();
        }
    }

    /// Closes those whose time is up: the peer gets what was written, and an end. Then it has to close as well.
    fn look(&self) {
        self.connections.borrow_mut().retain(|connection| {
            let Some(connection) = connection.upgrade() else { return false };
            if self.looks.get() < connection.until.get() {
                return true;
            }
            if connection.is_closed.replace(true) {
                connection.socket.abort();
                return false;
            }
            connection.socket.close();
            connection.until.set(self.after(CLOSE));
            true
        });
    }
}
