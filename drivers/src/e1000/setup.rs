//! Reset, start, and the differences between the models.

use switchboard::driver::ProbeError;
use switchboard::function::Function;
use switchboard::mmio::Bar;
use switchboard::platform::Clock;

use crate::intel::card::RxRings;
use crate::intel::descriptors::Legacy;
use crate::intel::mac;
use crate::intel::registers::{
    CTRL, Control, EERD, EERD_DONE, EERD_START, ITR, RCTL, RDTR, Receive, Registers, STATUS, STATUS_PCIX, TCTL, TIPG,
    TIPG_COPPER, Transmit,
};
use crate::intel::shared::{self, Shared};

/// The shortest time between two interrupts, in units of 256 ns: 50 us. Without this coalescing, each of the small frames of a
/// gigabit stream would interrupt. QEMU uses at least 128 us, which limits loads of one frame at a time.
const INTERRUPT_INTERVAL_256NS: u32 = 195;

/// The limit for a reset. It takes a microsecond, and the card then reads its EEPROM for a few milliseconds (14.3).
const RESET_TIMEOUT_NS: u64 = 10_000_000;
/// The limit for one word of the EEPROM. It takes about 100 us; the first one may wait until the card has read the EEPROM itself.
const EEPROM_TIMEOUT_NS: u64 = 10_000_000;

/// In what the models differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Model {
    /// 82544: no `EERD` (13.4.4), no `ITR` (13.4.18).
    I82544,
    /// 82540, 82545, 82546.
    I82540,
}

impl Model {
    pub(super) fn of(function: &Function) -> Self {
        if function.id().1 == 0x100c { Self::I82544 } else { Self::I82540 }
    }

    /// Checks that the driver can drive the model where it is.
    ///
    /// An 82544 in PCI-X mode stops when the last bytes of a buffer are at some addresses, which nothing here avoids.
    pub(super) fn check(self, registers: &Bar<Registers>) -> Result<(), ProbeError> {
        if self == Self::I82544 && registers.read(&STATUS) & STATUS_PCIX != 0 {
            return Err(ProbeError::LeftAlone(
                "an 82544 in PCI-X mode has errata that this driver does not work around",
            ));
        }
        Ok(())
    }
}

/// Resets the card and waits until it is done.
pub(super) fn reset(registers: &Bar<Registers>, clock: &dyn Clock) -> Result<(), ProbeError> {
    shared::reset(registers, clock, RESET_TIMEOUT_NS)
}

/// Reads the Ethernet address from the EEPROM, or else from the receive filter, where the reset or firmware has put it.
pub(super) fn read_mac(registers: &Bar<Registers>, clock: &dyn Clock, model: Model) -> Result<[u8; 6], ProbeError> {
    if model == Model::I82544 {
        return mac::from_filter(registers);
    }
    let read_word = |word: u8| {
        registers.write(&EERD, EERD_START | u32::from(word) << 8);
        let is_done = clock.wait_until(EEPROM_TIMEOUT_NS, || registers.read(&EERD) & EERD_DONE != 0);
        let [_, _, low, high] = registers.read(&EERD).to_le_bytes();
        is_done.then_some(u16::from_le_bytes([low, high]))
    };
    mac::from_eeprom(read_word).or_else(|error| {
        log::warn!("e1000: {error}; taking the address that the receive filter holds");
        mac::from_filter(registers)
    })
}

/// Starts the card: address filter, link, transmitter, receiver, and last the interrupts.
pub(super) fn start(shared: &Shared<Legacy>, model: Model, mac: [u8; 6], rx: &RxRings<Legacy>) {
    let registers = &shared.registers;
    mac::set_filter(registers, mac);

    let control = Control::from_bits_retain(registers.read(&CTRL));
    let control = control - (Control::LINK_RESET | Control::INVERT_LOSS_OF_SIGNAL | Control::PHY_RESET);
    registers.write(&CTRL, (control | Control::SET_LINK_UP | Control::AUTO_SPEED).bits());

    registers.write(&TIPG, TIPG_COPPER);
    registers.write(&TCTL, Transmit::all().bits());
    if model != Model::I82544 {
        registers.write(&ITR, INTERRUPT_INTERVAL_256NS);
    }
    registers.write(&RDTR, 0);
    // All multicast frames: the interface of the stack has no multicast filter, and the stack filters by itself.
    registers.write(&RCTL, Receive::all().bits());
    // The descriptors were written before the receiver was enabled; this write passes them to it. (QEMU receives nothing for a second
    // after a write to `RCTL`, which is why DHCP takes that long on this card.)
    rx.start(shared);
    shared.unmask();
}
