//! What a driver shows of its device's activity, for the machine's watch of interrupts and requests.

/// What a driver's handler context shows of the device's activity, for one message or for the line.
///
/// [`Machine::check_interrupts`](crate::machine::Machine::check_interrupts) compares it with the calls of the handler. It
/// finds interrupts that do not arrive, and requests that do not finish.
///
/// ```
/// use switchboard::interrupt::Activity;
///
/// // A completion queue has an entry that the driver has not taken, at index 7. Three requests are in flight, 40 are done.
/// let queue = Activity::pending_at(7).with_requests(3, 40);
/// // The line of a device serves all of its queues.
/// let other = Activity::IDLE.with_requests(1, 5);
/// assert_eq!(queue.and(other).requests(), (4, 45));
/// assert_eq!(queue.and(other).pending(), Some(7));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Activity {
    pending: Option<u32>,
    outstanding: u32,
    finished: u32,
    is_unresponsive: bool,
}

impl Activity {
    /// Nothing is pending, and no request is in flight. What the default methods of handlers return.
    pub const IDLE: Self = Self { pending: None, outstanding: 0, finished: 0, is_unresponsive: false };

    /// A register that cannot hold all ones reads them. When it does so again 50 ms later, the function is treated as removed, even if
    /// its configuration space responds.
    pub const UNRESPONSIVE: Self = Self { is_unresponsive: true, ..Self::IDLE };

    /// Returns the activity of a device that has something to report, which it should have interrupted for, and which the
    /// driver has not taken: an interrupt cause, or entries of a ring at which an interrupt was requested.
    ///
    /// `position` changes when the driver takes what was reported: an index in the ring; for a cause that the handler
    /// acknowledges, any constant.
    #[must_use]
    pub const fn pending_at(position: u32) -> Self {
        Self { pending: Some(position), ..Self::IDLE }
    }

    /// Returns [`pending_at`](Self::pending_at) if `position` is `Some`, else [`IDLE`](Self::IDLE).
    #[must_use]
    pub const fn pending_if(position: Option<u32>) -> Self {
        Self { pending: position, ..Self::IDLE }
    }

    /// Adds the requests that the device has and finishes by itself: not buffers that wait for an event, such as a frame.
    /// `finished` is any number that changes when the device finishes one.
    #[must_use]
    pub const fn with_requests(self, outstanding: u32, finished: u32) -> Self {
        Self { outstanding, finished, ..self }
    }

    /// Returns the activity of two queues that share an interrupt.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        let pending = if self.pending.is_some() { self.pending } else { other.pending };
        let outstanding = self.outstanding.saturating_add(other.outstanding);
        let is_unresponsive = self.is_unresponsive || other.is_unresponsive;
        Self { pending, outstanding, finished: self.finished.wrapping_add(other.finished), is_unresponsive }
    }

    /// Returns the position of what is pending.
    #[must_use]
    pub const fn pending(self) -> Option<u32> {
        self.pending
    }

    /// Returns whether the registers of the device read all ones.
    #[must_use]
    pub const fn is_unresponsive(self) -> bool {
        self.is_unresponsive
    }

    /// Returns the number of requests in flight, and the number that changes when one is finished.
    #[must_use]
    pub const fn requests(self) -> (u32, u32) {
        (self.outstanding, self.finished)
    }
}
