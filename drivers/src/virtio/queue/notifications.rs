//! Notification suppression: which interrupts are requested, and which kicks are needed (virtio 1.2, 2.7.7 and 2.7.10).
//!
//! While a side is busy it asks the other for no notifications. Before it sleeps it (1) stores a request for one and (2) checks
//! the ring again. The other side (3) publishes an entry and (4) checks whether a notification is requested. If the load of (2) or
//! (4) were executed before the store of (1) or (3) is visible, both sides could find nothing to do, and the queue would stall.
//! Hence a store-to-load fence between the two steps of each side. A plain `mfence` does not suffice everywhere: QEMU before 8.1
//! drops it when it emulates a single CPU, while its devices run on other threads. [`device_fence`] handles this case by an exit
//! from the emulated CPU, which costs as much as a kick.
//!
//! So a fence is executed only where the answer would be "not needed". A check without a fence that answers "needed" is wrong in
//! one way only, by one notification too many. A check after an interrupt, or after an earlier fence with no store since, needs no
//! fence of its own.

use switchboard::sync::device_fence;

use super::rings::{Available, Used, passes_event};

/// An event index that is not reached while interrupts are disabled for a short time, and that `QueueWatch` can tell from one that
/// was passed: chains that the device has are fewer.
const FAR_AHEAD: u16 = 0x8000;

/// What each side last requested of the other.
#[derive(Debug)]
pub(super) struct Notifications {
    has_event_index: bool,
    /// The used index at which an interrupt is requested, or any value when it is requested by flag. `None` while interrupts are
    /// disabled.
    enabled_at: Option<u16>,
    /// The available index at the last decision whether to kick.
    decided_at: u16,
    /// Whether a fence was executed since the last chain was offered.
    is_fenced: bool,
}

impl Notifications {
    /// Returns the state of a new queue, whose memory of zeros requests an interrupt for the first chain.
    pub(super) fn new(has_event_index: bool) -> Self {
        Self { has_event_index, enabled_at: Some(0), decided_at: 0, is_fenced: false }
    }

    /// Records that a chain was offered.
    pub(super) fn record_offer(&mut self) {
        self.is_fenced = false;
    }

    /// Returns whether an interrupt is requested for the used chain `event`.
    #[inline]
    pub(super) fn is_enabled_at(&self, event: u16) -> bool {
        match self.enabled_at {
            Some(at) => !self.has_event_index || at == event,
            None => false,
        }
    }

    /// Requests an interrupt once `count` chains beyond `seen` were used. Returns whether they were used already.
    pub(super) fn enable(&mut self, available: &mut Available, used: &Used, seen: u16, count: u16) -> bool {
        // Without the event index a device interrupts for each chain.
        let count = if self.has_event_index { count } else { 1 };
        let are_used = || used.index().wrapping_sub(seen) >= count;
        if are_used() {
            return true;
        }
        let event = seen.wrapping_add(count - 1);
        if self.is_enabled_at(event) {
            // There was a fence when it was requested: for chains used since, the device has sent an interrupt.
            if !self.has_event_index {
                available.set_event(event);
            }
            return false;
        }
        if !self.has_event_index {
            available.set_no_interrupt(false);
        }
        // Without the event index, the device does not read it; `QueueWatch` does.
        available.set_event(event);
        self.enabled_at = Some(event);
        device_fence();
        self.is_fenced = true;
        are_used()
    }

    /// Shows `QueueWatch` that all used chains were taken. Not a request for an interrupt: the next one is made in full.
    pub(super) fn mark_taken(&self, available: &mut Available, seen: u16) {
        // Where interrupts are disabled, the event is far ahead and has to stay there.
        if self.enabled_at.is_some() {
            available.set_event(seen);
        }
    }

    /// Disables interrupts. One that is in flight may still arrive.
    pub(super) fn disable(&mut self, available: &mut Available, seen: u16) {
        if self.enabled_at.take().is_none() {
            return;
        }
        if !self.has_event_index {
            available.set_no_interrupt(true);
        }
        available.set_event(seen.wrapping_add(FAR_AHEAD));
    }

    /// Returns whether the device must be kicked for the chains offered since the last call.
    pub(super) fn needs_kick(&mut self, available: &Available, used: &Used) -> bool {
        let index = available.index();
        if index == self.decided_at {
            return false;
        }
        let is_requested = || match self.has_event_index {
            true => passes_event(used.event(), index, self.decided_at),
            false => !used.no_notify(),
        };
        let mut needs_kick = is_requested();
        if !needs_kick && !self.is_fenced {
            device_fence();
            needs_kick = is_requested();
            self.is_fenced = true;
        }
        self.decided_at = index;
        needs_kick
    }

    /// Returns the number of chains offered since the last decision whether to kick.
    #[inline]
    pub(super) fn unkicked(&self, available: &Available) -> u16 {
        available.index().wrapping_sub(self.decided_at)
    }
}
