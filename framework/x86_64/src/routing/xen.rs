//! Xen's HVM guests: the devices and the host bridge are QEMU's, with its subsystem ids, and the wires are Xen's.
//!
//! Each of the 32 slots has four lines of its own, which share the inputs 16 to 47 (`hvm_pci_intx_gsi` in Xen).

use switchboard::interrupt::{ChipsetAnswer, Gsi, Wire};

/// Returns the line of a wire.
pub(super) fn answer(wire: Wire) -> ChipsetAnswer {
    if wire.device.bus() != 0 {
        return ChipsetAnswer::UnknownWiring { device: wire.device };
    }
    let (slot, pin) = (u32::from(wire.device.device()), u32::from(wire.pin.index()));
    ChipsetAnswer::Line(Gsi(16 + (slot * 4 + slot / 8 + pin) % 32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchboard::config::Address;
    use switchboard::interrupt::Pin;

    /// The platform device, at slot 3, has line 28.
    #[test]
    fn each_slot_has_four_lines_of_its_own() {
        let line = |slot, pin| answer(Wire { device: Address::new(0, 0, slot, 0), pin });
        for (slot, pin, gsi) in
            [(1, Pin::A, 20), (3, Pin::A, 28), (4, Pin::A, 32), (4, Pin::B, 33), (8, Pin::A, 17), (31, Pin::D, 16 + 2)]
        {
            assert_eq!(line(slot, pin), ChipsetAnswer::Line(Gsi(gsi)), "slot {slot}");
        }
    }

    #[test]
    fn other_root_buses_are_not_covered() {
        let device = Address::new(0, 128, 1, 0);
        assert_eq!(answer(Wire { device, pin: Pin::A }), ChipsetAnswer::UnknownWiring { device });
    }
}
