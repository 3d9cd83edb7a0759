//! What cards with one ring in each direction have in common: frames and room are waited for, a network stack gets tokens, and a card
//! that reports what cannot be is quarantined.

use alloc::sync::Arc;
use core::fmt;
use core::task::{Context, Waker};

use embassy_net_driver::Capabilities;
use switchboard::config::Address;
use switchboard::function::{BusPort, Presence};

use crate::interfaces::network::CardCounters;

/// The largest Ethernet frame, without its CRC, which the cards append.
const FRAME_BYTES: usize = 1514;
/// The number of frames after which they are submitted, since each notification is an exit under a hypervisor.
const SUBMIT_AT: u16 = 8;

/// A ring of received frames.
pub trait ReceiveRing {
    /// Returns the frame that the card has completed, which has this length.
    fn frame(&mut self, length: usize) -> &mut [u8];

    /// Gives the buffer of the frame back.
    fn release(&mut self);
}

/// A ring of frames to send.
pub trait TransmitRing {
    /// Returns whether no buffer is free.
    fn is_full(&self) -> bool;

    /// Returns the next buffer. There is one.
    fn buffer(&mut self) -> &mut [u8];

    /// Adds the frame of this length that is in the buffer.
    fn push(&mut self, length: usize);

    /// Returns the number of frames of which the card was not notified.
    fn unsubmitted(&self) -> u16;
}

/// The registers and wakers of a card, which its handlers share with the driver.
pub trait RingCard {
    /// The ring of received frames.
    type Rx: ReceiveRing;
    /// The ring of frames to send.
    type Tx: TransmitRing;
    /// A report of the card that cannot be.
    type Fault: fmt::Display;

    /// Returns the counters of the driver.
    fn counters(&self) -> &Arc<CardCounters>;

    /// Returns the presence of the card on the bus.
    fn presence(&self) -> &Presence;

    /// Stops interrupts and DMA.
    fn quiesce(&self);

    /// Masks or unmasks the interrupt of received frames.
    fn mask_received(&self, is_masked: bool);

    /// Registers the task to wake for a frame.
    fn wake_on_receive(&self, waker: &Waker);

    /// Registers the task to wake for room, and unmasks the interrupt of sent frames.
    fn wake_on_transmit(&self, waker: &Waker);

    /// Returns the length of the next frame, if there is one.
    fn poll(&self, rx: &mut Self::Rx) -> Result<Option<usize>, Self::Fault>;

    /// Notifies the card of buffers that were given back, where it has to be.
    fn return_buffers(&self, rx: &mut Self::Rx) {
        let _ = rx;
    }

    /// Notifies the card of the frames that are ready.
    fn submit(&self, tx: &mut Self::Tx);

    /// Takes the buffers of sent frames back.
    fn reclaim(&self, tx: &mut Self::Tx) -> Result<(), Self::Fault>;
}

/// The place of a card: its driver, function and connection to the bus.
pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) address: Address,
    pub(crate) bus: BusPort,
}

/// A card as a network stack uses it.
pub(crate) struct RingNic<S: RingCard> {
    pub(crate) shared: Arc<S>,
    rx: S::Rx,
    tx: S::Tx,
    place: Place,
    is_quarantined: bool,
    /// The interrupt of received frames is masked, since the caller polls.
    is_polled: bool,
}

impl<S: RingCard> RingNic<S> {
    pub(crate) const fn new(shared: Arc<S>, rx: S::Rx, tx: S::Tx, place: Place) -> Self {
        Self { shared, rx, tx, place, is_quarantined: false, is_polled: false }
    }

    pub(crate) fn receive(&mut self, context: &mut Context<'_>) -> Option<(RxToken<'_, S>, TxToken<'_, S>)> {
        let length = self.next_frame(context.waker())?;
        let has_room = self.has_room(context.waker());
        let Self { shared, rx, tx, .. } = self;
        has_room.then_some((RxToken { ring: rx, shared, length }, TxToken { ring: tx, shared }))
    }

