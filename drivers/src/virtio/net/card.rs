//! The card as a stack uses it: frames, the link, and what the control queue selects.

use core::sync::atomic::Ordering;
use core::task::Context;

use embassy_net_driver::{Capabilities, HardwareAddress, LinkState};

use super::{BUFFERS, RxToken, TxToken, VirtioNet, send};
use crate::interfaces::network::{NetworkCard, Segmentation};

impl embassy_net_driver::Driver for VirtioNet {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, context: &mut Context<'_>) -> Option<(RxToken<'_>, TxToken<'_>)> {
        if self.receiver.is_waiting(context) || self.is_unusable() || !self.can_send(context) {
            return None;
        }
        let Self { receiver, sender, is_quarantined, device, interrupts, .. } = self;
        match receiver.poll(context) {
            Ok(frame) => frame.map(|frame| (frame, TxToken { sender })),
            Err(error) => {
                // As `quarantine`, which cannot be called here: the other result borrows from `self`.
                *is_quarantined = true;
                interrupts.synchronize(|_| device.quarantine(error));
                None
            }
        }
    }

    fn transmit(&mut self, context: &mut Context<'_>) -> Option<TxToken<'_>> {
        let can_send = !self.is_unusable() && self.can_send(context);
        can_send.then_some(TxToken { sender: &mut self.sender })
    }

    /// Returns the link state, and kicks the device: a stack calls this at the end of each poll, after all frames of it.
    fn link_state(&mut self, context: &mut Context<'_>) -> LinkState {
        self.sender.kick();
        let is_changed = self.shared.is_config_changed.load(Ordering::Acquire);
        // Called in each poll, so the waker is registered again only when it differs.
        if is_changed || self.link_waker.as_ref().is_none_or(|waker| !waker.will_wake(context.waker())) {
            self.link_waker = Some(context.waker().clone());
            self.shared.link.register(context.waker());
            if self.shared.is_config_changed.swap(false, Ordering::AcqRel) && !self.is_unusable() {
                self.refresh();
            }
        }
        if self.is_up && !self.is_unusable() { LinkState::Up } else { LinkState::Down }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = self.max_frame_bytes;
        capabilities.max_burst_size = Some(BUFFERS);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.mac)
    }
}

impl NetworkCard for VirtioNet {
    fn set_polled(&mut self, is_polled: bool) {
        self.receiver.set_polled(is_polled);
    }

    fn max_large_packet(&self) -> usize {
        if self.features.has_segmentation() { send::MAX_LARGE_PACKET } else { 0 }
    }

    fn send_large(
        &mut self,
        context: &mut Context<'_>,
        length: usize,
        fill: &mut dyn FnMut(&mut [u8]) -> Segmentation,
    ) {
        if !self.is_unusable() && self.can_send(context) {
            self.sender.send_large(length, fill);
        }
    }

    #[inline]
    fn is_verified(token: &RxToken<'_>) -> bool {
        token.is_verified()
    }

    fn set_groups(&mut self, groups: &[[u8; 6]]) {
        if let Some(control) = &mut self.control {
            control.set_groups(groups);
            self.poll_control();
        }
    }

    #[inline]
    fn take_announcement(&mut self) -> bool {
        if !self.is_announcement_due {
            return false;
        }
        self.is_announcement_due = false;
        if let Some(control) = &mut self.control {
            control.set_announced();
        }
        // The command is sent in the next poll, after the announcement.
        self.shared.is_config_changed.store(true, Ordering::Release);
        true
    }
}
