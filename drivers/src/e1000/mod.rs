//! Intel's 8254x gigabit network cards, as emulated by QEMU: two rings of legacy descriptors, and an interrupt line.
//!
//! Section numbers are those of Intel's PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual (317453).
//! These cards have neither MSI nor MSI-X: the driver asks for [the line](switchboard::interrupt::InterruptPort::grant_line).
//!
//! ```
//! use core::task::{Context, Waker};
//! use switchboard::driver::attach;
//! use switchboard_drivers::e1000::{E1000, E1000Statistics};
//! use switchboard_drivers::interfaces::network::embassy_net_driver::{Driver, LinkState, TxToken};
//! # use switchboard::config::Address;
//! # use switchboard_testing::{FakeFunction, FakeMachine};
//! # let address = Address::new(0, 0, 3, 0);
//! # let function = FakeFunction::new(0x8086, 0x100e).at("00:03.0").bar(0, 0x20000).pin(1, 10);
//! # let fake: &FakeMachine = Box::leak(Box::new(FakeMachine::new([function])));
//! # let write = move |offset, value| fake.write_register(address, 0, offset, value);
//! # write(0x0008, 2);
//! # fake.on_access(address, move || {
//! #     write(0, fake.read_register(address, 0, 0) & !(1 << 26));
//! #     write(0x5400, 0x1200_5452);
//! #     write(0x5404, 0x8000_5634);
//! # });
//! # let function = fake.machine().take(address).expect("a function that no driver has");
//!
//! // `function` is a card; with QEMU: `-device e1000`.
//! let mut card: E1000 = attach(function)?;
//! assert_eq!(card.mac(), [0x52, 0x54, 0x00, 0x12, 0x34, 0x56]);
//! let mut context = Context::from_waker(Waker::noop());
//! assert!(card.link_state(&mut context) == LinkState::Up);
//! card.transmit(&mut context).expect("room").consume(60, |frame| frame.fill(0));
//!
//! // The counters of the driver can be read after a network stack has taken the card.
//! let counters = card.counters();
//! assert_eq!((counters.sent(), counters.received()), (1, 0));
//! # write(0x4010, 3); // MPC, "missed packets count"
//! // The statistics of the card are read while its handler, which adds to them too, does not run.
//! assert_eq!(card.statistics(), E1000Statistics { missed: 3, crc_errors: 0 });
//! # Ok::<(), switchboard::driver::ProbeError>(())
//! ```

mod counters;
mod descriptors;
mod interrupt;
mod mac;
mod net;
mod registers;
mod rx_ring;
mod setup;
#[cfg(test)]
mod tests;
mod tx_ring;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::convert::Infallible;
use core::fmt;
use core::pin::Pin;

use switchboard::config::Address;
use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::event::deferred;
use switchboard::function::{BusPort, Function, Resources};
use switchboard::interrupt::{Exclusive, Line, Live};

use interrupt::{Handler, Shared};
use rx_ring::RxRing;
use setup::{quiesce, read_mac, reset, set_up_rings, start};
use tx_ring::TxRing;

pub use counters::E1000Counters;
pub use interrupt::E1000Statistics;
pub use net::{RxToken, TxToken};

/// The size of a receive buffer as set in `RCTL`. Transmit buffers have the same size.
const BUFFER_BYTES: usize = 2048;

/// One card, as a driver for [`embassy_net_driver`]. Frames are built and read in DMA memory, without a copy.
///
/// The [module](self) has an example.
pub struct E1000 {
    // Dropped first: no handler runs when the rings are freed.
    line: Line<Exclusive<Handler>, Live>,
    shared: Arc<Shared>,
    /// The deferred work that the handler requests when the link changes. Polled by
    /// [`link_state`](embassy_net_driver::Driver::link_state).
    link_work: Pin<Box<dyn Future<Output = Infallible> + Send>>,
    was_link_up: bool,
    bus: BusPort,
    rx: RxRing,
    tx: TxRing,
    address: Address,
    mac: [u8; 6],
    is_quarantined: bool,
    /// Receive interrupts are masked, since the caller polls.
    is_polled: bool,
}

impl Driver for E1000 {
    const NAME: &'static str = "e1000";
    /// 82540EM, 82545EM.
    const MATCHES: &'static [Id] = &[Id::new(0x8086, 0x100e), Id::new(0x8086, 0x100f)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let (clock, address) = (function.clock(), function.address());
        let Resources { bar0, irq, dma, bus, presence, .. } = function.claim()?;
        let shared = Arc::new(Shared::new(bar0.map()?, presence));
        reset(&shared.registers, clock)?;
        let mac = read_mac(&shared.registers, clock)?;
        let (rx, tx) = set_up_rings(&shared, &dma)?;
        let (link_change, link_work) = {
            let shared = shared.clone();
            deferred(move || shared.read_link())
        };
        let handler = Handler::new(shared.clone(), link_change);
        let line = irq.grant_line()?.register_exclusive(handler).unmask();
        start(&shared, mac, &rx);
        let (link_work, was_link_up) = (Box::pin(link_work), false);
        let (is_quarantined, is_polled) = (false, false);
        Ok(Self { line, shared, link_work, was_link_up, bus, rx, tx, address, mac, is_quarantined, is_polled })
    }
}

impl E1000 {
    /// Returns the card's Ethernet address.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// Returns the counters of the driver, which can be read while a network stack owns the driver.
    #[must_use]
    pub fn counters(&self) -> Arc<E1000Counters> {
        self.shared.counters.clone()
    }

    /// Returns the statistics that the card itself keeps, since the probe.
    pub fn statistics(&mut self) -> E1000Statistics {
        // The handler adds to them too, when the card had no room for a frame.
        self.line.with_state(Handler::collect)
    }

    /// Returns whether the card was quarantined or removed.
    fn is_unusable(&self) -> bool {
        self.is_quarantined || self.shared.presence.is_gone()
    }

    /// Quarantines the card after an impossible report: isolates it from the bus, and keeps its link down.
    fn quarantine(&mut self, fault: &dyn fmt::Display) {
        log::error!("{}: e1000: {fault}; the card is quarantined", self.address);
        self.is_quarantined = true;
        self.bus.isolate();
        quiesce(&self.shared.registers);
    }
}

impl Drop for E1000 {
    fn drop(&mut self) {
        quiesce(&self.shared.registers);
    }
}

impl fmt::Debug for E1000 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, mac, is_quarantined, .. } = self;
        f.debug_struct("E1000")
            .field("line", line)
            .field("mac", mac)
            .field("is_quarantined", is_quarantined)
            .finish_non_exhaustive()
    }
}
