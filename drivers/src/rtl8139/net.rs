//! The interface of the card to a network stack.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use core::task::{Context, Waker};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState};
use switchboard::function::Presence;

use super::Rtl8139;
use super::registers::{Causes, TPPOLL, TPPOLL_NORMAL};
use super::ring::{RxRing, TooLong, TxRing};
use super::shared::Shared;
use crate::interfaces::network::{CardCounters, NetworkCard};
use crate::ring_nic::{self, RingCard, RxToken, TxToken};

impl RingCard for Shared {
    type Rx = RxRing;
    type Tx = TxRing;
    type Fault = TooLong;

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
}

impl Driver for Rtl8139 {
    type RxToken<'a> = RxToken<'a, Shared>;
    type TxToken<'a> = TxToken<'a, Shared>;

    fn receive(&mut self, context: &mut Context<'_>) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        self.nic.receive(context)
    }

    fn transmit(&mut self, context: &mut Context<'_>) -> Option<Self::TxToken<'_>> {
        self.nic.transmit(context)
    }

    fn link_state(&mut self, context: &mut Context<'_>) -> LinkState {
        self.nic.submit();
        while self.link_changed.poll_wait(context).is_ready() {
            self.nic.shared.read_link();
        }
        let is_up = self.nic.shared.is_link_up.load(Ordering::Relaxed) && !self.nic.is_unusable();
        if is_up { LinkState::Up } else { LinkState::Down }
    }

    fn capabilities(&self) -> Capabilities {
        ring_nic::capabilities()
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.mac)
    }
}

impl NetworkCard for Rtl8139 {
    fn set_polled(&mut self, is_polled: bool) {
        self.nic.set_polled(is_polled);
    }
}
