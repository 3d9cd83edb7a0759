//! The interface of the device to a network stack.

use core::task::{Context, Waker};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState};

use super::Vmxnet3;
use super::registers::{ECR, EVENT_LINK, EVENT_QUEUE_ERROR, RXPROD, TXPROD};
use super::ring::{RxRing, TxRing};
use super::shared::Shared;
use crate::interfaces::network::NetworkCard;

/// The largest Ethernet frame, without its CRC.
const FRAME_BYTES: usize = 1514;
/// The number of frames after which they are submitted, since each notification is an exit under a hypervisor.
const SUBMIT_AT: u16 = 8;

impl Driver for Vmxnet3 {
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
        self.shared.wake_on_event(context.waker());
        if !self.is_unusable() {
            self.serve_events();
        }
        if self.is_link_up && !self.is_unusable() { LinkState::Up } else { LinkState::Down }
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

impl NetworkCard for Vmxnet3 {
    fn set_polled(&mut self, is_polled: bool) {
        self.is_polled = is_polled;
        self.shared.mask_received(is_polled);
    }
}

impl Vmxnet3 {
    /// Serves the events, which the device reports in memory.
    fn serve_events(&mut self) {
        let events = self.structures.events();
        if events == 0 {
            return;
        }
        self.shared.registers.write(&ECR, events);
        if events & EVENT_QUEUE_ERROR != 0 {
            self.quarantine(&"a queue has stopped with an error");
        } else if events & EVENT_LINK != 0 {
            self.is_link_up = self.shared.is_link_up();
        }
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
        let frame = self.rx.poll(&self.shared.counters);
        // Dropped frames may have filled a batch.
        return_descriptors(&mut self.rx, &self.shared);
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
            submit(&mut self.tx, &self.shared);
            self.reclaim();
        }
        if self.tx.is_full() && !self.is_quarantined {
            self.shared.wake_on_transmit(waker);
            self.reclaim();
        }
        !self.tx.is_full() && !self.is_quarantined
    }

    fn reclaim(&mut self) {
        if let Err(fault) = self.tx.reclaim() {
            self.quarantine(&fault);
        }
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
        return_descriptors(self.ring, self.shared);
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

/// Notifies the device of the descriptors that it was given back, once there is a batch of them.
fn return_descriptors(ring: &mut RxRing, shared: &Shared) {
    if let Some(producer) = ring.producer_update() {
        shared.doorbells.write(&RXPROD, producer.into());
    }
}

/// Notifies the device of the frames that are ready.
fn submit(ring: &mut TxRing, shared: &Shared) {
    if let Some(producer) = ring.producer_update() {
        shared.doorbells.write(&TXPROD, producer.into());
    }
}
