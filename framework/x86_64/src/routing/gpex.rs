//! QEMU's generic PCI Express host, the one of its microvm: four wires, each with a line of its own.
//!
//! The four begin at GSI 16 where the machine has a second I/O APIC, as it does unless told not to, and at GSI 12
//! where it has one. That is all that tells them apart: firmware writes no Interrupt Line here.

use switchboard::interrupt::{ChipsetAnswer, Gsi, Wire};

pub(super) const HOST_BRIDGE: u32 = 0x0008_1b36;

/// Inputs of one I/O APIC.
const ONE_UNIT: usize = 24;

pub(super) fn answer(wire: Wire, inputs: usize) -> ChipsetAnswer {
    if wire.device.bus() != 0 {
        return ChipsetAnswer::UnknownWiring { device: wire.device };
    }
    let first = if inputs > ONE_UNIT { 16 } else { 12 };
    ChipsetAnswer::Line(Gsi(first + u32::from(wire.pin.turned_by(wire.device.device()).index())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchboard::config::Address;
    use switchboard::interrupt::Pin;

    /// The lines that QEMU 7.2 was seen to raise for pin A of slots 1, 2, 7 and 31.
    #[test]
    fn as_qemu_raises_them() {
        for (slot, gsi) in [(1, 17), (2, 18), (7, 19), (31, 19)] {
            let wire = Wire { device: Address::new(0, 0, slot, 0), pin: Pin::A };
            assert_eq!(answer(wire, 48), ChipsetAnswer::Line(Gsi(gsi)));
            assert_eq!(answer(wire, 24), ChipsetAnswer::Line(Gsi(gsi - 4)));
        }
    }

    #[test]
    fn other_root_buses_are_not_its_own() {
        let device = Address::new(0, 128, 1, 0);
        assert_eq!(answer(Wire { device, pin: Pin::A }, 48), ChipsetAnswer::UnknownWiring { device });
    }
}
