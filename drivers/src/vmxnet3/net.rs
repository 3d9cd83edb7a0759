//! The device as [`ring_nic`](crate::ring_nic) drives it.

use alloc::sync::Arc;
use core::task::{Context, Waker};

use switchboard::function::Presence;

use super::registers::{ECR, EVENT_LINK, EVENT_QUEUE_ERROR, RXPROD, TXPROD};
use super::ring::{Fault, RxRing, TxRing};
use super::shared::Shared;
use super::structures::Structures;
use crate::interfaces::network::CardCounters;
use crate::ring_nic::RingCard;

/// The state of the link, and the memory in which the device reports that it has changed.
#[derive(Debug)]
pub struct Link {
    pub(super) structures: Structures,
    pub(super) is_up: bool,
}

impl RingCard for Shared {
    type Rx = RxRing;
    type Tx = TxRing;
    type Fault = Fault;
    type Link = Link;

    fn counters(&self) -> &Arc<CardCounters> {
        &self.counters
    }

    fn presence(&self) -> &Presence {
        &self.presence
    }

    fn quiesce(&self) {
        Self::quiesce(self);
    }

    fn mask_received(&self, is_masked: bool) {
        Self::mask_received(self, is_masked);
    }

    fn wake_on_receive(&self, waker: &Waker) {
        Self::wake_on_receive(self, waker);
    }

    fn wake_on_transmit(&self, waker: &Waker) {
        Self::wake_on_transmit(self, waker);
    }

    fn poll(&self, rx: &mut RxRing) -> Result<Option<usize>, Fault> {
        rx.poll(&self.counters)
    }

    fn return_buffers(&self, rx: &mut RxRing) {
        if let Some(producer) = rx.producer_update() {
            self.doorbells.write(&RXPROD, producer.into());
        }
    }

    fn submit(&self, tx: &mut TxRing) {
        if let Some(producer) = tx.producer_update() {
            self.doorbells.write(&TXPROD, producer.into());
        }
    }

    fn reclaim(&self, tx: &mut TxRing) -> Result<(), Fault> {
        tx.reclaim()
    }

    /// Serves the events, which the device reports in memory.
    fn poll_link(&self, link: &mut Link, context: &mut Context<'_>) -> Result<bool, Fault> {
        self.wake_on_event(context.waker());
        let events = link.structures.events();
        if events != 0 {
            self.registers.write(&ECR, events);
        }
        if events & EVENT_QUEUE_ERROR != 0 {
            return Err(Fault::Queue);
        }
        if events & EVENT_LINK != 0 {
            link.is_up = self.is_link_up();
        }
        Ok(link.is_up)
    }
}
