//! Two network cards on a link made of memory.

use core::cell::{Cell, RefCell};
use core::task::Context;
use std::collections::VecDeque;
use std::rc::Rc;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState};
use smoltcp::phy::{Device, DeviceCapabilities};
use smoltcp::time::Instant;
use switchboard_drivers::interfaces::network::{NetworkCard, Segmentation};

use crate::segments;

/// Bytes of an Ethernet frame, without its checksum.
const MAX_FRAME_BYTES: usize = 1514;

/// One direction of a link, which may lose frames.
#[derive(Debug, Default)]
struct Direction {
    frames: RefCell<VecDeque<Vec<u8>>>,
    sent: Cell<usize>,
    /// Loses every frame whose number is a multiple of this; 0 for none.
    loss_interval: usize,
}

impl Direction {
    fn push(&self, frame: Vec<u8>) {
        self.sent.set(self.sent.get() + 1);
        if self.loss_interval == 0 || !self.sent.get().is_multiple_of(self.loss_interval) {
            self.frames.borrow_mut().push_back(frame);
        }
    }

    fn pop(&self) -> Option<Vec<u8>> {
        self.frames.borrow_mut().pop_front()
    }
}

/// A network card at one end of a link made of memory. Its link is up, unless [`link`](Self::link) is set to `false`.
///
/// It does not wake the task that polls it, so poll after each frame that the other end sends;
/// [`TestNetwork::step`](crate::TestNetwork::step) does.
#[derive(Debug)]
pub struct TestCard {
    address: [u8; 6],
    incoming: Rc<Direction>,
    outgoing: Rc<Direction>,
    is_link_up: Rc<Cell<bool>>,
    groups: Rc<RefCell<Vec<[u8; 6]>>>,
    is_announcement_due: Rc<Cell<bool>>,
    /// The longest packet that the card splits.
    max_large_packet: usize,
}

impl TestCard {
    /// Creates the two cards of a link; their addresses end in 1 and in 2.
    #[must_use]
    pub fn pair() -> (Self, Self) {
        Self::lossy_pair(0)
    }

    /// Creates the two cards of a link that loses one of so many frames in each direction; with 0 none.
    #[must_use]
    pub fn lossy_pair(loss_interval: usize) -> (Self, Self) {
        let direction = || Rc::new(Direction { loss_interval, ..Direction::default() });
        let (there, back) = (direction(), direction());
        let card = |last, incoming: &Rc<Direction>, outgoing: &Rc<Direction>| Self {
            address: [2, 0, 0, 0, 0, last],
            incoming: incoming.clone(),
            outgoing: outgoing.clone(),
            is_link_up: Rc::new(Cell::new(true)),
            groups: Rc::default(),
            is_announcement_due: Rc::default(),
            max_large_packet: 0,
        };
        (card(1, &back, &there), card(2, &there, &back))
    }
}

impl TestCard {
    /// Returns what the card reports as the state of its link, which the test may change.
    #[must_use]
    pub fn link(&self) -> Rc<Cell<bool>> {
        self.is_link_up.clone()
    }

    /// Has the card split long TCP segments, as one with offloads does.
    #[must_use]
    pub fn with_segmentation(self) -> Self {
        Self { max_large_packet: 65_510, ..self }
    }

    /// Returns the Ethernet addresses of the groups that the stack has set last.
    #[must_use]
    pub fn groups(&self) -> Rc<RefCell<Vec<[u8; 6]>>> {
        self.groups.clone()
    }

    /// Returns whether the card asks for an announcement, which the test may set.
    #[must_use]
    pub fn announcement(&self) -> Rc<Cell<bool>> {
        self.is_announcement_due.clone()
    }
}

/// A received frame.
#[derive(Debug)]
pub struct Received(Vec<u8>);

/// Room for one frame.
#[derive(Debug)]
pub struct Room<'a>(&'a Direction);

impl Room<'_> {
    fn fill<R>(self, length: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut frame = vec![0; length];
        let result = fill(&mut frame);
        self.0.push(frame);
        result
    }
}

impl embassy_net_driver::RxToken for Received {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, read: F) -> R {
        read(&mut self.0)
    }
}

impl embassy_net_driver::TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        self.fill(length, fill)
    }
}

impl NetworkCard for TestCard {
    /// Does nothing: the card has no interrupts.
    fn set_polled(&mut self, _is_polled: bool) {}

    fn max_large_packet(&self) -> usize {
        self.max_large_packet
    }

    fn send_large(&mut self, _: &mut Context<'_>, length: usize, fill: &mut dyn FnMut(&mut [u8]) -> Segmentation) {
        let mut frame = vec![0; length];
        let how = fill(&mut frame);
        segments::split(&frame, &how).into_iter().for_each(|piece| self.outgoing.push(piece));
    }

    fn set_groups(&mut self, groups: &[[u8; 6]]) {
        *self.groups.borrow_mut() = groups.to_vec();
    }

    fn take_announcement(&mut self) -> bool {
        self.is_announcement_due.take()
    }
}

impl Driver for TestCard {
    type RxToken<'a> = Received;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _context: &mut Context<'_>) -> Option<(Received, Room<'_>)> {
        Some((Received(self.incoming.pop()?), Room(&self.outgoing)))
    }

    fn transmit(&mut self, _context: &mut Context<'_>) -> Option<Room<'_>> {
        Some(Room(&self.outgoing))
    }

    fn link_state(&mut self, _context: &mut Context<'_>) -> LinkState {
        if self.is_link_up.get() { LinkState::Up } else { LinkState::Down }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = MAX_FRAME_BYTES;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.address)
    }
}

impl smoltcp::phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl smoltcp::phy::TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        self.fill(length, fill)
    }
}

impl Device for TestCard {
    type RxToken<'a> = Received;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Received, Room<'_>)> {
        Some((Received(self.incoming.pop()?), Room(&self.outgoing)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Room<'_>> {
        Some(Room(&self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.max_transmission_unit = MAX_FRAME_BYTES;
        capabilities
    }
}
