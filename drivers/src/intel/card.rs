//! The card as [`ring_nic`](crate::ring_nic) drives it: its rings with their registers, one or two to receive and one to send.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::task::{Context, Waker};

use switchboard::dma::DmaPort;
use switchboard::driver::ProbeError;
use switchboard::event::Waiter;
use switchboard::function::Presence;

use super::descriptors::{DESCRIPTOR_BYTES, Layout};
use super::registers::{CRCERRS, MPC, RX_RINGS, TDBA, TDH, TDLEN, TDT};
use super::rx_ring::{self, RxFault, RxRing};
use super::shared::Shared;
use super::tx_ring::{self, TxRing};
use crate::interfaces::network::{CardCounters, CardStatistics};
use crate::ring_nic::{ReceiveRing, RingCard};

/// The receive rings.
#[derive(Debug)]
pub struct RxRings<L> {
    rings: Vec<RxRing<L>>,
    /// The ring of the last frame.
    current: usize,
}

impl<L: Layout> RxRings<L> {
    /// Allocates the first `count` rings and writes their addresses to the card. To the card they are empty until
    /// [`start`](Self::start).
    pub(crate) fn new(shared: &Shared<L>, dma: &DmaPort, count: usize) -> Result<Self, ProbeError> {
        let registers = &shared.registers;
        let mut rings = Vec::new();
        for ring in RX_RINGS.iter().take(count) {
            let rx = RxRing::new(dma, shared.counters.clone())?;
            registers.write_address_pair(&ring.rdba, rx.bus());
            registers.write(&ring.rdlen, (rx_ring::FRAMES * DESCRIPTOR_BYTES).into());
            registers.write(&ring.rdh, 0);
            registers.write(&ring.rdt, 0);
            rings.push(rx);
        }
        shared.watch(rings.iter().map(RxRing::watch).collect());
        // The first is polled first.
        let current = rings.len().saturating_sub(1);
        Ok(Self { rings, current })
    }

    /// Passes the receive descriptors to the card, whose receiver is enabled.
    pub(crate) fn start(&self, shared: &Shared<L>) {
        for (ring, registers) in self.rings.iter().zip(&RX_RINGS) {
            shared.registers.write(&registers.rdt, ring.tail().into());
        }
    }
}

impl<L: Layout> ReceiveRing for RxRings<L> {
    fn frame(&mut self, length: usize) -> &mut [u8] {
        self.rings[self.current].frame(length)
    }

    fn release(&mut self) {
        self.rings[self.current].release();
    }
}

impl<L: Layout> TxRing<L> {
    /// Allocates the ring and writes its address to the card.
    ///
    /// There is one, since frames of a connection in two of them could overtake each other.
    pub(crate) fn of_card(shared: &Shared<L>, dma: &DmaPort) -> Result<Self, ProbeError> {
        let tx = Self::new(dma, shared.counters.clone())?;
        let registers = &shared.registers;
        registers.write_address_pair(&TDBA, tx.bus());
        registers.write(&TDLEN, (tx_ring::FRAMES * DESCRIPTOR_BYTES).into());
        registers.write(&TDH, 0);
        registers.write(&TDT, 0);
        Ok(tx)
    }
}

/// The events of the link, and the statistics since the probe.
#[derive(Debug)]
pub struct Link {
    changed: Waiter,
    statistics: CardStatistics,
}

impl Link {
    pub(crate) fn new(changed: Waiter) -> Self {
        Self { changed, statistics: CardStatistics::default() }
    }
}

impl<L: Layout> RingCard for Shared<L> {
    type Rx = RxRings<L>;
    type Tx = TxRing<L>;
    type Fault = RxFault;
    type Link = Link;

    fn counters(&self) -> &Arc<CardCounters> {
        &self.counters
    }

    fn presence(&self) -> &Presence {
        &self.presence
    }

    fn quiesce(&self) {
        self.quiesce();
    }

    fn mask_received(&self, is_masked: bool) {
        self.mask_received(is_masked);
    }

    fn wake_on_receive(&self, waker: &Waker) {
        self.wake_on_receive(waker);
    }

    fn wake_on_transmit(&self, waker: &Waker) {
        self.wake_on_transmit(waker);
    }

    fn poll(&self, rx: &mut RxRings<L>) -> Result<Option<usize>, RxFault> {
        let RxRings { rings, current } = rx;
        for _ in 0..rings.len() {
            // Another ring is first each time, so that none waits for long.
            *current = (*current + 1) % rings.len();
            if let Some(length) = rings[*current].poll()? {
                return Ok(Some(length));
            }
        }
        Ok(None)
    }

    fn return_buffers(&self, rx: &mut RxRings<L>) {
        for (ring, registers) in rx.rings.iter_mut().zip(&RX_RINGS) {
            if let Some(tail) = ring.tail_update() {
                self.registers.write(&registers.rdt, tail.into());
            }
        }
    }

    fn submit(&self, tx: &mut TxRing<L>) {
        if let Some(tail) = tx.tail_update() {
            self.registers.write(&TDT, tail.into());
        }
    }

    fn reclaim(&self, tx: &mut TxRing<L>) -> Result<(), RxFault> {
        tx.reclaim();
        Ok(())
    }

    fn poll_link(&self, link: &mut Link, context: &mut Context<'_>) -> Result<bool, RxFault> {
        while link.changed.poll_wait(context).is_ready() {
            self.read_link();
        }
        Ok(self.is_link_up())
    }

    /// Adds the registers of the card. Reading clears these 32-bit registers, so each read has to be added.
    fn statistics(&self, link: &mut Link) -> Option<CardStatistics> {
        let read = |register| match self.registers.read(register) {
            // A card that was removed.
            u32::MAX => 0,
            count => u64::from(count),
        };
        link.statistics.missed += read(&MPC);
        link.statistics.crc_errors += read(&CRCERRS);
        Some(link.statistics)
    }
}
