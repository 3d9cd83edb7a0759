//! The interface of the card to a network stack.
//!
//! Frames are submitted in batches, since each write to a tail register is an exit under a hypervisor: after eight of them, when
//! the ring is full, and when the stack reads the link state, which it does at the end of each poll.

use core::task::{Context, Poll, Waker};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState};

use super::E1000;
use super::interrupt::{E1000Statistics, Shared};
use super::registers::{RDT, TDT};
use super::rx_ring::RxRing;
use super::tx_ring::TxRing;
use crate::interfaces::network::NetworkCard;
use crate::planted::planted;

/// The largest Ethernet frame, without its CRC, which the card appends.
const FRAME_BYTES: usize = 1514;
/// The number of frames after which they are submitted.
const SUBMIT_AT: u16 = 8;

impl Driver for E1000 {
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
        let Poll::Pending = self.link_work.as_mut().poll(context);
        let is_up = self.shared.is_link_up() && !self.is_unusable();
        if is_up != self.was_link_up {
            self.link_has_changed(is_up);
        }
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

impl NetworkCard for E1000 {
    fn set_polled(&mut self, is_polled: bool) {
        self.is_polled = is_polled;
        self.shared.mask_received(is_polled);
    }
}

impl E1000 {
    /// Logs a change of the link.
    #[cold]
    fn link_has_changed(&mut self, is_up: bool) {
        self.was_link_up = is_up;
        if !self.is_unusable() {
            let E1000Statistics { missed, crc_errors } = self.statistics();
            let state = if is_up { "up" } else { "down" };
            log::info!("{}: e1000: link {state}; {missed} frames missed, {crc_errors} CRC errors", self.address);
        }
    }

    /// Returns the length of the next frame. Without one, registers the waker, unless the caller polls. The ring is then checked
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
        match self.rx.poll() {
            Ok(frame) => {
                // Dropped frames may have filled a batch.
                return_descriptors(&mut self.rx, &self.shared);
                frame
            }
            Err(fault) => {
                self.quarantine(&fault);
                None
            }
        }
    }

    /// Returns whether there is room for a frame. Without it, registers the waker.
    fn has_room(&mut self, waker: &Waker) -> bool {
        if self.is_unusable() {
            return false;
        }
        if self.tx.is_full() {
            submit(&mut self.tx, &self.shared);
            self.tx.reclaim();
        }
        if self.tx.is_full() {
            self.shared.wake_on_transmit(waker);
            self.tx.reclaim();
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
        planted!("e1000-doorbell-first" => self.shared.registers.write(&TDT, self.ring.following().into()));
        let result = build(&mut self.ring.buffer()[..length]);
        self.ring.push(length);
        if self.ring.unsubmitted() >= SUBMIT_AT {
            submit(self.ring, self.shared);
        }
        result
    }
}

/// Returns released receive descriptors to the card, once there is a batch of them.
fn return_descriptors(ring: &mut RxRing, shared: &Shared) {
    if let Some(tail) = ring.tail_update() {
        shared.registers.write(&RDT, tail.into());
    }
}

/// Submits the frames that are ready.
fn submit(ring: &mut TxRing, shared: &Shared) {
    if let Some(tail) = ring.tail_update() {
        shared.registers.write(&TDT, tail.into());
    }
}
