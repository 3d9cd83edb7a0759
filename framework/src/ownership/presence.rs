//! Whether a function is still there, and who is told when it is not.
//!
//! A function that was pulled out answers every read with ones and takes no write. Nobody says so: a register
//! that can never hold ones is what tells a driver, or the hot-plug port that the function sat behind. Whoever
//! learns of it [confirms](Presence::confirm) or [marks it](Machine::mark_removed), and from then on it is a fact
//! that costs one load to look at. The function's interrupt handlers are called once more, as if it had a last
//! word to say, so that whoever waits for an interrupt that will never come wakes up and finds out.

use alloc::sync::Arc;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll};

use crate::config::Address;
use crate::inventory::Record;
use crate::machine::Machine;

/// What a read of the vendor and device ids gives while a function asks for more time after a reset
/// (PCIe 5.0, 2.3.2): no id, and no sign of absence.
pub(crate) const RETRY_VENDOR_ID: u16 = 0x0001;

/// The function is no longer there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{address} is gone")]
pub struct Gone {
    /// Where it was.
    pub address: Address,
}

/// A function's place in the world: whether it is there still. Any number of these watch one function; they
/// keep nothing of it claimed, and go on speaking of the one that was there when another takes its place.
#[derive(Clone)]
pub struct Presence {
    machine: &'static Machine,
    record: Arc<Record>,
}

impl Presence {
    pub(crate) fn new(machine: &'static Machine, record: &Arc<Record>) -> Self {
        Self { machine, record: record.clone() }
    }

    /// Where the function is, or was.
    #[must_use]
    pub fn address(&self) -> Address {
        self.record.address()
    }

    /// Whether it is known to be gone. One load, for the paths of packets and interrupts: it asks nobody.
    #[inline]
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.record.watch.is_gone()
    }

    /// As [`is_gone`](Self::is_gone), for `?`.
    ///
    /// # Errors
    /// [`Gone`].
    #[inline]
    pub fn check(&self) -> Result<(), Gone> {
        if self.is_gone() { Err(Gone { address: self.address() }) } else { Ok(()) }
    }

    /// Asks the function itself, by its ids in configuration space: for a driver that has read ones where there can
    /// be none. From a task or a handler; allocates nothing.
    ///
    /// # Errors
    /// [`Gone`], now and from now on, when nothing answers or something else does.
    pub fn confirm(&self) -> Result<(), Gone> {
        self.machine.confirm(&self.record)
    }

    /// Waits until the function is known to be gone.
    pub async fn gone(&self) {
        poll_fn(|context| self.poll_gone(context)).await;
    }

    /// As [`gone`](Self::gone), for hand-written futures.
    pub fn poll_gone(&self, context: &Context<'_>) -> Poll<()> {
        self.record.watch.poll_gone(context)
    }
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_gone() { "gone" } else { "there" };
        write!(f, "Presence({} {state})", self.address())
    }
}

/// Its function is not asked whether it is there, while this lives.
#[derive(Debug)]
pub(crate) struct ResetInProgress {
    record: Arc<Record>,
}

impl ResetInProgress {
    pub(crate) fn new(record: &Arc<Record>) -> Self {
        record.watch.set_resetting(true);
        Self { record: record.clone() }
    }
}

impl Drop for ResetInProgress {
    fn drop(&mut self) {
        self.record.watch.set_resetting(false);
    }
}

impl Machine {
    /// Says that the function at `address` is gone: for whoever knows from elsewhere, as the port in front of it
    /// does. Its driver hears [`Gone`]; the record leaves the inventory with the last part of the function, or at
    /// once when nobody has it. Says whether there was one.
    pub fn mark_removed(&self, address: Address) -> bool {
        self.inventory.find(address).inspect(|record| self.mark_gone(record)).is_some()
    }

    /// Asks every function whether it is still there, and withdraws those that are not: for machines where nothing
    /// tells. Returns how many went.
    pub fn check_presence(&self) -> usize {
        self.inventory
            .records()
            .iter()
            .filter(|record| !record.watch.is_gone() && self.confirm(record).is_err())
            .count()
    }

    pub(crate) fn confirm(&self, record: &Arc<Record>) -> Result<(), Gone> {
        let gone = Err(Gone { address: record.address() });
        if record.watch.is_gone() {
            return gone;
        }
        let (vendor, device) = (record.space.read_u16(0), record.space.read_u16(2));
        let is_there = (vendor, device) == (record.header().vendor, record.header().device);
        if is_there || vendor == RETRY_VENDOR_ID || record.watch.is_resetting() {
            return Ok(());
        }
        self.mark_gone(record);
        gone
    }

    pub(crate) fn mark_gone(&self, record: &Arc<Record>) {
        if record.watch.mark() {
            log::info!("{}: gone", record.address());
            self.vectors.for_each_vector_of(record.address(), |vector| self.controller.call(vector));
            record.watch.wake();
        }
        self.inventory.forget_if_gone(record);
    }
}
