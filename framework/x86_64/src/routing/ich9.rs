//! The ICH9, on QEMU's `q35` and on hardware: eight wires, PIRQA to PIRQH, which are lines 16 to 23 of its I/O APIC.
//!
//! Registers route the pins of its own devices, slots 25 to 31. The wiring of the other slots depends on the board:
//! QEMU's connects their pins to PIRQE to PIRQH, rotated by the slot. When firmware has also routed the wires to the
//! 8259 pair, QEMU raises an ISA input together with the line. That input stays masked.

use super::expander::Expanders;
use super::rcba;
use switchboard::config::{Address, ConfigAccess, Width};
use switchboard::interrupt::{ChipsetAnswer, Gsi, Pin, Wire};

/// The id of the LPC bridge, which has the registers.
pub(super) const ID: u32 = 0x2918_8086;

/// Root Complex Base Address: enabled by bit 0, the address in bits 14 to 31 (ICH9, 13.1.35).
const RCBA: u16 = 0xf0;
/// The lines of PIRQA (ICH9, 5.10) and of PIRQE.
const PIRQA: u32 = 16;
const PIRQE: u32 = 20;
/// The first slot whose pins are routed by registers.
const FIRST: u8 = 25;
/// The slot of the PCI bridge of the real chip. QEMU's board has none, and connects that slot to PIRQE to PIRQH.
const BRIDGE: u8 = 30;

/// Returns the address of the LPC bridge, which is fixed.
pub(super) fn lpc_bridge() -> Address {
    Address::new(0, 0, 31, 0)
}

/// The routing of an ICH9.
#[derive(Debug)]
pub(super) struct Ich9 {
    /// The route registers of slots 25 to 31: four bits for each pin, three of which select a wire.
    routes: [u16; 7],
    is_qemu: bool,
}

impl Ich9 {
    /// Reads the route registers.
    pub(super) fn read(config: &dyn ConfigAccess, is_qemu: bool) -> Self {
        let rcba = config.read(lpc_bridge(), RCBA, Width::Dword);
        // Firmware that has not mapped the registers has not changed them since reset.
        let routes = (rcba & 1 == 1).then(|| rcba::routes(u64::from(rcba & !0x3fff))).flatten();
        Self { routes: routes.unwrap_or(rcba::ROUTES_AT_RESET), is_qemu }
    }

    /// Returns the line of a wire.
    pub(super) fn answer(&self, wire: Wire, expanders: &Expanders) -> ChipsetAnswer {
        let slot = wire.device.device();
        let line = |gsi| ChipsetAnswer::Line(Gsi(gsi));
        match (wire.device.bus(), slot) {
            (0, BRIDGE) if self.is_qemu => line(PIRQE + u32::from(wire.pin.index())),
            (0, FIRST..) => line(self.by_register(slot, wire.pin)),
            (0, _) if self.is_qemu => line(PIRQE + u32::from(wire.pin.turned_by(slot).index())),
            (1.., _) if self.is_qemu => through_expander(wire, expanders),
            _ => ChipsetAnswer::UnknownWiring { device: wire.device },
        }
    }

    fn by_register(&self, slot: u8, pin: Pin) -> u32 {
        let route = self.routes[usize::from((slot - FIRST) % 7)];
        PIRQA + u32::from(route >> (4 * pin.index()) & 7)
    }
}

/// Returns the line of a wire behind an expander of QEMU's `q35`.
///
/// An expander subtracts its own slot from the pin, since the root bus should rotate by that slot. `q35` does not
/// rotate, but looks the wire up in a table with four entries for each slot, where the now negative pin selects an
/// entry of an earlier slot. This is how the machine behaves, even where firmware describes it differently.
fn through_expander(wire: Wire, expanders: &Expanders) -> ChipsetAnswer {
    let turned = u32::from(wire.pin.turned_by(wire.device.device()).index());
    let mut lines = expanders.device_numbers().iter().map(|expander| {
        let entry = 3 * u32::from(*expander) + turned;
        PIRQE + (entry / 4 + entry % 4) % 4
    });
    match lines.next() {
        Some(first) if lines.all(|other| other == first) => ChipsetAnswer::Line(Gsi(first)),
        Some(_) => ChipsetAnswer::Ambiguous { expanders: expanders.count() },
        None => ChipsetAnswer::UnknownWiring { device: wire.device },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(ich9: &Ich9, bus: u8, slot: u8, pin: Pin, expanders: &[u8]) -> ChipsetAnswer {
        let wire = Wire { device: Address::new(0, bus, slot, 0), pin };
        ich9.answer(wire, &Expanders::at(expanders))
    }

    fn line(gsi: u32) -> ChipsetAnswer {
        ChipsetAnswer::Line(Gsi(gsi))
    }

    const QEMU: Ich9 = Ich9 { routes: rcba::ROUTES_AT_RESET, is_qemu: true };

    /// The lines that QEMU 7.2 raises for pin A, as observed.
    #[test]
    fn lines_as_raised_by_qemu() {
        for (slot, gsi) in
            [(1, 21), (2, 22), (3, 23), (4, 20), (24, 20), (25, 16), (26, 16), (28, 16), (29, 16), (30, 20), (31, 16)]
        {
            assert_eq!(answer(&QEMU, 0, slot, Pin::A, &[]), line(gsi), "slot {slot}");
        }
    }

    #[test]
    fn registers_route_the_chips_own_slots_on_any_board() {
        let ich9 = Ich9 { routes: [0x3210, 0, 0, 0, 0x7654, 0x8f21, 0x3210], is_qemu: false };
        assert_eq!(answer(&ich9, 0, 29, Pin::B, &[]), line(21));
        // The fourth bit is reserved.
        assert_eq!(answer(&ich9, 0, 30, Pin::C, &[]), line(23));
        assert_eq!(answer(&ich9, 0, 30, Pin::D, &[]), line(16));
        assert!(matches!(answer(&ich9, 0, 1, Pin::A, &[]), ChipsetAnswer::UnknownWiring { .. }));
        assert!(matches!(answer(&ich9, 128, 0, Pin::A, &[3]), ChipsetAnswer::UnknownWiring { .. }));
    }

    /// The lines that QEMU 7.2 raises for pin A of root ports 0 and 1 behind an expander in each of these slots, as
    /// observed.
    #[test]
    fn lines_behind_an_expander_as_raised_by_qemu() {
        for (expander, first, second) in
            [(2, 23, 20), (3, 23, 20), (4, 23, 20), (5, 22, 20), (6, 22, 23), (7, 22, 23), (8, 22, 23), (9, 21, 23)]
        {
            assert_eq!(answer(&QEMU, 128, 0, Pin::A, &[expander]), line(first), "expander {expander}");
            assert_eq!(answer(&QEMU, 128, 1, Pin::A, &[expander]), line(second), "expander {expander}");
        }
    }

    #[test]
    fn several_expanders_are_ambiguous_when_their_lines_differ() {
        assert_eq!(answer(&QEMU, 128, 0, Pin::A, &[2, 3, 4]), line(23));
        assert_eq!(answer(&QEMU, 128, 0, Pin::A, &[4, 5]), ChipsetAnswer::Ambiguous { expanders: 2 });
        assert!(matches!(answer(&QEMU, 128, 0, Pin::A, &[]), ChipsetAnswer::UnknownWiring { .. }));
    }
}
