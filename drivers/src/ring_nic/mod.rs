//! What cards with rings of descriptors have in common: frames and room are waited for, a network stack gets tokens, and a card
//! that reports what cannot be is quarantined.

mod token;

use alloc::sync::Arc;
use core::fmt;
use core::task::{Context, Waker};

use embassy_net_driver::{Capabilities, LinkState};
use switchboard::config::Address;
use switchboard::driver::ProbeError;
use switchboard::function::{BusPort, Presence};

pub(crate) use self::token::{RxToken, TxToken, network_card};
use crate::interfaces::network::{CardCounters, CardStatistics};

/// The largest Ethernet frame, without its CRC, which the cards append.
const FRAME_BYTES: usize = 1514;

/// The ring of received frames, or several.
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
    /// What the driver alone has of the state of the link.
    type Link;

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

    /// Returns whether the link is up, and registers the task to wake for a change. The card was neither quarantined nor removed.
    fn poll_link(&self, link: &mut Self::Link, context: &mut Context<'_>) -> Result<bool, Self::Fault>;

    /// Returns the statistics that the card keeps, if the driver reads them.
    fn statistics(&self, link: &mut Self::Link) -> Option<CardStatistics> {
        let _ = link;
        None
    }
}

/// The parts of a card.
pub(crate) struct NicParts<S: RingCard> {
    pub(crate) shared: Arc<S>,
    pub(crate) rx: S::Rx,
    pub(crate) tx: S::Tx,
    pub(crate) link: S::Link,
    pub(crate) bus: BusPort,
    /// The name of the driver.
    pub(crate) name: &'static str,
    pub(crate) address: Address,
    pub(crate) mac: [u8; 6],
}

/// A card as a network stack uses it.
pub(crate) struct RingNic<S: RingCard> {
    pub(crate) shared: Arc<S>,
    rx: S::Rx,
    tx: S::Tx,
    link: S::Link,
    was_link_up: bool,
    bus: BusPort,
    name: &'static str,
    address: Address,
    pub(crate) mac: [u8; 6],
    is_quarantined: bool,
    /// The interrupt of received frames is masked, since the caller polls.
    is_polled: bool,
}

impl<S: RingCard> RingNic<S> {
    pub(crate) fn new(parts: NicParts<S>) -> Self {
        let NicParts { shared, rx, tx, link, bus, name, address, mac } = parts;
        Self {
            shared,
            rx,
            tx,
            link,
            was_link_up: false,
            bus,
            name,
            address,
            mac,
            is_quarantined: false,
            is_polled: false,
        }
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

    pub(crate) fn link_state(&mut self, context: &mut Context<'_>) -> LinkState {
        self.shared.submit(&mut self.tx);
        let is_up = !self.is_unusable()
            && self.shared.poll_link(&mut self.link, context).unwrap_or_else(|fault| {
                self.quarantine(&fault);
                false
            });
        if is_up != self.was_link_up {
            self.link_has_changed(is_up);
        }
        if is_up { LinkState::Up } else { LinkState::Down }
    }

    /// Returns the statistics that the card itself keeps, since the probe.
    pub(crate) fn statistics(&mut self) -> CardStatistics {
        self.shared.statistics(&mut self.link).unwrap_or_default()
    }

    /// Logs a change of the link.
    #[cold]
    fn link_has_changed(&mut self, is_up: bool) {
        self.was_link_up = is_up;
        if self.is_unusable() {
            return;
        }
        let Self { name, address, .. } = self;
        let state = if is_up { "up" } else { "down" };
        match self.shared.statistics(&mut self.link) {
            Some(statistics) => log::info!("{address}: {name}: link {state}; {statistics}"),
            None => log::info!("{address}: {name}: link {state}"),
        }
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
            self.shared.submit(&mut self.tx);
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
    fn is_unusable(&self) -> bool {
        self.is_quarantined || self.shared.presence().is_gone()
    }

    /// Quarantines the card after an impossible report: isolates it from the bus, and keeps its link down.
    #[cold]
    fn quarantine(&mut self, fault: &dyn fmt::Display) {
        log::error!("{}: {}: {fault}; the card is quarantined", self.address, self.name);
        self.is_quarantined = true;
        self.bus.isolate();
        self.shared.quiesce();
    }
}

impl<S: RingCard> fmt::Debug for RingNic<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mac, is_quarantined, .. } = self;
        f.debug_struct("RingNic").field("mac", mac).field("is_quarantined", is_quarantined).finish_non_exhaustive()
    }
}

/// Returns the limits of a card.
pub(crate) fn capabilities() -> Capabilities {
    let mut capabilities = Capabilities::default();
    capabilities.max_transmission_unit = FRAME_BYTES;
    capabilities
}

/// Returns the address that two registers hold, low half first.
pub(crate) fn unicast(low: u32, high: u32) -> Result<[u8; 6], ProbeError> {
    let ([a, b, c, d], [e, f, ..]) = (low.to_le_bytes(), high.to_le_bytes());
    let mac = [a, b, c, d, e, f];
    let is_unicast = mac != [0; 6] && a & 1 == 0;
    is_unicast.then_some(mac).ok_or(ProbeError::Device("the card has no unicast address"))
}
