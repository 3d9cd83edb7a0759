//! A network driver that counts what goes through it, and lets other tasks have their turn.

use alloc::rc::Rc;
use core::cell::Cell;
use core::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};

use super::interface::State;

/// Frames and bytes, as they go to and come from a driver.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Frames received.
    pub received_frames: Cell<u64>,
    /// Bytes received, Ethernet headers included.
    pub received_bytes: Cell<u64>,
    /// Frames sent.
    pub sent_frames: Cell<u64>,
    /// Bytes sent, Ethernet headers included.
    pub sent_bytes: Cell<u64>,
}

/// Frames that a stack takes in one turn. It would take more for as long as there are more, and a card may have one
/// always: nobody else on this CPU would ever run again.
const TURN: u32 = 256;

/// Counts what goes through the driver `D`.
pub(super) struct Counted<D> {
    driver: D,
    state: Rc<State>,
    /// Frames taken in this turn.
    taken: u32,
}

impl<D> Counted<D> {
    pub(super) fn new(driver: D, state: Rc<State>) -> Self {
        Self { driver, state, taken: 0 }
    }
}

/// Counts a frame when it is consumed: a token that is not used moved nothing.
pub(super) struct CountedToken<'t, T> {
    token: T,
    traffic: &'t Traffic,
}

fn count(frames: &Cell<u64>, bytes: &Cell<u64>, length: usize) {
    frames.set(frames.get() + 1);
    bytes.set(bytes.get() + length as u64);
}

impl<D: Driver> Driver for Counted<D> {
    type RxToken<'a>
        = CountedToken<'a, D::RxToken<'a>>
    where
        Self: 'a;
    type TxToken<'a>
        = CountedToken<'a, D::TxToken<'a>>
    where
        Self: 'a;

    fn receive(&mut self, context: &mut Context<'_>) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        if self.taken == TURN {
            context.waker().wake_by_ref();
            return None;
        }
        let traffic = &self.state.traffic;
        let (receive, transmit) = self.driver.receive(context)?;
        self.taken += 1;
        Some((CountedToken { token: receive, traffic }, CountedToken { token: transmit, traffic }))
    }

    fn transmit(&mut self, context: &mut Context<'_>) -> Option<Self::TxToken<'_>> {
        let traffic = &self.state.traffic;
        self.driver.transmit(context).map(|token| CountedToken { token, traffic })
    }

    /// `embassy-net` asks once in each turn, at its end.
    fn link_state(&mut self, context: &mut Context<'_>) -> LinkState {
        self.taken = 0;
        self.driver.link_state(context)
    }

    fn capabilities(&self) -> Capabilities {
        self.driver.capabilities()
    }

    fn hardware_address(&self) -> HardwareAddress {
        self.driver.hardware_address()
    }
}

impl<T: RxToken> RxToken for CountedToken<'_, T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, read: F) -> R {
        self.token.consume(|frame| {
            count(&self.traffic.received_frames, &self.traffic.received_bytes, frame.len());
            read(frame)
        })
    }
}

impl<T: TxToken> TxToken for CountedToken<'_, T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        count(&self.traffic.sent_frames, &self.traffic.sent_bytes, length);
        self.token.consume(length, write)
    }
}
