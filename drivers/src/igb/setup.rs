//! Reset and start of the card.

use switchboard::driver::ProbeError;
use switchboard::mmio::{Bar, Reg};
use switchboard::platform::Clock;

use super::interrupt::Entries;
use super::registers::{
    EIAC, EIAM, EIMC, EIMS, GPIE, GPIE_MESSAGES, GPIE_READ_CLEARS, IVAR_MISC, IVAR0, MDIC, MDIC_NEGOTIATE, MDIC_READY,
    RING_ENABLED, RING_WRITE_BACK, RXDCTL, SRRCTL, SRRCTL_ADVANCED, TXDCTL,
};
use crate::intel::card::RxRings;
use crate::intel::descriptors::Advanced;
use crate::intel::mac;
use crate::intel::registers::{CTRL, Control, ICR, RCTL, Receive, Registers, TCTL, Transmit};
use crate::intel::shared::{self, Shared};

/// The limit for a reset. It takes a microsecond, and the card then reads its NVM for a few milliseconds (4.3.1).
const RESET_TIMEOUT_NS: u64 = 20_000_000;
/// The limit for an access to the PHY, which takes 64 us (8.2.4).
const PHY_TIMEOUT_NS: u64 = 10_000_000;
/// The limit for a ring to be enabled (8.10.10).
const RING_TIMEOUT_NS: u64 = 10_000_000;

/// Resets the card and waits until it is done.
pub(super) fn reset(registers: &Bar<Registers>, clock: &dyn Clock) -> Result<(), ProbeError> {
    registers.write(&EIMC, u32::MAX);
    shared::reset(registers, clock, RESET_TIMEOUT_NS)?;
    // The reset may have enabled interrupts, and may have left causes pending.
    registers.write(&EIMC, u32::MAX);
    registers.read(&ICR);
    Ok(())
}

/// Starts the card: address filter, link, messages, rings, transmitter, receiver, and last the interrupts.
pub(super) fn start(
    shared: &Shared<Advanced>,
    mac: [u8; 6],
    rx: &RxRings<Advanced>,
    entries: Option<Entries>,
    clock: &dyn Clock,
) -> Result<(), ProbeError> {
    let registers = &shared.registers;
    mac::set_filter(registers, mac);
    let control = Control::from_bits_retain(registers.read(&CTRL));
    registers.write(&CTRL, (control | Control::SET_LINK_UP).bits());
    registers.write(&MDIC, MDIC_NEGOTIATE);
    if !clock.wait_until(PHY_TIMEOUT_NS, || registers.read(&MDIC) & MDIC_READY != 0) {
        return Err(ProbeError::Device("the PHY does not respond"));
    }

    if let Some(entries) = entries {
        let (rings, other) = entries.ivar();
        let of_rings = 1 << entries.received | 1 << entries.sent;
        registers.write(&GPIE, GPIE_MESSAGES | GPIE_READ_CLEARS);
        registers.write(&IVAR0, rings);
        registers.write(&IVAR_MISC, other);
        registers.write(&EIAC, of_rings | 1 << entries.other);
        registers.write(&EIAM, of_rings & !(1 << entries.other));
    } else {
        registers.write(&GPIE, GPIE_READ_CLEARS);
    }

    registers.write(&SRRCTL, SRRCTL_ADVANCED);
    enable(registers, &TXDCTL, clock)?;
    registers.write(&TCTL, registers.read(&TCTL) | Transmit::all().bits());
    enable(registers, &RXDCTL, clock)?;
    // All multicast frames: the interface of the stack has no multicast filter, and the stack filters by itself.
    registers.write(&RCTL, Receive::all().bits());
    rx.start(shared);
    shared.unmask();
    if let Some(entries) = entries {
        registers.write(&EIMS, 1 << entries.other);
    }
    Ok(())
}

/// Enables a ring, and waits until it is.
fn enable(registers: &Bar<Registers>, control: &Reg<Registers, u32>, clock: &dyn Clock) -> Result<(), ProbeError> {
    registers.write(control, RING_ENABLED | RING_WRITE_BACK);
    let is_enabled = clock.wait_until(RING_TIMEOUT_NS, || registers.read(control) & RING_ENABLED != 0);
    is_enabled.then_some(()).ok_or(ProbeError::Device("a ring is not enabled"))
}
