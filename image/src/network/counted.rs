//! A network driver that counts what goes through it.

use core::cell::Cell;
use core::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};

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

/// Counts what goes through the driver `D`.
pub(super) struct Counted<D> {
    pub(super) driver: D,
    pub(super) traffic: &'static Traffic,
}

/// Counts a frame when it is consumed: a token that is not used moved nothing.
pub(super) struct CountedToken<T> {
    token: T,
    traffic: &'static Traffic,
}

fn count(frames: &Cell<u64>, bytes: &Cell<u64>, length: usize) {
    frames.set(frames.get() + 1);
    bytes.set(bytes.get() + length as u64);
}

impl<D: Driver> Driver for Counted<D> {
    type RxToken<'a>
        = CountedToken<D::RxToken<'a>>
    where
        Self: 'a;
    type TxToken<'a>
        = CountedToken<D::TxToken<'a>>
    where
        Self: 'a;

    fn receive(&mut self, context: &mut Context<'_>) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let traffic = self.traffic;
        let (receive, transmit) = self.driver.receive(context)?;
        Some((CountedToken { token: receive, traffic }, CountedToken { token: transmit, traffic }))
    }

    fn transmit(&mut self, context: &mut Context<'_>) -> Option<Self::TxToken<'_>> {
        let traffic = self.traffic;
        self.driver.transmit(context).map(|token| CountedToken { token, traffic })
    }

    fn link_state(&mut self, context: &mut Context<'_>) -> LinkState {
        self.driver.link_state(context)
    }

    fn capabilities(&self) -> Capabilities {
        self.driver.capabilities()
    }

    fn hardware_address(&self) -> HardwareAddress {
        self.driver.hardware_address()
    }
}

impl<T: RxToken> RxToken for CountedToken<T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, read: F) -> R {
        self.token.consume(|frame| {
            count(&self.traffic.received_frames, &self.traffic.received_bytes, frame.len());
            read(frame)
        })
    }
}

impl<T: TxToken> TxToken for CountedToken<T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        count(&self.traffic.sent_frames, &self.traffic.sent_bytes, length);
        self.token.consume(length, write)
    }
}
