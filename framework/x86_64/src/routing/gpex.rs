//! QEMU's generic PCI Express host bridge, as of its microvm: four wires, each with a line of its own.
//!
//! The four lines begin at GSI 16 on a machine with two I/O APICs, which is the default, and at GSI 12 on one with a
//! single I/O APIC. Firmware writes no Interrupt Line on this machine.

use switchboard::interrupt::{ChipsetAnswer, Gsi, Wire};

pub(super) const HOST_BRIDGE: u32 = 0x0008_1b36;

/// The inputs of one I/O APIC.
const INPUTS_OF_ONE: usize = 24;

/// Returns the line of a wire. `inputs` is the number of inputs of all I/O APICs.
pub(super) fn answer(wire: Wire, inputs: usize) -> ChipsetAnswer {
    if wire.device.bus() != 0 {
        return ChipsetAnswer::UnknownWiring { device: wire.device };
    }
    let first = if inputs > INPUTS_OF_ONE { 16 } else { 12 };
    ChipsetAnswer::Line(Gsi(first + u32::from(wire.pin.turned_by(wire.device.device()).index())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchboard::config::Address;
    use switchboard::interrupt::Pin;

    /// The lines that QEMU 7.2 raises for pin A of slots 1, 2, 7 and 31, as observed.
    #[test]
    fn lines_as_raised_by_qemu() {
        for (slot, gsi) in [(1, 17), (2, 18), (7, 19), (31, 19)] {
            let wire = Wire { device: Address::new(0, 0, slot, 0), pin: Pin::A };
            assert_eq!(answer(wire, 48), ChipsetAnswer::Line(Gsi(gsi)));
            assert_eq!(answer(wire, 24), ChipsetAnswer::Line(Gsi(gsi - 4)));
        }
    }

    #[test]
    fn other_root_buses_are_not_covered() {
        let device = Address::new(0, 128, 1, 0);
        assert_eq!(answer(Wire { device, pin: Pin::A }, 48), ChipsetAnswer::UnknownWiring { device });
    }
}
