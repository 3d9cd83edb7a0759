//! Reset, rings, start and stop of the card.

use switchboard::dma::DmaPort;
use switchboard::driver::ProbeError;
use switchboard::mmio::Bar;
use switchboard::platform::Clock;

use super::descriptors::DESCRIPTOR_BYTES;
use super::interrupt::Shared;
use super::mac;
use super::registers::{
    CTRL, Control, EERD, EERD_DONE, EERD_START, IMC, ITR, MTA, RAH_VALID, RAH0, RAL0, RCTL, RDBA, RDH, RDLEN, RDT,
    RDTR, Receive, Registers, TCTL, TDBA, TDH, TDLEN, TDT, TIPG, TIPG_COPPER, Transmit,
};
use super::rx_ring::{self, RxRing};
use super::tx_ring::{self, TxRing};

/// The shortest time between two interrupts, in units of 256 ns: 50 us. Without this coalescing, each of the small frames of a
/// gigabit stream would interrupt. QEMU uses at least 128 us, which limits loads of one frame at a time.
const INTERRUPT_INTERVAL_256NS: u32 = 195;

/// The limit for a reset. It takes a microsecond, and the card then reads its EEPROM for a few milliseconds (14.3).
const RESET_TIMEOUT_NS: u64 = 10_000_000;
/// The limit for one word of the EEPROM. It takes about 100 us; the first one may wait until the card has read the EEPROM itself.
const EEPROM_TIMEOUT_NS: u64 = 10_000_000;

/// Stops interrupts and DMA. The engines are stopped one by one before the reset, since QEMU 7.2 ignores the reset bit.
pub(super) fn quiesce(registers: &Bar<Registers>) {
    registers.write(&IMC, u32::MAX);
    registers.write(&RCTL, 0);
    registers.write(&TCTL, 0);
    let control = registers.read(&CTRL);
    registers.write(&CTRL, control | Control::RESET.bits());
}

/// Resets the card and waits until it is done.
pub(super) fn reset(registers: &Bar<Registers>, clock: &dyn Clock) -> Result<(), ProbeError> {
    quiesce(registers);
    let mut control = 0;
    let is_done = clock.wait_until(RESET_TIMEOUT_NS, || {
        control = registers.read(&CTRL);
        control == u32::MAX || control & Control::RESET.bits() == 0
    });
    if control == u32::MAX {
        return Err(ProbeError::Device("the card does not respond"));
    }
    if !is_done {
        return Err(ProbeError::Device("the reset does not complete"));
    }
    // The reset may have enabled them.
    registers.write(&IMC, u32::MAX);
    Ok(())
}

/// Reads the Ethernet address from the EEPROM, or else from the receive filter, where firmware may have put it.
pub(super) fn read_mac(registers: &Bar<Registers>, clock: &dyn Clock) -> Result<[u8; 6], ProbeError> {
    let read_word = |word: u8| {
        registers.write(&EERD, EERD_START | u32::from(word) << 8);
        let is_done = clock.wait_until(EEPROM_TIMEOUT_NS, || registers.read(&EERD) & EERD_DONE != 0);
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

/// Allocates the rings and writes their addresses to the card. To the card they are empty until it is started.
pub(super) fn set_up_rings(shared: &Shared, dma: &DmaPort) -> Result<(RxRing, TxRing), ProbeError> {
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

/// Starts the card: address filter, link, transmitter, receiver, and last the interrupts.
pub(super) fn start(shared: &Shared, mac: [u8; 6], rx: &RxRing) {
    let registers = &shared.registers;
    let (low, high) = mac::to_registers(mac);
    registers.write(&RAL0, low);
    registers.write(&RAH0, high | RAH_VALID);
    for offset in MTA.step_by(4) {
        let written = registers.try_write(offset, 0_u32);
        debug_assert!(written.is_some(), "the table is within the block");
    }

    let control = Control::from_bits_retain(registers.read(&CTRL));
    let control = control - (Control::LINK_RESET | Control::INVERT_LOSS_OF_SIGNAL | Control::PHY_RESET);
    registers.write(&CTRL, (control | Control::SET_LINK_UP | Control::AUTO_SPEED).bits());

    registers.write(&TIPG, TIPG_COPPER);
    registers.write(&TCTL, Transmit::all().bits());
    registers.write(&ITR, INTERRUPT_INTERVAL_256NS);
    registers.write(&RDTR, 0);
    // All multicast frames: the interface of the stack has no multicast filter, and the stack filters by itself.
    registers.write(&RCTL, Receive::all().bits());
    // The descriptors were written before the receiver was enabled; this write passes them to it. (QEMU receives nothing for a second
    // after a write to `RCTL`, which is why DHCP takes that long on this card.)
    registers.write(&RDT, rx.tail().into());
    shared.unmask();
}
