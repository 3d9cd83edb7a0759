//! The rings of a card with their registers: one or two to receive, one to send.
//!
//! Frames are submitted in batches, since each write to a tail register is an exit under a hypervisor: after eight of them, when
//! the ring is full, and when the stack reads the link state, which it does at the end of each poll.

use alloc::vec::Vec;
use core::task::Waker;

use switchboard::dma::DmaPort;
use switchboard::driver::ProbeError;

use super::descriptors::{DESCRIPTOR_BYTES, Layout};
use super::registers::{RX_RINGS, TDBA, TDH, TDLEN, TDT};
use super::rx_ring::{self, RxFault, RxRing};
use super::shared::Shared;
use super::tx_ring::{self, TxRing};
use crate::planted::planted;

/// The number of frames after which they are submitted.
const SUBMIT_AT: u16 = 8;

/// The rings.
///
/// There is one transmit ring, since frames of a connection in two of them could overtake each other.
#[derive(Debug)]
pub(crate) struct Queues<L> {
    rx: Vec<RxRing<L>>,
    tx: TxRing<L>,
    /// The receive ring that is polled first, in turn.
    first: usize,
}

impl<L: Layout> Queues<L> {
    /// Allocates the rings and writes their addresses to the card. To the card they are empty until [`start`](Self::start).
    pub(crate) fn new(shared: &Shared, dma: &DmaPort, receive_rings: usize) -> Result<Self, ProbeError> {
        let registers = &shared.registers;
        let mut rings = Vec::new();
        for ring in RX_RINGS.iter().take(receive_rings) {
            let rx = RxRing::new(dma, shared.counters.clone())?;
            registers.write_address_pair(&ring.rdba, rx.bus());
            registers.write(&ring.rdlen, (rx_ring::FRAMES * DESCRIPTOR_BYTES).into());
            registers.write(&ring.rdh, 0);
            registers.write(&ring.rdt, 0);
            rings.push(rx);
        }
        shared.watch(rings.iter().map(RxRing::watch).collect());
        let tx = TxRing::new(dma, shared.counters.clone())?;
        registers.write_address_pair(&TDBA, tx.bus());
        registers.write(&TDLEN, (tx_ring::FRAMES * DESCRIPTOR_BYTES).into());
        registers.write(&TDH, 0);
        registers.write(&TDT, 0);
        Ok(Self { rx: rings, tx, first: 0 })
    }

    /// Passes the receive descriptors to the card, whose receiver is enabled.
    pub(crate) fn start(&self, shared: &Shared) {
        for (ring, registers) in self.rx.iter().zip(&RX_RINGS) {
            shared.registers.write(&registers.rdt, ring.tail().into());
        }
    }

    /// Returns the ring and the length of the next frame, if there is one.
    pub(crate) fn poll(&mut self, shared: &Shared) -> Result<Option<(usize, usize)>, RxFault> {
        let count = self.rx.len();
        for turn in 0..count {
            let ring = (self.first + turn) % count;
            let frame = self.rx[ring].poll()?;
            // Dropped frames may have filled a batch.
            return_descriptors(&mut self.rx[ring], shared, ring);
            if let Some(length) = frame {
                // The other ring is next, so that none waits for long.
                self.first = (ring + 1) % count;
                return Ok(Some((ring, length)));
            }
        }
        Ok(None)
    }

    /// Returns whether there is room for a frame. Without it, registers the waker.
    pub(crate) fn has_room(&mut self, shared: &Shared, waker: &Waker) -> bool {
        if self.tx.is_full() {
            self.submit(shared);
            self.tx.reclaim();
        }
        if self.tx.is_full() {
            shared.wake_on_transmit(waker);
            self.tx.reclaim();
        }
        !self.tx.is_full()
    }

    /// Submits the frames that are ready.
    pub(crate) fn submit(&mut self, shared: &Shared) {
        submit(&mut self.tx, shared);
    }

    /// Returns the received frame that [`poll`](Self::poll) found, and the room for another.
    pub(crate) fn tokens<'a>(
        &'a mut self,
        shared: &'a Shared,
        (ring, length): (usize, usize),
    ) -> (RxToken<'a, L>, TxToken<'a, L>) {
        let Self { rx, tx, .. } = self;
        (RxToken { ring: &mut rx[ring], shared, number: ring, length }, TxToken { ring: tx, shared })
    }

    /// Returns the room for a frame, of which [`has_room`](Self::has_room) found some.
    pub(crate) fn tx_token<'a>(&'a mut self, shared: &'a Shared) -> TxToken<'a, L> {
        TxToken { ring: &mut self.tx, shared }
    }
}

/// A received frame.
#[derive(Debug)]
pub struct RxToken<'a, L> {
    ring: &'a mut RxRing<L>,
    shared: &'a Shared,
    number: usize,
    length: usize,
}

impl<L: Layout> embassy_net_driver::RxToken for RxToken<'_, L> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, read: F) -> R {
        let result = read(self.ring.frame(self.length));
        self.ring.release();
        self.shared.counters.count_received();
        return_descriptors(self.ring, self.shared, self.number);
        result
    }
}

/// The room for a frame to send.
#[derive(Debug)]
pub struct TxToken<'a, L> {
    ring: &'a mut TxRing<L>,
    shared: &'a Shared,
}

impl<L: Layout> embassy_net_driver::TxToken for TxToken<'_, L> {
    /// # Panics
    /// Panics when `length` exceeds the 2,048 bytes of a buffer. A stack uses at most the 1,514 of
    /// [`Driver::capabilities`](embassy_net_driver::Driver::capabilities).
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
fn return_descriptors<L: Layout>(ring: &mut RxRing<L>, shared: &Shared, number: usize) {
    if let Some(tail) = ring.tail_update() {
        shared.registers.write(&RX_RINGS[number].rdt, tail.into());
    }
}

/// Submits the frames that are ready.
fn submit<L: Layout>(ring: &mut TxRing<L>, shared: &Shared) {
    if let Some(tail) = ring.tail_update() {
        shared.registers.write(&TDT, tail.into());
    }
}
