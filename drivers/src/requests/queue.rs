//! The queue of a block device, as [`Requests`](super::Requests) uses it.

use alloc::boxed::Box;

/// A request with its index among all requests of the device.
pub(crate) trait Indexed {
    /// Returns the index.
    fn index(&self) -> usize;
}

/// A finished request, with what the device reports of it.
pub(crate) type Finished<Q> = (Box<<Q as RequestQueue>::Request>, <Q as RequestQueue>::Report);

/// A queue of requests to a device, with notifications (interrupts) for finished ones.
pub(crate) trait RequestQueue {
    /// A request, with the memory that the device accesses.
    type Request: Indexed;
    /// What the device reports of a finished request.
    type Report;
    /// The violation of a protocol, or the end of the queue.
    type Error;

    /// Adds a request. The device may not see it before the next [`kick`](Self::kick).
    fn submit(&mut self, request: Box<Self::Request>) -> Result<(), (Self::Error, Box<Self::Request>)>;

    /// Takes the next finished request.
    fn complete(&mut self) -> Result<Option<Finished<Self>>, Self::Error>
    where
        Self: Sized;

    /// Returns whether there is a finished request.
    fn has_used(&self) -> bool;

    /// Notifies the device of all requests that were submitted since the last call.
    fn kick(&mut self);

    /// Returns the number of requests that were submitted since the last kick.
    fn unkicked(&self) -> u16;

    /// Returns the number of requests that the device owns.
    fn in_flight(&self) -> u16;

    /// Requests an interrupt for the next finished request. Returns whether there is one already, for which there may be no
    /// interrupt.
    fn enable_notifications(&mut self) -> bool;

    /// Allows the device to send no interrupts.
    fn disable_notifications(&mut self);

    /// Shows the watch of interrupts that all finished requests were taken. Called when the device has none left.
    fn mark_taken(&mut self) {}

    /// Declares the queue dead: all later calls fail.
    fn abandon(&mut self);
}
