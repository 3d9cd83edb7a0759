//! The ICH9, on QEMU's `q35` and elsewhere: eight wires, PIRQA to PIRQH, that are lines 16 to 23 of its I/O APIC.
//!
//! Its own devices, slots 25 to 31, choose among the eight by registers. What the other slots do is up to the board:
//! QEMU's leads their pins to PIRQE to PIRQH, turned by the slot. Once firmware has also routed the eight for the 8259
//! pair, QEMU raises an ISA input together with the line. That input stays masked, since one of the two is enough.

use super::expander::Expanders;
use super::rcba;
use switchboard::config::{Address, ConfigAccess, Width};
use switchboard::interrupt::{ChipsetAnswer, Gsi, Pin, Wire};

/// The LPC bridge, which has the registers.
pub(super) const ID: u32 = 0x2918_8086;

/// Root Complex Base Address: enabled by bit 0, the address in bits 14 to 31 (ICH9, 13.1.35).
const RCBA: u16 = 0xf0;
/// The line of PIRQA (ICH9, 5.10), and of PIRQE.
const PIRQA: u32 = 16;
const PIRQE: u32 = 20;
/// The first slot whose pins are routed by a register.
const FIRST: u8 = 25;
/// Where the conventional bridge of the real chip is. QEMU's board has none, and leads that slot to PIRQE and on.
const BRIDGE: u8 = 30;

/// Where the LPC bridge always is.
pub(super) fn place() -> Address {
    Address::new(0, 0, 31, 0)
}

#[derive(Debug)]
pub(super) struct Ich9 {
    /// Of slots 25 to 31: four bits for each pin, three of which choose a wire.
    routes: [u16; 7],
    is_qemu: bool,
}

impl Ich9 {
    pub(super) fn read(config: &dyn ConfigAccess, is_qemu: bool) -> Self {
        let rcba = config.read(place(), RCBA, Width::Dword);
        // Firmware that leaves them out of reach leaves them as they were at reset.
        let routes = (rcba & 1 == 1).then(|| rcba::routes(u64::from(rcba & !0x3fff))).flatten();
        Self { routes: routes.unwrap_or(rcba::ROUTES_AT_RESET), is_qemu }
    }

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

/// An expander takes its own slot out of the pin, since the root bus is to turn it by that slot. QEMU's `q35` does not
/// turn, but looks the wire up in its table of four to a slot, where the pin that is now negative leads to an earlier
/// slot's entry. That is what the machine does, so that is the route, whatever firmware believes.
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

    /// The lines that QEMU 7.2 was seen to raise for pin A.
    #[test]
    fn as_qemu_raises_them() {
        for (slot, gsi) in
            [(1, 21), (2, 22), (3, 23), (4, 20), (24, 20), (25, 16), (26, 16), (28, 16), (29, 16), (30, 20), (31, 16)]
        {
            assert_eq!(answer(&QEMU, 0, slot, Pin::A, &[]), line(gsi), "slot {slot}");
        }
    }

    #[test]
    fn registers_route_the_chips_own_slots_wherever_it_is() {
        let ich9 = Ich9 { routes: [0x3210, 0, 0, 0, 0x7654, 0x8f21, 0x3210], is_qemu: false };
        assert_eq!(answer(&ich9, 0, 29, Pin::B, &[]), line(21));
        // The fourth bit is reserved.
        assert_eq!(answer(&ich9, 0, 30, Pin::C, &[]), line(23));
        assert_eq!(answer(&ich9, 0, 30, Pin::D, &[]), line(16));
        assert!(matches!(answer(&ich9, 0, 1, Pin::A, &[]), ChipsetAnswer::UnknownWiring { .. }));
        assert!(matches!(answer(&ich9, 128, 0, Pin::A, &[3]), ChipsetAnswer::UnknownWiring { .. }));
    }

    /// For pin A of root ports 0 and 1 behind an expander in each of these slots, as QEMU 7.2 was seen to do.
    #[test]
    fn expanders_as_qemu_has_them() {
        for (expander, first, second) in
            [(2, 23, 20), (3, 23, 20), (4, 23, 20), (5, 22, 20), (6, 22, 23), (7, 22, 23), (8, 22, 23), (9, 21, 23)]
        {
            assert_eq!(answer(&QEMU, 128, 0, Pin::A, &[expander]), line(first), "expander {expander}");
            assert_eq!(answer(&QEMU, 128, 1, Pin::A, &[expander]), line(second), "expander {expander}");
        }
    }

    #[test]
    fn several_expanders_are_told_apart_where_they_differ() {
        assert_eq!(answer(&QEMU, 128, 0, Pin::A, &[2, 3, 4]), line(23));
        assert_eq!(answer(&QEMU, 128, 0, Pin::A, &[4, 5]), ChipsetAnswer::Ambiguous { expanders: 2 });
        assert!(matches!(answer(&QEMU, 128, 0, Pin::A, &[]), ChipsetAnswer::UnknownWiring { .. }));
    }
}