    pub(crate) fn transmit(&mut self, context: &mut Context<'_>) -> Option<TxToken<'_, S>> {
        self.has_room(context.waker()).then_some(TxToken { ring: &mut self.tx, shared: &self.shared })
    }

    /// Notifies the card of the frames that are ready.
    pub(crate) fn submit(&mut self) {
        self.shared.submit(&mut self.tx);
    }

    pub(crate) fn set_polled(&mut self, is_polled: bool) {
        self.is_polled = is_polled;
        self.shared.mask_received(is_polled);
    }

    /// Returns the length of the next frame. Without one, registers the waker, unless the caller polls. The ring is then polled
    /// again: the interrupt of a frame that arrived before the waker was registered has woken no task.
    fn next_frame(&mut self, waker: &Waker) -> Option<usize> {
        self.poll_frame().or_else(|| {
            if self.is_polled {
                return None;
            }
            self.shared.wake_on_receive(waker);
            self.poll_frame()
        })
    }

    fn poll_frame(&mut self) -> Option<usize> {
        if self.is_unusable() {
            return None;
        }
        let frame = self.shared.poll(&mut self.rx);
        // Dropped frames may have filled a batch.
        self.shared.return_buffers(&mut self.rx);
        frame.unwrap_or_else(|fault| {
            self.quarantine(&fault);
            None
        })
    }

    /// Returns whether there is room for a frame. Without it, registers the waker.
    fn has_room(&mut self, waker: &Waker) -> bool {
        if self.is_unusable() {
            return false;
        }
        if self.tx.is_full() {
            self.submit();
            self.reclaim();
        }
        if self.tx.is_full() && !self.is_quarantined {
            self.shared.wake_on_transmit(waker);
            self.reclaim();
        }
        !self.tx.is_full() && !self.is_quarantined
    }

    fn reclaim(&mut self) {
        if let Err(fault) = self.shared.reclaim(&mut self.tx) {
            self.quarantine(&fault);
        }
    }

    /// Returns whether the card was quarantined or removed.
    pub(crate) fn is_unusable(&self) -> bool {
        self.is_quarantined || self.shared.presence().is_gone()
    }

    /// Quarantines the card after an impossible report: isolates it from the bus, and keeps its link down.
    #[cold]
    pub(crate) fn quarantine(&mut self, fault: &dyn fmt::Display) {
        let Place { name, address, bus } = &self.place;
        log::error!("{address}: {name}: {fault}; the card is quarantined");
        self.is_quarantined = true;
        bus.isolate();
        self.shared.quiesce();
    }
}

/// Returns the limits of a card.
pub(crate) fn capabilities() -> Capabilities {
    let mut capabilities = Capabilities::default();
    capabilities.max_transmission_unit = FRAME_BYTES;
    capabilities
}

/// A received frame.
pub struct RxToken<'a, S: RingCard> {
    ring: &'a mut S::Rx,
    shared: &'a S,
    length: usize,
}

impl<S: RingCard> embassy_net_driver::RxToken for RxToken<'_, S> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, read: F) -> R {
        let result = read(self.ring.frame(self.length));
        self.ring.release();
        self.shared.counters().count_received();
        self.shared.return_buffers(self.ring);
        result
    }
}

/// The room for a frame to send.
pub struct TxToken<'a, S: RingCard> {
    ring: &'a mut S::Tx,
    shared: &'a S,
}

impl<S: RingCard> embassy_net_driver::TxToken for TxToken<'_, S> {
    /// # Panics
    /// Panics when `length` exceeds the 2,048 bytes of a buffer. A stack uses at most the 1,514 of its capabilities.
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, build: F) -> R {
        let result = build(&mut self.ring.buffer()[..length]);
        self.ring.push(length);
        self.shared.counters().count_sent();
        if self.ring.unsubmitted() >= SUBMIT_AT {
            self.shared.submit(self.ring);
        }
        result
    }
}

impl<S: RingCard> fmt::Debug for RxToken<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RxToken").field("length", &self.length).finish_non_exhaustive()
    }
}

impl<S: RingCard> fmt::Debug for TxToken<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TxToken").finish_non_exhaustive()
    }
}
