//! The interface of network cards: that of embassy, and control over polling.

mod counters;

/// The crate whose [`Driver`] is part of [`NetworkCard`]. While its version is below 1, a new minor
/// version of it is a new minor version of this crate.
pub use embassy_net_driver;

use core::task::Context;

use embassy_net_driver::Driver;

pub use self::counters::{CardCounters, CardStatistics};

/// A network card whose receive interrupt can be turned off, for [adaptive polling](crate::adaptive_polling).
///
/// ```
/// use core::task::{Context, Waker};
/// use switchboard_drivers::interfaces::network::NetworkCard;
/// use switchboard_drivers::interfaces::network::embassy_net_driver::{self, Driver, RxToken, TxToken};
/// # use embassy_net_driver::{Capabilities, HardwareAddress, LinkState};
///
/// /// Receives what it sends.
/// #[derive(Default)]
/// struct Loopback {
///     frames: Vec<Vec<u8>>,
///     waker: Option<Waker>,
///     is_polled: bool,
/// }
/// struct Received(Vec<u8>);
/// struct Room<'a>(&'a mut Loopback);
///
/// impl RxToken for Received {
///     fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, read: F) -> R {
///         read(&mut self.0)
///     }
/// }
/// impl TxToken for Room<'_> {
///     fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, build: F) -> R {
///         let mut frame = vec![0; length];
///         let result = build(&mut frame);
///         self.0.frames.push(frame);
///         self.0.waker.take().filter(|_| !self.0.is_polled).map(Waker::wake);
///         result
///     }
/// }
/// impl Driver for Loopback {
///     type RxToken<'a> = Received;
///     type TxToken<'a> = Room<'a>;
///
///     fn receive(&mut self, context: &mut Context<'_>) -> Option<(Received, Room<'_>)> {
///         self.waker = (!self.is_polled).then(|| context.waker().clone());
///         self.frames.pop().map(|frame| (Received(frame), Room(self)))
///     }
///     fn transmit(&mut self, _: &mut Context<'_>) -> Option<Room<'_>> {
///         Some(Room(self))
///     }
///     // Link state, capabilities and address are left out here.
/// #     fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
/// #         LinkState::Up
/// #     }
/// #     fn capabilities(&self) -> Capabilities {
/// #         Capabilities::default()
/// #     }
/// #     fn hardware_address(&self) -> HardwareAddress {
/// #         HardwareAddress::Ethernet([2, 0, 0, 0, 0, 1])
/// #     }
/// }
/// impl NetworkCard for Loopback {
///     fn set_polled(&mut self, is_polled: bool) {
///         self.is_polled = is_polled;
///     }
/// }
///
/// let mut card = Loopback::default();
/// let mut context = Context::from_waker(Waker::noop());
/// card.set_polled(true);
/// assert!(card.receive(&mut context).is_none() && card.waker.is_none(), "a polled card wakes no task");
/// card.transmit(&mut context).expect("room").consume(4, |frame| frame.copy_from_slice(b"ping"));
/// let (frame, _) = card.receive(&mut context).expect("a frame");
/// frame.consume(|bytes| assert_eq!(bytes, b"ping"));
/// ```
pub trait NetworkCard: Driver {
    /// Turns polling on or off. While it is on, the card raises no interrupt for received frames and wakes no task for them: the
    /// caller calls [`receive`](Driver::receive) by itself. After it is turned off, a `receive` that finds no frame registers
    /// the task to be woken.
    fn set_polled(&mut self, is_polled: bool);

    /// Has the card receive the multicast frames to these Ethernet addresses, apart from those to its own and to all. A card
    /// that cannot select receives more; the default does nothing.
    fn set_groups(&mut self, groups: &[[u8; 6]]) {
        let _ = groups;
    }

    /// Returns, once, whether the machine is to announce its addresses: its host asks for it, since it may be connected to another
    /// place of the network than before. What is sent until the second call of
    /// [`link_state`](Driver::link_state) after that is taken as the announcement.
    fn take_announcement(&mut self) -> bool {
        false
    }

    /// Returns the maximum length of a packet that [`send_large`](Self::send_large) sends; 0, the default, for a card that does not
    /// split segments.
    fn max_large_packet(&self) -> usize {
        0
    }

    /// Sends a frame of `length` bytes with a long TCP segment, which the card splits, and whose checksums it computes. `fill` writes
    /// it. Does not call `fill` when no frame can be sent. The default does nothing.
    fn send_large(
        &mut self,
        context: &mut Context<'_>,
        length: usize,
        fill: &mut dyn FnMut(&mut [u8]) -> Segmentation,
    ) {
        let _ = (context, length, fill);
    }

    /// Returns whether the checksum of TCP in a received frame need not be verified: the card has done it, or the frame comes from the
    /// host itself.
    #[inline]
    fn is_verified(token: &Self::RxToken<'_>) -> bool {
        let _ = token;
        false
    }
}

/// How a card splits a long TCP segment. Offsets are in bytes from the start of the frame.
///
/// The length in the IP header is that of the whole, its checksum is right; the checksum of TCP is the sum of the pseudo header, not
/// inverted, with the length of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stacks make it")]
pub struct Segmentation {
    /// Whether the packet is of IPv6.
    pub is_ipv6: bool,
    /// The length of all headers.
    pub header_bytes: u16,
    /// The offset of the TCP header.
    pub checksum_start: u16,
    /// The offset of the checksum in the TCP header.
    pub checksum_offset: u16,
    /// The most data of each segment that the card makes.
    pub segment_bytes: u16,
}
