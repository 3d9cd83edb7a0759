//! Intel's 8254x gigabit cards, as QEMU has them: two rings of legacy descriptors, one interrupt line.
//!
//! Section numbers are those of Intel's PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's
//! Manual (317453). These cards have no messages: [`grant_line`](switchboard::interrupt::InterruptPort::grant_line).

mod counters;
mod interrupt;
mod mac;
mod net;
mod registers;
mod rx_ring;
#[cfg(test)]
mod tests;
mod tx_ring;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::convert::Infallible;
use core::fmt;
use core::pin::Pin;

use switchboard::config::Address;
use switchboard::dma::{DmaPort, DmaShared};
use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::event::deferred;
use switchboard::function::{BusPort, Function, Resources};
use switchboard::interrupt::{Exclusive, Line, Live};
use switchboard::mmio::Bar;
use switchboard::platform::Clock;

use interrupt::{Handler, Shared};
use registers::{
    CTRL, Control, EERD, EERD_DONE, EERD_START, IMC, ITR, MTA, RAH_VALID, RAH0, RAL0, RCTL, RDBA, RDH, RDLEN, RDT,
    RDTR, Receive, Registers, TCTL, TDBA, TDH, TDLEN, TDT, TIPG, TIPG_COPPER, Transmit,
};
use rx_ring::RxRing;
use tx_ring::TxRing;

pub use counters::E1000Counters;
pub use interrupt::E1000Statistics;
pub use net::{RxToken, TxToken};

/// What `RCTL` promises the device about a receive buffer; those to send from are as large.
const BUFFER_BYTES: usize = 2048;
/// Bytes of a descriptor, of either kind.
const DESCRIPTOR_BYTES: u16 = 16;

/// The least time between two interrupts, in units of 256 ns: 50 us. Without it a gigabit of small frames would
/// interrupt for each. QEMU keeps 128 us apart whatever is written here, and so limits a one-frame-at-a-time load.
const INTERRUPT_INTERVAL: u32 = 195;

const MILLISECOND_NS: u64 = 1_000_000;
/// A reset takes a microsecond, and the card reads its EEPROM for a few milliseconds after it (14.3).
const RESET_TIMEOUT_NS: u64 = 10 * MILLISECOND_NS;
/// One word of the EEPROM takes about 100 us; the first may wait for the card's own reading.
const EEPROM_TIMEOUT_NS: u64 = 10 * MILLISECOND_NS;

/// One card. It is a driver for [`embassy_net_driver`], and zero-copy: frames are built and read in DMA memory.
pub struct E1000 {
    // Dropped first: the handler is gone before the rings are.
    line: Line<Exclusive<Handler>, Live>,
    shared: Arc<Shared>,
    /// What the handler asks for when the link changes. Polled by [`link_state`](embassy_net_driver::Driver::link_state).
    link_work: Pin<Box<dyn Future<Output = Infallible> + Send>>,
    was_link_up: bool,
    bus: BusPort,
    rx: RxRing,
    tx: TxRing,
    address: Address,
    mac: [u8; 6],
    is_quarantined: bool,
    /// Interrupts for frames are off; the caller looks by itself.
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
    /// The card's address.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// What it has done so far; readable while a network stack owns the driver.
    #[must_use]
    pub fn counters(&self) -> Arc<E1000Counters> {
        self.shared.counters.clone()
    }

    /// Returns what the card has counted by itself.
    pub fn statistics(&mut self) -> E1000Statistics {
        // The handler collects too, when there was no room for a frame.
        self.line.with_state(Handler::collect)
    }

    /// Returns whether the card is of no use any more: quarantined or gone.
    fn is_unusable(&self) -> bool {
        self.is_quarantined || self.shared.presence.is_gone()
    }

