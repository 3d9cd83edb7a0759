//! The MADT: CPUs, I/O APICs, and the overrides of ISA interrupts (ACPI 6.5, 5.2.12). An MP table has the same facts.

use alloc::vec::Vec;

use switchboard::interrupt::Gsi;

/// Bytes before the first entry: the header, the local APICs' address, flags.
const ENTRIES: usize = 44;
/// Interrupt numbers below this are of ISA, which overrides may move.
const ISA_LINES: u8 = 16;

/// The parts of the MADT that are used. Empty when there is none: then no line has a route, and the boot CPU is the only
/// one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Madt {
    pub(super) io_apics: Vec<IoApicEntry>,
    pub(super) overrides: Vec<Override>,
    /// The local APIC ids of the enabled CPUs, each once.
    pub(super) cpus: Vec<u32>,
}

/// One I/O APIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IoApicEntry {
    /// Physical address of its registers.
    pub(super) address: u64,
    /// The GSI of its first input.
    pub(super) first_gsi: u32,
}

/// What firmware states of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Override {
    /// The ISA interrupt that it has, if any.
    pub(super) line: Option<u8>,
    pub(super) gsi: Gsi,
    pub(super) polarity: Option<Polarity>,
}

/// The level at which a line is asserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Polarity {
    /// Active high.
    High,
    /// Active low, as the lines of PCI.
    Low,
}

impl Madt {
    /// Parses a whole table with a valid checksum. A truncated entry ends the list.
    pub(super) fn parse(table: &[u8]) -> Self {
        let mut madt = Self::default();
        let mut rest = table.get(ENTRIES..).unwrap_or_default();
        while let [kind, length, ..] = *rest {
            let Some((entry, next)) = rest.split_at_checked(usize::from(length)).filter(|_| length >= 2) else {
                log::warn!("MADT: an entry of {length} bytes where {} are left", rest.len());
                break;
            };
            madt.add(kind, entry);
            rest = next;
        }
        madt
    }

    fn add(&mut self, kind: u8, entry: &[u8]) {
        match *entry {
            // A local APIC: ACPI id, APIC id, flags with "enabled" in bit 0.
            [_, _, _, id, flags, ..] if kind == 0 && flags & 1 == 1 => self.add_cpu(id.into()),
            // An I/O APIC: id, reserved, address, first GSI.
            [_, _, _, _, a0, a1, a2, a3, g0, g1, g2, g3, ..] if kind == 1 => {
                let address = u64::from(u32::from_le_bytes([a0, a1, a2, a3]));
                self.io_apics.push(IoApicEntry { address, first_gsi: u32::from_le_bytes([g0, g1, g2, g3]) });
            }
            // An interrupt source override: bus (0 is ISA), line, GSI, flags with the polarity in bits 0 and 1.
            [_, _, 0, line, g0, g1, g2, g3, flags, ..] if kind == 2 => {
                let polarity = match flags & 3 {
                    1 => Some(Polarity::High),
                    3 => Some(Polarity::Low),
                    // "Conforms to the bus", or reserved.
                    _ => None,
                };
                self.overrides.push(Override {
                    line: Some(line),
                    gsi: Gsi(u32::from_le_bytes([g0, g1, g2, g3])),
                    polarity,
                });
            }
            // A local x2APIC: reserved, id, flags.
            [_, _, _, _, i0, i1, i2, i3, flags, ..] if kind == 9 && flags & 1 == 1 => {
                self.add_cpu(u32::from_le_bytes([i0, i1, i2, i3]));
            }
            _ => {}
        }
    }

    /// Adds a CPU. Some firmware lists a CPU as both kinds of local APIC.
    pub(super) fn add_cpu(&mut self, id: u32) {
        if !self.cpus.contains(&id) {
            self.cpus.push(id);
        }
    }

