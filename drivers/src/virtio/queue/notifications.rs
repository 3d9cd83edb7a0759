//! Who wakes whom: interrupts asked for, kicks needed (virtio 1.2, 2.7.7 and 2.7.10).
//!
//! Each side may tell the other not to bother it while it is busy. Before it sleeps it (1) says what would wake it
//! and (2) looks once more. The other side (3) publishes and (4) looks whether a wake-up is wanted. If (2) or (4) could
//! be loaded before the store of (1) or (3) is seen, both sides could find nothing to do: the queue stalls for good,
//! or until unrelated traffic. Hence a store-to-load fence between the halves. A plain `mfence` is not enough
//! everywhere: QEMU before 8.1 drops it when it emulates a single CPU, while its devices run on threads of their own.
//! [`device_fence`] knows about that, and leaves the emulated CPU there, which costs as much as a kick.
//!
//! So a fence is paid only where the answer would be "no need". A look without one that says "wake" can be wrong in one
//! way only, which is a wake-up too many; and a look that follows an interrupt, or an earlier fence behind which nothing
//! was stored, needs none of its own.

use switchboard::sync::device_fence;

use super::rings::{Available, Used, passed};

/// What each side was last told of the other.
#[derive(Debug)]
pub(super) struct Notifications {
    has_event_index: bool,
    /// The used index (by flag: any) at which the device was last told to interrupt.
    armed: Option<u16>,
    /// The available index at the last decision whether to kick.
    decided: u16,
    /// Whether a fence came after the last chain was offered.
    is_fenced: bool,
}

impl Notifications {
    /// Of a fresh queue, all zeroes: interrupt at once.
    pub(super) fn new(has_event_index: bool) -> Self {
        Self { has_event_index, armed: Some(0), decided: 0, is_fenced: false }
    }

    /// A chain was offered.
    pub(super) fn offered(&mut self) {
        self.is_fenced = false;
    }

    /// Asks for an interrupt once `count` chains beyond `seen` were used; whether they have been already.
    pub(super) fn arm(&mut self, available: &mut Available, used: &Used, seen: u16, count: u16) -> bool {
        // Without the event index a device cannot count, and says each one.
        let count = if self.has_event_index { count } else { 1 };
        let have_come = || used.index().wrapping_sub(seen) >= count;
        if have_come() {
            return true;
        }
        let event = seen.wrapping_add(count - 1);
        let is_armed = if self.has_event_index { self.armed == Some(event) } else { self.armed.is_some() };
        if is_armed {
            // And fenced then: whatever came since has raised its interrupt.
            return false;
        }
        if self.has_event_index {
            available.set_event(event);
        } else {
            available.set_quiet(false);
        }
        self.armed = Some(event);
        device_fence();
        self.is_fenced = true;
        have_come()
    }

    /// Asks for no interrupts. One that is under way may still come.
    pub(super) fn disarm(&mut self, available: &mut Available, seen: u16) {
        if self.armed.take().is_none() {
            return;
        }
        if self.has_event_index {
            // As far ahead as an index can be.
            available.set_event(seen.wrapping_sub(1));
        } else {
            available.set_quiet(true);
        }
    }

    /// Whether the device must be kicked for what was offered since this was last asked.
    pub(super) fn needs_kick(&mut self, available: &Available, used: &Used) -> bool {
        let index = available.index();
        if index == self.decided {
            return false;
        }
        let is_wanted = || match self.has_event_index {
            true => passed(used.event(), index, self.decided),
            false => !used.is_quiet(),
        };
        let mut needs_kick = is_wanted();
        if !needs_kick && !self.is_fenced {
            device_fence();
            needs_kick = is_wanted();
            self.is_fenced = true;
        }
        self.decided = index;
        needs_kick
    }

    /// Chains offered since the last decision whether to kick.
    pub(super) fn unkicked(&self, available: &Available) -> u16 {
        available.index().wrapping_sub(self.decided)
    }
}
