//! A network card as the stack sees it, whatever its driver is.
//!
//! The stack is large and drivers are many: their types end here, so that the stack is compiled once. What that costs
//! is a call through a pointer for each frame.

use core::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use switchboard_drivers::interfaces::network::Card;

use super::interface::Mac;

/// A network card, whatever drives it.
pub trait Nic {
    /// Its Ethernet address.
    fn mac(&self) -> Mac;

    /// The longest frame it takes, and what it leaves to the stack.
    fn capabilities(&self) -> Capabilities;

    /// As [`Card::set_polled`].
    fn set_polled(&mut self, is_polled: bool);

    /// Has the next frame that was received handled, beside a place for the reply to it. Says whether there was one; if
    /// not, the task is woken when there is.
    fn receive(&mut self, context: &mut Context<'_>, handle: &mut Handle<'_>) -> bool;

    /// Whether a frame can be sent; if not, the task is woken when one can.
    fn can_send(&mut self, context: &mut Context<'_>) -> bool;

    /// Sends a frame of `length` bytes, which `fill` writes; without a call of it when none can be sent.
    fn send(&mut self, context: &mut Context<'_>, length: usize, fill: &mut dyn FnMut(&mut [u8]));

    /// The end of a turn: the device is told of all that was sent. Says whether the link is up; the task is woken when
    /// that changes.
    fn end_turn(&mut self, context: &mut Context<'_>) -> bool;
}

/// What is done with a frame that was received.
pub type Handle<'a> = dyn FnMut(&mut [u8], &mut dyn Reply) + 'a;

/// A place for one frame that answers the one at hand.
pub trait Reply {
    /// Sends the frame of `length` bytes that `fill` writes; nothing, when one was sent already.
    fn send(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8]));
}

struct ReplyToken<T>(Option<T>);

impl<T: TxToken> Reply for ReplyToken<T> {
    fn send(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) {
        if let Some(token) = self.0.take() {
            token.consume(length, fill);
        }
    }
}

impl<D: Card> Nic for D {
    fn mac(&self) -> Mac {
        match self.hardware_address() {
            HardwareAddress::Ethernet(bytes) => Mac(bytes),
            _ => Mac([0; 6]),
        }
    }

    fn capabilities(&self) -> Capabilities {
        Driver::capabilities(self)
    }

    fn set_polled(&mut self, is_polled: bool) {
        Card::set_polled(self, is_polled);
    }

    fn receive(&mut self, context: &mut Context<'_>, handle: &mut Handle<'_>) -> bool {
        let Some((frame, reply)) = Driver::receive(self, context) else { return false };
        let mut reply = ReplyToken(Some(reply));
        frame.consume(|frame| handle(frame, &mut reply));
        true
    }

    fn can_send(&mut self, context: &mut Context<'_>) -> bool {
        self.transmit(context).is_some()
    }

    fn send(&mut self, context: &mut Context<'_>, length: usize, fill: &mut dyn FnMut(&mut [u8])) {
        if let Some(token) = self.transmit(context) {
            token.consume(length, fill);
        }
    }

    fn end_turn(&mut self, context: &mut Context<'_>) -> bool {
        self.link_state(context) == LinkState::Up
    }
}
