//! The messages of the card, and their handler. Its line is served as that of the 8254x.

use switchboard::interrupt::{Activity, InIsr, LineIsr, MessageIsr};
use switchboard::messages;

use super::registers::{EIMC, EIMS, IVAR_VALID, UNMASKED};
use crate::intel::descriptors::Advanced;
use crate::intel::registers::Causes;
use crate::intel::shared::{Shared, Sources};

messages! {
    /// The messages: of the receive ring, of the transmit ring, and of all else. With fewer vectors, the last ones share one.
    pub enum IgbMessage { Rx, Tx, Other }
}

/// The entries of the messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entries {
    pub(super) received: u32,
    pub(super) sent: u32,
    pub(super) other: u32,
}

impl Entries {
    /// Returns the entries by MSI-X, and `None` for another mode.
    pub(super) fn of(entry: impl Fn(IgbMessage) -> Option<u16>) -> Option<Self> {
        // Five bits, of which the card has ten entries.
        let entry = |message| entry(message).map(|entry| u32::from(entry) & 0x1f);
        Some(Self { received: entry(IgbMessage::Rx)?, sent: entry(IgbMessage::Tx)?, other: entry(IgbMessage::Other)? })
    }

    /// Returns the sources of the rings.
    pub(super) fn sources(self) -> Sources {
        Sources {
            unmask: EIMS,
            mask: EIMC,
            unmasked: UNMASKED,
            received: 1 << self.received,
            transmitted: 1 << self.sent,
            has_ring_messages: true,
        }
    }

    /// Returns the values of `IVAR0` and `IVAR_MISC`.
    pub(super) fn ivar(self) -> (u32, u32) {
        let [received, sent, other] = [self.received, self.sent, self.other].map(|entry| entry | IVAR_VALID);
        (received | sent << 8, other << 8)
    }
}

impl MessageIsr<3> for Shared<Advanced> {
    type Message = IgbMessage;

    fn on_message(&self, message: IgbMessage, isr: &InIsr<'_>) {
        if self.presence.is_gone() {
            return self.wake_all(isr);
        }
        match message {
            // By MSI there is one message for all causes, the first.
            IgbMessage::Rx if !self.sources.has_ring_messages => {
                let causes = self.take_causes(isr);
                self.serve(Causes::from_bits_truncate(causes), isr);
            }
            _ if !self.sources.has_ring_messages => {}
            IgbMessage::Rx => self.frames_received(),
            IgbMessage::Tx => self.frames_sent(),
            // Those of the rings have messages, and are not in `ICR`.
            IgbMessage::Other => {
                let causes = Causes::from_bits_truncate(self.take_causes(isr));
                self.serve(causes & (Causes::LINK | Causes::OVERRUN), isr);
            }
        }
    }

    fn activity(&self, message: IgbMessage) -> Activity {
        match message {
            IgbMessage::Rx if !self.sources.has_ring_messages => LineIsr::activity(self),
            _ if !self.sources.has_ring_messages => Activity::IDLE,
            IgbMessage::Rx => self.received_frames(None),
            IgbMessage::Tx => self.frames_to_send(),
            IgbMessage::Other => Activity::IDLE,
        }
    }
}
