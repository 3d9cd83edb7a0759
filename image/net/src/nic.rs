//! A network card as the stack uses it, whatever its driver is.
//!
//! The stack is large and drivers are many: generic types end here, so that the stack is compiled once. The cost is a
//! call through a pointer for each frame.

use alloc::vec::Vec;
use core::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use switchboard_drivers::interfaces::network::{NetworkCard, Segmentation};

use crate::mac::Mac;

/// An object-safe network card. Every [`NetworkCard`] is one.
///
/// ```
/// use core::task::{Context, Waker};
/// use switchboard_net::{LinkStatus, Mac, Nic};
/// use switchboard_net_testing::TestCard;
///
/// let (mut ours, mut theirs) = TestCard::pair();
/// let mut context = Context::from_waker(Waker::noop());
/// let ours: &mut dyn Nic = &mut ours;
/// assert_eq!(ours.mac(), Mac([2, 0, 0, 0, 0, 1]));
/// ours.send(&mut context, 60, &mut |frame| frame.fill(7));
/// assert_eq!(ours.end_poll(&mut context), LinkStatus::Up);
///
/// let is_received = Nic::receive(&mut theirs, &mut context, &mut |frame, _reply| assert_eq!(*frame, [7; 60]));
/// assert!(is_received);
/// ```
pub trait Nic {
    /// Returns the Ethernet address of the card.
    fn mac(&self) -> Mac;

    /// Returns the maximum frame length, and which checksums the card leaves to software. [`Capabilities`] is
    /// `embassy-net-driver`'s, version 0.2, which this crate re-exports.
    fn capabilities(&self) -> Capabilities;

    /// Turns polling on or off, as [`NetworkCard::set_polled`].
    fn set_polled(&mut self, is_polled: bool);

    /// Passes the next received frame to `handle`, with the means to reply to it. Returns whether there was a frame; if
    /// not, the task of `context` is woken when one arrives.
    fn receive(&mut self, context: &mut Context<'_>, handle: &mut FrameHandler<'_>) -> bool;

    /// Returns whether a frame can be sent; if not, the task of `context` is woken when one can.
    fn can_send(&mut self, context: &mut Context<'_>) -> bool;

    /// Sends a frame of `length` bytes, which `fill` writes. Does not call `fill` when no frame can be sent.
    fn send(&mut self, context: &mut Context<'_>, length: usize, fill: &mut dyn FnMut(&mut [u8]));

    /// Returns the maximum length of a packet for [`send_large`](Self::send_large), as [`NetworkCard::max_large_packet`].
    fn max_large_packet(&self) -> usize {
        0
    }

    /// Sends a frame with a long TCP segment, which the card splits, as [`NetworkCard::send_large`].
    fn send_large(
        &mut self,
        context: &mut Context<'_>,
        length: usize,
        fill: &mut dyn FnMut(&mut [u8]) -> Segmentation,
    ) {
        let _ = (context, length, fill);
    }

    /// Has the card receive the multicast frames of these groups, as [`NetworkCard::set_groups`].
    fn set_groups(&mut self, groups: &[Mac]);

    /// Ends one poll of the card: rings its doorbell, once for all frames that were sent. Returns the status of the link;
    /// the task of `context` is woken when that changes.
    fn end_poll(&mut self, context: &mut Context<'_>) -> LinkStatus;
}

/// The status of the link of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkStatus {
    /// No frame is sent or received.
    Down,
    /// Frames are sent and received.
    Up,
    /// As [`Up`](Self::Up), and the addresses of this machine are to be announced, once: it may be connected to another
    /// place of the network, for example after a live migration.
    Announce,
}

/// A function that handles a received frame.
pub type FrameHandler<'a> = dyn FnMut(&mut [u8], &mut dyn Reply) + 'a;

/// Room for one frame in reply to the one that was received.
pub trait Reply {
    /// Sends a frame of `length` bytes, which `fill` writes. Does nothing on a second call.
    fn send(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8]));

    /// Returns whether the checksum of TCP in the received frame need not be verified, as [`NetworkCard::is_verified`].
    fn is_verified(&self) -> bool {
        false
    }
}

struct ReplyToken<T> {
    token: Option<T>,
    is_verified: bool,
}

impl<T: TxToken> Reply for ReplyToken<T> {
    fn send(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) {
        if let Some(token) = self.token.take() {
            token.consume(length, fill);
        }
    }

    fn is_verified(&self) -> bool {
        self.is_verified
    }
}

impl<D: NetworkCard> Nic for D {
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
        NetworkCard::set_polled(self, is_polled);
    }

    fn receive(&mut self, context: &mut Context<'_>, handle: &mut FrameHandler<'_>) -> bool {
        let Some((frame, reply)) = Driver::receive(self, context) else { return false };
        let mut reply = ReplyToken { token: Some(reply), is_verified: D::is_verified(&frame) };
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

    fn max_large_packet(&self) -> usize {
        NetworkCard::max_large_packet(self)
    }

    fn send_large(
        &mut self,
        context: &mut Context<'_>,
        length: usize,
        fill: &mut dyn FnMut(&mut [u8]) -> Segmentation,
    ) {
        NetworkCard::send_large(self, context, length, fill);
    }

    fn set_groups(&mut self, groups: &[Mac]) {
        let groups: Vec<[u8; 6]> = groups.iter().map(|group| group.0).collect();
        NetworkCard::set_groups(self, &groups);
    }

    fn end_poll(&mut self, context: &mut Context<'_>) -> LinkStatus {
        match self.link_state(context) {
            LinkState::Up if self.take_announcement() => LinkStatus::Announce,
            LinkState::Up => LinkStatus::Up,
            LinkState::Down => LinkStatus::Down,
        }
    }
}
