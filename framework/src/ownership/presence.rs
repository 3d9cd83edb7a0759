//! Presence of a function: detection of its (surprise) removal, and notification of its driver.
//!
//! A removed function reads all ones and ignores writes, and raises no interrupt about it. A driver detects the removal by a
//! register that can never hold all ones, and [confirms](Presence::confirm) it; or the hot-plug port that the function was
//! behind detects it, and its driver [marks the function](Machine::mark_removed). From then on, checking costs one load. The
//! interrupt handlers of the function are called once more, so that a task that waits for an interrupt wakes up and checks.

use alloc::sync::Arc;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll};

use crate::config::Address;
use crate::inventory::Record;
use crate::machine::Machine;

/// The Vendor ID that is read for Configuration Request Retry Status, while a function requests more time after a reset
/// (PCIe 5.0, 2.3.2). The function is present, but its ids cannot be read yet.
pub(crate) const RETRY_VENDOR_ID: u16 = 0x0001;

/// The error that a function was removed from the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{address} is gone")]
#[non_exhaustive]
pub struct Gone {
    /// The address that it had.
    pub address: Address,
}

/// An observer of the presence of one function. There can be any number; they keep nothing claimed. When another function
/// appears at the address, they still refer to the old one.
///
/// ```
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8)]);
/// # let function = fake.machine().take_all().remove(0);
/// # let address = function.address();
/// let presence = function.claim()?.presence;
/// assert_eq!(presence.check(), Ok(()));
///
/// // The card is pulled out. A driver that reads all ones confirms that.
/// # fake.remove(address);
/// assert!(!presence.is_gone(), "not detected yet");
/// assert_eq!(presence.confirm().map_err(|gone| gone.address), Err(address));
/// assert!(presence.is_gone());
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
#[derive(Clone)]
pub struct Presence {
    machine: &'static Machine,
    record: Arc<Record>,
}

impl Presence {
    pub(crate) fn new(machine: &'static Machine, record: &Arc<Record>) -> Self {
        Self { machine, record: record.clone() }
    }

    /// Returns the address that the function has or had.
    #[must_use]
    pub fn address(&self) -> Address {
        self.record.address()
    }

    /// Returns whether the function is known to be removed. This is one load, without an access to the function, for packet and
    /// interrupt paths.
    #[inline]
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.record.watch.is_gone()
    }

    /// Checks [`is_gone`](Self::is_gone), for use with `?`.
    ///
    /// # Errors
    /// [`Gone`].
    #[inline]
    pub fn check(&self) -> Result<(), Gone> {
        if self.is_gone() { Err(Gone { address: self.address() }) } else { Ok(()) }
    }

    /// Checks the presence by a read of the ids in configuration space, for a driver that read all ones from a register that
    /// cannot hold them. Can be called from a task or a handler; allocates nothing.
    ///
    /// # Errors
    /// [`Gone`], now and from now on, when no function or another one responds.
    pub fn confirm(&self) -> Result<(), Gone> {
        self.machine.confirm(&self.record)
    }

    /// Waits until the function is known to be removed.
    pub async fn gone(&self) {
        poll_fn(|context| self.poll_gone(context)).await;
    }

    /// Polls for the removal, as [`gone`](Self::gone) does, for hand-written futures.
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

/// Suspends the check of a function's presence while it is reset and may not respond.
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
    /// Marks the function at `address` as removed, when the removal was detected elsewhere (by the port in front of it). Its
    /// driver gets [`Gone`]. The function leaves the inventory with the last of its resources, or at once when it is not
    /// claimed. Returns whether there was a function.
    pub fn mark_removed(&self, address: Address) -> bool {
        self.inventory.find(address).inspect(|record| self.mark_gone(record)).is_some()
    }

    /// Checks the presence of every function, and marks those that do not respond as removed, for machines without hot-plug
    /// events. Returns the number of functions that were removed.
    ///
    /// ```
    /// # use switchboard_testing::{FakeFunction, FakeMachine};
    /// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8)]);
    /// # let machine = fake.machine();
    /// # let address = machine.functions()[0].address;
    /// assert_eq!(machine.check_presence(), 0);
    /// # fake.remove(address);
    /// // The card is pulled out.
    /// assert_eq!(machine.check_presence(), 1);
    /// assert!(machine.functions().is_empty());
    /// ```
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
        let (vendor, device) = record.read_ids();
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
            self.handlers.for_each_vector_of(record.address(), |vector| self.controller.call(vector));
            record.watch.wake();
        }
        self.inventory.forget_if_gone(record);
    }
}
