//! What the responses on a connection share with the socket below them.

use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;
use core::ops::{Deref, DerefMut};

use super::Counters;

/// Bytes read from a disk at a time, per connection.
const BUFFER: usize = 16 * 1024;

/// The state of one worker's connection; serves the next connection when one is over.
pub struct Connection {
    counters: &'static Counters,
    /// No further request is read.
    closing: Cell<bool>,
    /// Nothing further is written: the response cannot be completed.
    broken: Cell<bool>,
    buffer: Cell<Vec<u8>>,
}

impl Connection {
    pub(super) fn new(counters: &'static Counters) -> Self {
        Self { counters, closing: Cell::new(false), broken: Cell::new(false), buffer: Cell::default() }
    }

    pub(super) fn open(&self) {
        Counters::add(&self.counters.connections);
        self.closing.set(false);
        self.broken.set(false);
    }

    /// What was served so far.
    #[must_use]
    pub fn counters(&self) -> &'static Counters {
        self.counters
    }

    /// Closes the connection after this response.
    pub fn close(&self) {
        self.closing.set(true);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Gives up in the middle of a response, whose length was promised already: every further write on this
    /// connection fails, so the client sees that it did not get all.
    pub fn give_up(&self) {
        self.broken.set(true);
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.get()
    }

    /// Gives the buffer back: the connection is over.
    pub(super) fn end(&self) {
        self.buffer.take();
    }

    /// Lends the connection's buffer to the one response that is being written. Made on first use, kept until the
    /// connection is over.
    pub fn buffer(self: &Rc<Self>) -> Lent {
        let mut buffer = self.buffer.take();
        if buffer.is_empty() {
            buffer = vec![0; BUFFER];
        }
        Lent { home: self.clone(), buffer }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (closing, broken) = (self.closing.get(), self.broken.get());
        f.debug_struct("Connection").field("closing", &closing).field("broken", &broken).finish_non_exhaustive()
    }
}

/// A buffer on loan: goes back when dropped, also when the response is cut short.
pub struct Lent {
    home: Rc<Connection>,
    buffer: Vec<u8>,
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").field("length", &self.buffer.len()).finish()
    }
}

impl Deref for Lent {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.buffer
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.buffer.set(core::mem::take(&mut self.buffer));
    }
}
