//! The interface of the device to a network stack.

use alloc::sync::Arc;
use core::task::{Context, Waker};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState};
use switchboard::function::Presence;

use super::Vmxnet3;
use super::registers::{ECR, EVENT_LINK, EVENT_QUEUE_ERROR, RXPROD, TXPROD};
use super::ring::{Fault, RxRing, TxRing};
use super::shared::Shared;
use crate::interfaces::network::{CardCounters, NetworkCard};
use crate::ring_nic::{self, RingCard, RxToken, TxToken};

impl RingCard for Shared {
    type Rx = RxRing;
    type Tx = TxRing;
    type Fault = Fault;

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
}

impl Driver for Vmxnet3 {
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
        self.nic.shared.wake_on_event(context.waker());
        if !self.nic.is_unusable() {
            self.serve_events();
        }
        if self.is_link_up && !self.nic.is_unusable() { LinkState::Up } else { LinkState::Down }
    }

    fn capabilities(&self) -> Capabilities {
        ring_nic::capabilities()
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.mac)
    }
}

impl NetworkCard for Vmxnet3 {
    fn set_polled(&mut self, is_polled: bool) {
        self.nic.set_polled(is_polled);
    }
}

impl Vmxnet3 {
    /// Serves the events, which the device reports in memory.
    fn serve_events(&mut self) {
        let events = self.structures.events();
        if events == 0 {
            return;
        }
        self.nic.shared.registers.write(&ECR, events);
        if events & EVENT_QUEUE_ERROR != 0 {
            self.nic.quarantine(&"a queue has stopped with an error");
        } else if events & EVENT_LINK != 0 {
            self.is_link_up = self.nic.shared.is_link_up();
        }
    }
}
