//! The card as [`ring_nic`](crate::ring_nic) drives it.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use core::task::{Context, Waker};

use switchboard::event::Waiter;
use switchboard::function::Presence;

use super::registers::{Causes, TPPOLL, TPPOLL_NORMAL};
use super::ring::{RxRing, TooLong, TxRing};
use super::shared::Shared;
use crate::interfaces::network::CardCounters;
use crate::ring_nic::RingCard;

impl RingCard for Shared {
    type Rx = RxRing;
    type Tx = TxRing;
    type Fault = TooLong;
    type Link = Waiter;

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
        match is_masked {
            true => self.disable(Causes::RECEIVE),
            false => self.enable(Causes::RECEIVE),
        }
    }

    fn wake_on_receive(&self, waker: &Waker) {
        self.received.register(waker);
    }

    fn wake_on_transmit(&self, waker: &Waker) {
        Self::wake_on_transmit(self, waker);
    }

    fn poll(&self, rx: &mut RxRing) -> Result<Option<usize>, TooLong> {
        rx.poll(&self.counters)
    }

    fn submit(&self, tx: &mut TxRing) {
        if tx.take_unsubmitted() {
            self.registers.write(&TPPOLL, TPPOLL_NORMAL);
        }
    }

    fn reclaim(&self, tx: &mut TxRing) -> Result<(), TooLong> {
        tx.reclaim(&self.counters);
        Ok(())
    }

    fn poll_link(&self, changed: &mut Waiter, context: &mut Context<'_>) -> Result<bool, TooLong> {
        while changed.poll_wait(context).is_ready() {
            self.read_link();
        }
        Ok(self.is_link_up.load(Ordering::Relaxed))
    }
}
