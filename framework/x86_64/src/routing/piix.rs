//! The 440FX with its PIIX3, on QEMU's `pc`: four wires, which registers route to inputs of the 8259 pair (82371SB
//! PIIX3, 2.5.10, "PIRQRC[A:D]").

use super::expander::Expanders;
use switchboard::config::{Address, ConfigAccess, Width};
use switchboard::interrupt::{ChipsetAnswer, Wire};

pub(super) const HOST_BRIDGE: u32 = 0x1237_8086;
/// The id of the ISA bridge, which has the registers.
pub(super) const ID: u32 = 0x7000_8086;

/// The first of the four registers.
const PIRQRC: u16 = 0x60;
/// The bit of a register that disconnects the wire.
const DISABLED: u8 = 1 << 7;
/// Inputs that a register must not select: timer, keyboard, cascade, real-time clock, and coprocessor.
const RESERVED: [u8; 5] = [0, 1, 2, 8, 13];

/// The routing of a PIIX3.
#[derive(Debug)]
pub(super) struct Piix {
    isa_bridge: Address,
}

impl Piix {
    /// Returns the routing by the registers of this ISA bridge.
    pub(super) fn new(isa_bridge: Address) -> Self {
        Self { isa_bridge }
    }

    /// Returns the input of a wire. The pins of slot 1 are the wires A to D in order; those of each further slot are
    /// rotated by one. Wires behind expander bridges are rotated as on bus 0.
    pub(super) fn answer(&self, config: &dyn ConfigAccess, wire: Wire, expanders: &Expanders) -> ChipsetAnswer {
        if wire.device.bus() != 0 && expanders.count() == 0 {
            return ChipsetAnswer::UnknownWiring { device: wire.device };
        }
        let turned = wire.pin.turned_by(wire.device.device()).index();
        let register = PIRQRC + u16::from((turned + 3) % 4);
        let [value, ..] = config.read(self.isa_bridge, register, Width::Byte).to_le_bytes();
        let input = value & 0xf;
        if value & DISABLED != 0 || RESERVED.contains(&input) {
            return ChipsetAnswer::Disconnected { register, value };
        }
        ChipsetAnswer::Isa(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchboard::interrupt::Pin;

    /// An ISA bridge with these routing registers.
    struct Registers([u8; 4]);

    impl ConfigAccess for Registers {
        fn read(&self, _: Address, offset: u16, _: Width) -> u32 {
            self.0[usize::from(offset - PIRQRC)].into()
        }

        fn write(&self, _: Address, _: u16, _: Width, _: u32) {}

        fn size(&self, _: Address) -> u16 {
            256
        }
    }

    fn answer(registers: [u8; 4], bus: u8, slot: u8, pin: Pin, expanders: &[u8]) -> ChipsetAnswer {
        let wire = Wire { device: Address::new(0, bus, slot, 0), pin };
        let piix = Piix::new(Address::new(0, 0, 1, 0));
        piix.answer(&Registers(registers), wire, &Expanders::at(expanders))
    }

    #[test]
    fn slots_rotate_the_pins() {
        let registers = [3, 4, 5, 6];
        for (slot, pin, input) in [(1, Pin::A, 3), (2, Pin::A, 4), (3, Pin::B, 6), (4, Pin::A, 6), (5, Pin::A, 3)] {
            assert_eq!(answer(registers, 0, slot, pin, &[]), ChipsetAnswer::Isa(input), "slot {slot} {pin}");
        }
    }

    #[test]
    fn a_register_may_disconnect_a_wire() {
        for value in [0x80, 0x8b, 0, 8] {
            let disconnected = ChipsetAnswer::Disconnected { register: 0x62, value };
            assert_eq!(answer([11, 11, value, 11], 0, 3, Pin::A, &[]), disconnected);
        }
    }

    #[test]
    fn expanders_are_transparent() {
        assert_eq!(answer([3, 4, 5, 6], 128, 2, Pin::A, &[9]), ChipsetAnswer::Isa(4));
        assert!(matches!(answer([3, 4, 5, 6], 128, 2, Pin::A, &[]), ChipsetAnswer::UnknownWiring { .. }));
    }
}