    /// Returns the GSI of a number in an Interrupt Line register. 255 means no connection (PCI 3.0, 6.2.4). 0 is the
    /// number of the timer, so it means that firmware wrote nothing.
    pub(super) fn gsi_of(&self, interrupt_line: u8) -> Option<Gsi> {
        if matches!(interrupt_line, 0 | 255) || self.io_apics.is_empty() {
            return None;
        }
        let moved =
            self.overrides.iter().find(|entry| entry.line == Some(interrupt_line) && interrupt_line < ISA_LINES);
        Some(moved.map_or(Gsi(u32::from(interrupt_line)), |entry| entry.gsi))
    }

    /// Returns the polarity of a line that a function drives: low, unless an override changes it.
    pub(super) fn polarity_of(&self, gsi: Gsi) -> Polarity {
        let stated = self.overrides.iter().filter(|entry| entry.gsi == gsi).find_map(|entry| entry.polarity);
        stated.unwrap_or(Polarity::Low)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    /// Returns the table of QEMU with one CPU: local APIC, I/O APIC, overrides for the timer and for PCI.
    fn qemu() -> Vec<u8> {
        let mut table = vec![0; ENTRIES];
        table.extend([0, 8, 0, 0, 1, 0, 0, 0]);
        table.extend([1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0]);
        table.extend([2, 10, 0, 0, 2, 0, 0, 0, 0, 0]);
        for line in [5, 9, 10, 11] {
            table.extend([2, 10, 0, line, line, 0, 0, 0, 0x0d, 0]);
        }
        table.extend([4, 6, 0xff, 0, 0, 1]);
        table
    }

    #[test]
    fn qemus_table() {
        let madt = Madt::parse(&qemu());
        assert_eq!(madt.io_apics, [IoApicEntry { address: 0xfec0_0000, first_gsi: 0 }]);
        assert_eq!((madt.cpus.as_slice(), madt.overrides.len()), (&[0][..], 5));
        assert_eq!((madt.gsi_of(11), madt.gsi_of(7), madt.gsi_of(21)), (Some(Gsi(11)), Some(Gsi(7)), Some(Gsi(21))));
        assert_eq!((madt.polarity_of(Gsi(11)), madt.polarity_of(Gsi(21))), (Polarity::High, Polarity::Low));
    }

    #[test]
    fn numbers_without_a_connection() {
        let madt = Madt::parse(&qemu());
        assert_eq!((madt.gsi_of(0), madt.gsi_of(255)), (None, None));
        assert_eq!(Madt::default().gsi_of(11), None);
    }

    #[test]
    fn overrides_move_isa_lines_only() {
        let mut table = qemu();
        table.extend([2, 10, 0, 7, 20, 0, 0, 0, 0x0f, 0]);
        table.extend([2, 10, 0, 40, 21, 0, 0, 0, 0x0f, 0]);
        let madt = Madt::parse(&table);
        assert_eq!((madt.gsi_of(7), madt.gsi_of(40)), (Some(Gsi(20)), Some(Gsi(40))));
        assert_eq!(madt.polarity_of(Gsi(20)), Polarity::Low);
    }

    #[test]
    fn cpus_are_listed_once_if_they_are_enabled() {
        let mut table = qemu();
        table.extend([0, 8, 1, 4, 1, 0, 0, 0]);
        table.extend([0, 8, 2, 5, 0, 0, 0, 0]);
        table.extend([9, 16, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
        table.extend([9, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0]);
        table.extend([9, 16, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0]);
        assert_eq!(Madt::parse(&table).cpus, [0, 4, 256]);
    }

    #[test]
    fn malformed_lists_end() {
        for tail in [&[1, 0][..], &[1, 1], &[1, 200, 0], &[1], &[1, 4, 0, 0], &[2, 2]] {
            let mut table = qemu();
            table.extend(tail);
            assert_eq!(Madt::parse(&table), Madt::parse(&qemu()), "{tail:?}");
        }
        assert_eq!(Madt::parse(&[0; 3]), Madt::default());
    }
}
