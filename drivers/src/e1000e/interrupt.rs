//! The messages of the card, and their handler. Its line is served as that of the 8254x.

use switchboard::interrupt::{Activity, InIsr, LineIsr, MessageIsr, MessageSet};
use switchboard::messages;

use super::registers::ICR_CLEAR;
use crate::intel::descriptors::Extended;
use crate::intel::registers::{Causes, IMC, IMS, UNMASKED};
use crate::intel::shared::{Shared, Sources};

messages! {
    /// The messages: of the receive rings, of the transmit ring, and of all else. With fewer vectors, the last ones share one.
    pub enum E1000eMessage { Rx0, Rx1, Tx, Other }
}

/// The number of a message's cause, in the order of their bits and of the fields of `IVAR`.
const fn number(message: E1000eMessage) -> u32 {
    match message {
        E1000eMessage::Rx0 => 0,
        E1000eMessage::Rx1 => 1,
        E1000eMessage::Tx => 2,
        // 3 is the second transmit ring.
        E1000eMessage::Other => 4,
    }
}

/// `ICR`, `IMS`, `IMC`, `EIAC`: the bit of a message's cause (10.2.4.1).
const fn bit(message: E1000eMessage) -> u32 {
    1 << (20 + number(message))
}

const RECEIVED: u32 = bit(E1000eMessage::Rx0) | bit(E1000eMessage::Rx1);
const TRANSMITTED: u32 = bit(E1000eMessage::Tx);
/// The causes of rings, which the card clears when it sends their messages.
pub(super) const OF_RINGS: u32 = RECEIVED | TRANSMITTED;
/// The causes of the last message.
pub(super) const OTHERS: u32 = bit(E1000eMessage::Other) | Causes::LINK.union(Causes::OVERRUN).bits();

/// The sources of a card with a message for each ring.
pub(super) const OWN_MESSAGES: Sources = Sources {
    unmask: IMS,
    mask: IMC,
    unmasked: UNMASKED,
    received: RECEIVED,
    transmitted: TRANSMITTED,
    has_ring_messages: true,
};

/// Returns the value of `IVAR` that gives each cause the entry of its message.
pub(super) fn ivar(entry: impl Fn(E1000eMessage) -> Option<u16>) -> u32 {
    let valid = E1000eMessage::ALL.into_iter().filter_map(|message| {
        let field = u32::from(entry(message)?) & 7 | 8;
        Some(field << (4 * number(message)))
    });
    valid.fold(0, |value, field| value | field)
}

impl MessageIsr<4> for Shared<Extended> {
    type Message = E1000eMessage;

    fn on_message(&self, message: E1000eMessage, isr: &InIsr<'_>) {
        if self.presence.is_gone() {
            return self.wake_all(isr);
        }
        match message {
            // By MSI there is one message for all causes, the first. Reading them clears them.
            E1000eMessage::Rx0 if !self.sources.has_ring_messages => {
                let causes = self.take_causes(isr);
                self.serve(Causes::from_bits_truncate(causes), isr);
            }
            _ if !self.sources.has_ring_messages => {}
            E1000eMessage::Rx0 | E1000eMessage::Rx1 => self.frames_received(),
            E1000eMessage::Tx => self.frames_sent(),
            E1000eMessage::Other => self.serve_others(isr),
        }
    }

    fn activity(&self, message: E1000eMessage) -> Activity {
        match message {
            E1000eMessage::Rx0 if !self.sources.has_ring_messages => LineIsr::activity(self),
            _ if !self.sources.has_ring_messages => Activity::IDLE,
            E1000eMessage::Rx0 => self.received_frames(Some(0)),
            E1000eMessage::Rx1 => self.received_frames(Some(1)),
            E1000eMessage::Tx => self.frames_to_send(),
            // `ICR` cannot be read without clearing it. A task reads the state of the link when it starts.
            E1000eMessage::Other => Activity::IDLE,
        }
    }
}

impl Shared<Extended> {
    /// Serves what has no message of its own: the link, and frames for which there was no room.
    fn serve_others(&self, isr: &InIsr<'_>) {
        let found = self.take_causes(isr);
        self.registers.write(&ICR_CLEAR, found & OTHERS);
        // Newer QEMUs clear all causes on this read: those of the rings are served here, and their messages find nothing.
        if found & RECEIVED != 0 {
            self.frames_received();
        }
        if found & TRANSMITTED != 0 {
            self.frames_sent();
        }
        self.serve(Causes::from_bits_truncate(found) & (Causes::LINK | Causes::OVERRUN), isr);
    }
}
