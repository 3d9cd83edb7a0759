//! The frame and the room that a network stack gets from a card, and the interface to it.

use core::fmt;

use super::{ReceiveRing, RingCard, TransmitRing};
use crate::planted::planted;

/// The number of frames after which they are submitted, since each notification is an exit under a hypervisor.
const SUBMIT_AT: u16 = 8;

/// A received frame.
pub struct RxToken<'a, S: RingCard> {
    pub(super) ring: &'a mut S::Rx,
    pub(super) shared: &'a S,
    pub(super) length: usize,
}

impl<S: RingCard> embassy_net_driver::RxToken for RxToken<'_, S> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, read: F) -> R {
        let result = read(self.ring.frame(self.length));
        self.ring.release();
        self.shared.counters().count_received();
        self.shared.return_buffers(self.ring);
        result
    }
}

/// The room for a frame to send.
pub struct TxToken<'a, S: RingCard> {
    pub(super) ring: &'a mut S::Tx,
    pub(super) shared: &'a S,
}

impl<S: RingCard> embassy_net_driver::TxToken for TxToken<'_, S> {
    /// # Panics
    /// Panics when `length` exceeds the 2,048 bytes of a buffer. A stack uses at most the 1,514 of its capabilities.
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, build: F) -> R {
        planted!("e1000-doorbell-first" => self.shared.submit(self.ring));
        let result = build(&mut self.ring.buffer()[..length]);
        self.ring.push(length);
        self.shared.counters().count_sent();
        if self.ring.unsubmitted() >= SUBMIT_AT {
            self.shared.submit(self.ring);
        }
        result
    }
}

impl<S: RingCard> fmt::Debug for RxToken<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RxToken").field("length", &self.length).finish_non_exhaustive()
    }
}

impl<S: RingCard> fmt::Debug for TxToken<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TxToken").finish_non_exhaustive()
    }
}

/// Implements the interface of network cards for a driver with a field `nic: RingNic<$shared>`.
macro_rules! network_card {
    ($card:ty, $shared:ty) => {
        impl embassy_net_driver::Driver for $card {
            type RxToken<'a> = $crate::ring_nic::RxToken<'a, $shared>;
            type TxToken<'a> = $crate::ring_nic::TxToken<'a, $shared>;

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
                $crate::ring_nic::capabilities()
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

        impl $card {
            /// Returns the card's Ethernet address.
            #[must_use]
            pub fn mac(&self) -> [u8; 6] {
                self.nic.mac
            }

            /// Returns the counters of the driver, which can be read while a network stack owns the driver.
            #[must_use]
            pub fn counters(&self) -> alloc::sync::Arc<$crate::interfaces::network::CardCounters> {
                $crate::ring_nic::RingCard::counters(&*self.nic.shared).clone()
            }
        }

        impl Drop for $card {
            fn drop(&mut self) {
                $crate::ring_nic::RingCard::quiesce(&*self.nic.shared);
            }
        }
    };
}
pub(crate) use network_card;