    /// Quarantines the card after a report that cannot be true: it is off the bus from here on, and its link stays down.
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

/// No interrupts, no DMA. Each engine is stopped by itself first: QEMU 7.2 takes the reset bit and does nothing.
fn quiesce(registers: &Bar<Registers>) {
    registers.write(&IMC, u32::MAX);
    registers.write(&RCTL, 0);
    registers.write(&TCTL, 0);
    let control = registers.read(&CTRL);
    registers.write(&CTRL, control | Control::RESET.bits());
}

fn reset(registers: &Bar<Registers>, clock: &dyn Clock) -> Result<(), ProbeError> {
    quiesce(registers);
    let mut control = 0;
    let is_over = wait_until(clock, RESET_TIMEOUT_NS, || {
        control = registers.read(&CTRL);
        control == u32::MAX || control & Control::RESET.bits() == 0
    });
    if control == u32::MAX {
        return Err(ProbeError::Device("the card does not answer"));
    }
    if !is_over {
        return Err(ProbeError::Device("the reset does not end"));
    }
    // The reset may have undone it.
    registers.write(&IMC, u32::MAX);
    Ok(())
}

/// From the EEPROM, else from the registers that the card or firmware filled.
fn read_mac(registers: &Bar<Registers>, clock: &dyn Clock) -> Result<[u8; 6], ProbeError> {
    let read_word = |word: u8| {
        registers.write(&EERD, EERD_START | u32::from(word) << 8);
        let is_done = wait_until(clock, EEPROM_TIMEOUT_NS, || registers.read(&EERD) & EERD_DONE != 0);
        let [_, _, low, high] = registers.read(&EERD).to_le_bytes();
        is_done.then_some(u16::from_le_bytes([low, high]))
    };
    mac::from_eeprom(read_word).or_else(|error| {
        log::warn!("e1000: {error}; taking the address that the receive filter holds");
        match registers.read(&RAH0) {
            high if high & RAH_VALID != 0 => mac::from_registers(registers.read(&RAL0), high).ok(),
            _ => None,
        }
        .ok_or(ProbeError::Device("neither the EEPROM nor the receive filter holds an address"))
    })
}

/// Zeroed descriptors of a ring, aligned to their 16 bytes.
fn descriptors<T: Copy>(dma: &DmaPort, count: u16) -> Result<DmaShared<T>, ProbeError> {
    let mut region = dma.region((count * DESCRIPTOR_BYTES).into())?;
    region
        .carve(count.into(), DESCRIPTOR_BYTES.into())
        .ok_or(ProbeError::Device("the descriptors do not fit their region"))
}

/// The rings are empty for the device: the first descriptors are given to it when it starts.
fn set_up_rings(shared: &Shared, dma: &DmaPort) -> Result<(RxRing, TxRing), ProbeError> {
    let rx = RxRing::new(dma, shared.counters.clone())?;
    let tx = TxRing::new(dma, shared.counters.clone())?;
    let registers = &shared.registers;

    registers.write_address_pair(&RDBA, rx.bus());
    registers.write(&RDLEN, (rx_ring::FRAMES * DESCRIPTOR_BYTES).into());
    registers.write(&RDH, 0);
    registers.write(&RDT, 0);

    registers.write_address_pair(&TDBA, tx.bus());
    registers.write(&TDLEN, (tx_ring::FRAMES * DESCRIPTOR_BYTES).into());
    registers.write(&TDH, 0);
    registers.write(&TDT, 0);
    Ok((rx, tx))
}

fn start(shared: &Shared, mac: [u8; 6], rx: &RxRing) {
    let registers = &shared.registers;
    let (low, high) = mac::to_registers(mac);
    registers.write(&RAL0, low);
    registers.write(&RAH0, high | RAH_VALID);
    for place in MTA.step_by(4) {
        let written = registers.try_write(place, 0_u32);
        debug_assert!(written.is_some(), "the table lies inside the block");
    }

    let control = Control::from_bits_retain(registers.read(&CTRL));
    let control = control - (Control::LINK_RESET | Control::INVERT_LOSS_OF_SIGNAL | Control::PHY_RESET);
    registers.write(&CTRL, (control | Control::SET_LINK_UP | Control::AUTO_SPEED).bits());

    registers.write(&TIPG, TIPG_COPPER);
    registers.write(&TCTL, Transmit::all().bits());
    registers.write(&ITR, INTERRUPT_INTERVAL);
    registers.write(&RDTR, 0);
    // All multicast: the stack has no way to say which groups it is in, and sorts them out by itself.
    registers.write(&RCTL, Receive::all().bits());
    // The ring was filled before the receiver was let go; now it learns of it. (For a second after a write to
    // `RCTL`, QEMU receives nothing all the same: that is why DHCP takes one on this card.)
    registers.write(&RDT, rx.tail().into());
    shared.unmask();
}

/// Returns whether `is_done` returned `true` within `nanoseconds`. For probes only: it spins.
fn wait_until(clock: &dyn Clock, nanoseconds: u64, mut is_done: impl FnMut() -> bool) -> bool {
    let start = clock.now_ns();
    loop {
        if is_done() {
            return true;
        }
        if clock.now_ns().saturating_sub(start) > nanoseconds {
            return false;
        }
        core::hint::spin_loop();
    }
}
