//! The interface of the card to a network stack.

use core::sync::atomic::Ordering;
use core::task::{Context, Waker};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState};

use super::Rtl8139;
use super::registers::{Causes, TPPOLL, TPPOLL_NORMAL};
use super::ring::{RxRing, TxRing};
use super::shared::Shared;
use crate::interfaces::network::NetworkCard;

/// The largest Ethernet frame, without its CRC, which the card appends.
const FRAME_BYTES: usize = 1514;
/// The number of frames after which the card is notified, since each notification is an exit under a hypervisor.
const SUBMIT_AT: u16 = 8;

impl Driver for Rtl8139 {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, context: &mut Context<'_>) -> Option<(RxToken<'_>, TxToken<'_>)> {
        let length = self.next_frame(context.waker())?;
        self.has_room(context.waker()).then_some((
            RxToken { ring: &mut self.rx, shared: &self.shared, length },
            TxToken { ring: &mut self.tx, shared: &self.shared },
        ))
    }

    fn transmit(&mut self, context: &mut Context<'_>) -> Option<TxToken<'_>> {
        self.has_room(context.waker()).then_some(TxToken { ring: &mut self.tx, shared: &self.shared })
    }

    fn link_state(&mut self, context: &mut Context<'_>) -> LinkState {
        submit(&mut self.tx, &self.shared);
        while self.link_changed.poll_wait(context).is_ready() {
            self.shared.read_link();
        }
        let is_up = self.shared.is_link_up.load(Ordering::Relaxed) && !self.is_unusable();
        if is_up { LinkState::Up } else { LinkState::Down }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME_BYTES;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.mac)
    }
}

impl NetworkCard for Rtl8139 {
    fn set_polled(&mut self, is_polled: bool) {
        self.is_polled = is_polled;
        match is_polled {
            true => self.shared.disable(Causes::RECEIVE),
            false => self.shared.enable(Causes::RECEIVE),
        }
    }
}

impl Rtl8139 {
    /// Returns the length of the next frame. Without one, registers the waker, unless the caller polls. The ring is then checked
    /// again: the interrupt of a frame that arrived before the waker was registered has woken no task.
    fn next_frame(&mut self, waker: &Waker) -> Option<usize> {
        self.poll_frame().or_else(|| {
            if self.is_polled {
                return None;
            }
            self.shared.received.register(waker);
            self.poll_frame()
        })
    }

    fn poll_frame(&mut self) -> Option<usize> {
        if self.is_unusable() {
            return None;
        }
        self.rx.poll(&self.shared.counters).unwrap_or_else(|fault| {
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
            submit(&mut self.tx, &self.shared);
            self.tx.reclaim(&self.shared.counters);
        }
        if self.tx.is_full() {
            self.shared.wake_on_transmit(waker);
            self.tx.reclaim(&self.shared.counters);
        }
        !self.tx.is_full()
    }
}

/// A received frame.
#[derive(Debug)]
pub struct RxToken<'a> {
    ring: &'a mut RxRing,
    shared: &'a Shared,
    length: usize,
}

impl embassy_net_driver::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, read: F) -> R {
        let result = read(self.ring.frame(self.length));
        self.ring.release();
        self.shared.counters.count_received();
        result
    }
}

/// The room for a frame to send.
#[derive(Debug)]
pub struct TxToken<'a> {
    ring: &'a mut TxRing,
    shared: &'a Shared,
}

impl embassy_net_driver::TxToken for TxToken<'_> {
    /// # Panics
    /// Panics when `length` exceeds the 2,048 bytes of a buffer. A stack uses at most the 1,514 of [`Driver::capabilities`].
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, build: F) -> R {
        let result = build(&mut self.ring.buffer()[..length]);
        self.ring.push(length);
        self.shared.counters.count_sent();
        if self.ring.unsubmitted() >= SUBMIT_AT {
            submit(self.ring, self.shared);
        }
        result
    }
}

/// Notifies the card of the frames that are ready.
fn submit(ring: &mut TxRing, shared: &Shared) {
    if ring.take_unsubmitted() {
        shared.registers.write(&TPPOLL, TPPOLL_NORMAL);
    }
}
