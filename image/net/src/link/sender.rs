//! The send side of a card, and the reply to a received frame, counted.

use core::task::Context;

use switchboard_drivers::interfaces::network::Segmentation;

use super::drops::DropReason;
use crate::nic::{Nic, Reply};
use crate::traffic::Traffic;

/// The send side of a card in one poll of the stack.
pub(crate) struct FrameSender<'a, 'c> {
    pub(crate) nic: &'a mut dyn Nic,
    pub(crate) context: &'a mut Context<'c>,
    pub(crate) traffic: &'a Traffic,
    /// The card had no room for another frame; the task is woken when it has.
    pub(crate) is_full: bool,
}

impl FrameSender<'_, '_> {
    /// Returns whether a frame can be sent.
    pub(crate) fn has_room(&mut self) -> bool {
        self.is_full = !self.nic.can_send(self.context);
        !self.is_full
    }

    /// Sends a frame of `length` bytes, which `fill` writes.
    pub(crate) fn send(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) {
        self.traffic.count_sent(length);
        self.nic.send(self.context, length, fill);
    }

    /// Sends a frame with a long TCP segment, which the card splits.
    pub(crate) fn send_large(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8]) -> Segmentation) {
        self.traffic.count_sent(length);
        self.nic.send_large(self.context, length, fill);
    }

    pub(crate) fn drop_packet(&self, reason: DropReason) {
        self.traffic.drops.count(reason);
    }
}

/// Room for one frame in reply to a received one.
pub(crate) struct ReplySender<'a> {
    pub(crate) reply: &'a mut dyn Reply,
    pub(crate) traffic: &'a Traffic,
}

impl ReplySender<'_> {
    /// Sends a frame of `length` bytes, which `fill` writes. Does nothing on a second call.
    pub(crate) fn send(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) {
        self.traffic.count_sent(length);
        self.reply.send(length, fill);
    }

    pub(crate) fn drop_packet(&self, reason: DropReason) {
        self.traffic.drops.count(reason);
    }
}
