//! Reset and start of the card.

use switchboard::driver::ProbeError;
use switchboard::mmio::Bar;
use switchboard::platform::Clock;

use super::interrupt::{E1000eMessage, OF_RINGS, OTHERS, ivar};
use super::registers::{
    CTRL_MASTER_DISABLE, EIAC, EITR, ICR_CLEAR, IVAR, MRQC, MRQC_SCALING, RETA, RETA_RING_1, RFCTL, RFCTL_EXTENDED,
    RSSRK, RXCSUM, RXCSUM_HASH, STATUS_MASTER_ENABLED, TXDCTL, TXDCTL_WRITE_BACK,
};
use crate::intel::card::RxRings;
use crate::intel::descriptors::Extended;
use crate::intel::mac;
use crate::intel::registers::{
    CTRL, Control, IMC, IMS, ITR, RCTL, RDTR, Receive, Registers, STATUS, TCTL, TIPG, TIPG_COPPER, Transmit,
};
use crate::intel::shared::{self, Shared};

/// The shortest time between two interrupts, in units of 256 ns: 50 us. QEMU uses at least 128 us.
const INTERRUPT_INTERVAL_256NS: u32 = 195;
/// The limit for requests of the card on the bus to end (5.2.5.3.2).
const MASTER_TIMEOUT_NS: u64 = 10_000_000;
/// The limit for a reset. It takes a microsecond, and the card then reads its NVM for a few milliseconds (4.6.1).
const RESET_TIMEOUT_NS: u64 = 20_000_000;

/// The key of the hash that selects a ring. It is no secret: one CPU serves both rings, so that a peer gains nothing by filling
/// one of them.
const HASH_KEY: u32 = 0x6d5a_6d5a;

/// Resets the card and waits until it is done. Requests on the bus end before, since a reset does not end them (4.6.1).
pub(super) fn reset(registers: &Bar<Registers>, clock: &dyn Clock) -> Result<(), ProbeError> {
    registers.write(&IMC, u32::MAX);
    registers.write(&RCTL, 0);
    registers.write(&TCTL, 0);
    registers.write(&CTRL, registers.read(&CTRL) | CTRL_MASTER_DISABLE);
    let is_idle = clock.wait_until(MASTER_TIMEOUT_NS, || registers.read(&STATUS) & STATUS_MASTER_ENABLED == 0);
    if !is_idle && registers.read(&STATUS) != u32::MAX {
        log::warn!("e1000e: the card does not end its requests on the bus; it is reset anyway");
    }
    shared::reset(registers, clock, RESET_TIMEOUT_NS)?;
    // The reset may have left causes pending.
    registers.write(&ICR_CLEAR, u32::MAX);
    Ok(())
}

/// Starts the card: address filter, link, messages, transmitter, receiver, and last the interrupts.
pub(super) fn start(
    shared: &Shared<Extended>,
    mac: [u8; 6],
    rx: &RxRings<Extended>,
    entry: impl Fn(E1000eMessage) -> Option<u16>,
) {
    let registers = &shared.registers;
    mac::set_filter(registers, mac);
    let control = Control::from_bits_retain(registers.read(&CTRL) & !CTRL_MASTER_DISABLE);
    registers.write(&CTRL, ((control - Control::PHY_RESET) | Control::SET_LINK_UP).bits());

    registers.write(&ITR, INTERRUPT_INTERVAL_256NS);
    registers.write(&RDTR, 0);
    if shared.sources.has_ring_messages {
        registers.write(&EIAC, OF_RINGS);
        registers.write(&IVAR, ivar(entry));
        fill(registers, EITR, INTERRUPT_INTERVAL_256NS);
        fill(registers, RSSRK, HASH_KEY);
        // Odd hashes go to ring 1.
        fill(registers, RETA, u32::from_le_bytes([0, RETA_RING_1, 0, RETA_RING_1]));
        registers.write(&RXCSUM, RXCSUM_HASH);
        registers.write(&MRQC, MRQC_SCALING);
    } else {
        registers.write(&EIAC, 0);
        registers.write(&MRQC, 0);
    }

    registers.write(&TIPG, TIPG_COPPER);
    registers.write(&TXDCTL, TXDCTL_WRITE_BACK);
    // Its other bits have defaults that count (10.2.6.1).
    registers.write(&TCTL, registers.read(&TCTL) | Transmit::all().bits());
    registers.write(&RFCTL, RFCTL_EXTENDED);
    // All multicast frames: the interface of the stack has no multicast filter, and the stack filters by itself.
    registers.write(&RCTL, Receive::all().bits());
    rx.start(shared);
    shared.unmask();
    if shared.sources.has_ring_messages {
        registers.write(&IMS, OTHERS);
    }
}

/// Writes the same word to a range of registers.
fn fill(registers: &Bar<Registers>, range: core::ops::Range<u64>, value: u32) {
    for offset in range.step_by(4) {
        let written = registers.try_write(offset, value);
        debug_assert!(written.is_some(), "the registers are within the block");
    }
}
