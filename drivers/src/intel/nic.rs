//! The interface of a card to a network stack.

use alloc::sync::Arc;
use core::fmt;
use core::task::{Context, Waker};

use embassy_net_driver::{Capabilities, LinkState};
use switchboard::config::Address;
use switchboard::event::Waiter;
use switchboard::function::BusPort;

use super::descriptors::Layout;
use super::queues::{Queues, RxToken, TxToken};
use super::registers::{CRCERRS, MPC};
use super::shared::Shared;

/// The largest Ethernet frame, without its CRC, which the card appends.
const FRAME_BYTES: usize = 1514;

/// The statistics that the card itself keeps, since the probe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CardStatistics {
    /// Frames for which the card had no room.
    pub missed: u64,
    /// Frames with a wrong CRC.
    pub crc_errors: u64,
}

/// A card as a network stack uses it: its queues and its link.
pub(crate) struct Nic<L> {
    shared: Arc<Shared>,
    queues: Queues<L>,
    link_changed: Waiter,
    was_link_up: bool,
    statistics: CardStatistics,
    bus: BusPort,
    name: &'static str,
    address: Address,
    pub(crate) mac: [u8; 6],
    is_quarantined: bool,
    /// Receive interrupts are masked, since the caller polls.
    is_polled: bool,
}

/// The parts of a [`Nic`].
pub(crate) struct NicParts<L> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) queues: Queues<L>,
    pub(crate) link_changed: Waiter,
    pub(crate) bus: BusPort,
    pub(crate) name: &'static str,
    pub(crate) address: Address,
    pub(crate) mac: [u8; 6],
}

impl<L: Layout> Nic<L> {
    pub(crate) fn new(parts: NicParts<L>) -> Self {
        let NicParts { shared, queues, link_changed, bus, name, address, mac } = parts;
        Self {
            shared,
            queues,
            link_changed,
            was_link_up: false,
            statistics: CardStatistics::default(),
            bus,
            name,
            address,
            mac,
            is_quarantined: false,
            is_polled: false,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Adds the registers of the card to the statistics. Reading clears these 32-bit registers, so each read has to be added.
    pub(crate) fn statistics(&mut self) -> CardStatistics {
        let read = |register| match self.shared.registers.read(register) {
            // A card that was removed.
            u32::MAX => 0,
            count => u64::from(count),
        };
        self.statistics.missed += read(&MPC);
        self.statistics.crc_errors += read(&CRCERRS);
        self.statistics
    }

    pub(crate) fn receive(&mut self, context: &mut Context<'_>) -> Option<(RxToken<'_, L>, TxToken<'_, L>)> {
        let frame = self.next_frame(context.waker())?;
        let Self { queues, shared, .. } = self;
        queues.has_room(shared, context.waker()).then(|| queues.tokens(shared, frame))
    }

    pub(crate) fn transmit(&mut self, context: &mut Context<'_>) -> Option<TxToken<'_, L>> {
        let has_room = !self.is_unusable() && self.queues.has_room(&self.shared, context.waker());
        has_room.then(|| self.queues.tx_token(&self.shared))
    }

    pub(crate) fn link_state(&mut self, context: &mut Context<'_>) -> LinkState {
        self.queues.submit(&self.shared);
        while self.link_changed.poll_wait(context).is_ready() {
            self.shared.read_link();
        }
        let is_up = self.shared.is_link_up() && !self.is_unusable();
        if is_up != self.was_link_up {
            self.link_has_changed(is_up);
        }
        if is_up { LinkState::Up } else { LinkState::Down }
    }

    pub(crate) fn set_polled(&mut self, is_polled: bool) {
        self.is_polled = is_polled;
        self.shared.mask_received(is_polled);
    }

    /// Logs a change of the link.
    #[cold]
    fn link_has_changed(&mut self, is_up: bool) {
        self.was_link_up = is_up;
        if !self.is_unusable() {
            let CardStatistics { missed, crc_errors } = self.statistics();
            let state = if is_up { "up" } else { "down" };
            log::info!(
                "{}: {}: link {state}; {missed} frames missed, {crc_errors} CRC errors",
                self.address,
                self.name
            );
        }
    }

    /// Returns the ring and the length of the next frame. Without one, registers the waker, unless the caller polls. The rings
    /// are then checked again: the interrupt of a frame that arrived before the waker was registered has woken no task.
    fn next_frame(&mut self, waker: &Waker) -> Option<(usize, usize)> {
        self.poll_frame().or_else(|| {
            if self.is_polled {
                return None;
            }
            self.shared.wake_on_receive(waker);
            self.poll_frame()
        })
    }

    fn poll_frame(&mut self) -> Option<(usize, usize)> {
        if self.is_unusable() {
            return None;
        }
        self.queues.poll(&self.shared).unwrap_or_else(|fault| {
            self.quarantine(&fault);
            None
        })
    }

    /// Returns whether the card was quarantined or removed.
    fn is_unusable(&self) -> bool {
        self.is_quarantined || self.shared.presence.is_gone()
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

impl<L> fmt::Debug for Nic<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mac, is_quarantined, .. } = self;
        f.debug_struct("Nic").field("mac", mac).field("is_quarantined", is_quarantined).finish_non_exhaustive()
    }
}

/// Returns the limits of a card.
pub(crate) fn capabilities() -> Capabilities {
    let mut capabilities = Capabilities::default();
    capabilities.max_transmission_unit = FRAME_BYTES;
    capabilities
}

/// Implements the interface of network cards for a driver with a field `nic: Nic<$layout>`.
macro_rules! network_card {
    ($card:ty, $layout:ty) => {
        impl embassy_net_driver::Driver for $card {
            type RxToken<'a> = $crate::intel::RxToken<'a, $layout>;
            type TxToken<'a> = $crate::intel::TxToken<'a, $layout>;

            fn receive(
                &mut self,
                context: &mut core::task::Context<'_>,
            ) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
                self.nic.receive(context)
            }

            fn transmit(&mut self, context: &mut core::task::Context<'_>) -> Option<Self::TxToken<'_>> {
                self.nic.transmit(context)
            }

            fn link_state(&mut self, context: &mut core::task::Context<'_>) -> embassy_net_driver::LinkState {
                self.nic.link_state(context)
            }

            fn capabilities(&self) -> embassy_net_driver::Capabilities {
                $crate::intel::nic::capabilities()
            }

            fn hardware_address(&self) -> embassy_net_driver::HardwareAddress {
                embassy_net_driver::HardwareAddress::Ethernet(self.nic.mac)
            }
        }

        impl $crate::interfaces::network::NetworkCard for $card {
            fn set_polled(&mut self, is_polled: bool) {
                self.nic.set_polled(is_polled);
            }
        }
    };
}
pub(crate) use network_card;
