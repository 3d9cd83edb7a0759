//! The root pointer (RSDP), and the table that it leads to: the XSDT, or the RSDT where the XSDT is missing or invalid.
//!
//! Firmware is known to leave the XSDT's address zero, to forget the checksum of one of the two tables, and to write
//! revision 1 into the 20 bytes of ACPI 1.0. As in Linux, a revision below 2 means those 20 bytes, and whatever fails
//! about the XSDT is answered by the RSDT.

use alloc::vec::Vec;

use acpi::sdt::{SdtHeader, Signature};

use super::{read_header, table};
use crate::integer::to_usize;
use crate::physical::PhysicalMemory;

/// The area in which a BIOS keeps the root pointer, at a multiple of 16 (ACPI 6.5, 5.2.5.1).
const BIOS_AREA: core::ops::Range<u64> = 0xe0000..0x100000;
const SIGNATURE: &[u8; 8] = b"RSD PTR ";
/// Bytes of the structure of ACPI 1.0, and of the one since ACPI 2.0 (ACPI 6.5, 5.2.5.3).
const SHORT: usize = 20;
const LONG: usize = 36;
/// Offsets of its fields.
const REVISION: usize = 15;
const RSDT_ADDRESS: usize = 16;
const LENGTH: usize = 20;
const XSDT_ADDRESS: usize = 24;

/// The root pointer (RSDP), or its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RootPointer {
    /// At a physical address.
    At(u64),
    /// A copy made by the loader. The shorter structure of ACPI 1.0 is padded with zeros.
    Copy([u8; LONG]),
}

impl RootPointer {
    /// Takes the loader's copy, as far as a root pointer is long.
    pub(crate) fn copy(bytes: &[u8]) -> Self {
        let mut copy = [0; LONG];
        copy.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Self::Copy(copy)
    }
}

/// Returns the addresses of all tables, by the loader's root pointer or, when it is missing or invalid, by the one in
/// the BIOS area.
pub(super) fn tables(pointer: Option<RootPointer>, memory: &dyn PhysicalMemory) -> Option<Vec<u64>> {
    let given = pointer.and_then(|pointer| match pointer {
        RootPointer::At(address) => at(address, memory),
        RootPointer::Copy(bytes) => listed(&bytes, memory),
    });
    given.or_else(|| search(memory))
}

/// Searches the BIOS area for a root pointer with a valid table.
fn search(memory: &dyn PhysicalMemory) -> Option<Vec<u64>> {
    BIOS_AREA.step_by(16).find_map(|address| {
        let is_signed = memory.copy(address, 8)? == *SIGNATURE;
        if is_signed { at(address, memory) } else { None }
    })
}

fn at(address: u64, memory: &dyn PhysicalMemory) -> Option<Vec<u64>> {
    // The shorter structure may end where nothing follows.
    let bytes = memory.copy(address, LONG as u64).or_else(|| memory.copy(address, SHORT as u64))?;
    let RootPointer::Copy(bytes) = RootPointer::copy(&bytes) else { return None };
    listed(&bytes, memory)
}

/// Returns the addresses in the XSDT or the RSDT of the root pointer with these bytes.
fn listed(bytes: &[u8; LONG], memory: &dyn PhysicalMemory) -> Option<Vec<u64>> {
    if !bytes.starts_with(SIGNATURE) || sum(&bytes[..SHORT]) != 0 {
        log::warn!("ACPI root pointer: wrong signature or checksum");
        return None;
    }
    let by_xsdt = (bytes[REVISION] >= 2).then(|| {
        let listed = xsdt(bytes, memory);
        if listed.is_none() {
            log::warn!("ACPI: no valid XSDT, its older form is used (RSDT)");
        }
        listed
    });
    let address = number(&bytes[RSDT_ADDRESS..LENGTH]);
    by_xsdt.flatten().or_else(|| entries(address, Signature::RSDT, 4, memory))
}

fn xsdt(bytes: &[u8; LONG], memory: &dyn PhysicalMemory) -> Option<Vec<u64>> {
    // The second checksum covers the length in the pointer, of which later revisions may have more than was copied.
    let length = to_usize(number(&bytes[LENGTH..XSDT_ADDRESS]));
    let is_valid = length >= LONG && (length > LONG || sum(bytes) == 0);
    entries(number(&bytes[XSDT_ADDRESS..XSDT_ADDRESS + 8]), Signature::XSDT, 8, memory).filter(|_| is_valid)
}

/// Returns the addresses in a root table, each of `width` bytes. Returns `None` for a table that is missing, invalid or
/// empty.
fn entries(address: u64, signature: Signature, width: usize, memory: &dyn PhysicalMemory) -> Option<Vec<u64>> {
    if address == 0 {
        return None;
    }
    let table = table(address, read_header(address, memory)?, signature, memory)?;
    let entries = table[size_of::<SdtHeader>()..].chunks_exact(width).map(number);
    Some(entries.filter(|entry| *entry != 0).collect()).filter(|entries: &Vec<u64>| !entries.is_empty())
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// Decodes a number of up to eight bytes, the lowest first.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    const RSDT: u32 = 0xe1000;
    const XSDT: u32 = 0xe2000;

    /// Memory with a BIOS area.
    struct Bios(Vec<u8>);

    impl PhysicalMemory for Bios {
        fn copy(&self, address: u64, length: u64) -> Option<Vec<u8>> {
            let start = to_usize(address.checked_sub(BIOS_AREA.start)?);
            self.0.get(start..start + to_usize(length)).map(<[u8]>::to_vec)
        }
    }

    fn write(memory: &mut Bios, at: u32, bytes: &[u8]) {
        let at = to_usize(u64::from(at) - BIOS_AREA.start);
        memory.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Sets the byte at `at` such that the bytes sum up to zero.
    fn sum_up(bytes: &mut [u8], at: usize) {
        bytes[at] = 0;
        bytes[at] = sum(bytes).wrapping_neg();
    }

    fn root_table(signature: &[u8; 4], entry: &[u8]) -> Vec<u8> {
        let mut table = vec![0; 36];
        table[..4].copy_from_slice(signature);
        table.extend(entry);
        table[4] = u8::try_from(table.len()).unwrap();
        sum_up(&mut table, 9);
        table
    }

    /// Memory with an RSDT that lists address 4, and an XSDT that lists address 8.
    fn memory() -> Bios {
        let mut memory = Bios(vec![0; 0x2_0000]);
        write(&mut memory, RSDT, &root_table(b"RSDT", &4_u32.to_le_bytes()));
        write(&mut memory, XSDT, &root_table(b"XSDT", &8_u64.to_le_bytes()));
        memory
    }

    fn pointer(revision: u8, xsdt: u32) -> [u8; LONG] {
        let mut pointer = [0; LONG];
        pointer[..8].copy_from_slice(SIGNATURE);
        pointer[REVISION] = revision;
        pointer[RSDT_ADDRESS..LENGTH].copy_from_slice(&RSDT.to_le_bytes());
        sum_up(&mut pointer[..SHORT], 8);
        pointer[LENGTH] = 36;
        pointer[XSDT_ADDRESS..XSDT_ADDRESS + 4].copy_from_slice(&xsdt.to_le_bytes());
        sum_up(&mut pointer, 32);
        pointer
    }

    fn found(pointer: &[u8], memory: &Bios) -> Option<Vec<u64>> {
        tables(Some(RootPointer::copy(pointer)), memory)
    }

    #[test]
    fn the_xsdt_takes_precedence() {
        assert_eq!(found(&pointer(2, XSDT), &memory()), Some(vec![8]));
    }

    #[test]
    fn an_xsdt_of_zero_or_with_a_wrong_checksum_is_answered_by_the_rsdt() {
        let mut memory = memory();
        assert_eq!(found(&pointer(2, 0), &memory), Some(vec![4]));
        write(&mut memory, XSDT + 8, &[0x55]);
        assert_eq!(found(&pointer(2, XSDT), &memory), Some(vec![4]));
        // So is one whose root pointer has a wrong second checksum, or too short a length.
        let mut invalid = pointer(2, XSDT);
        invalid[32] ^= 1;
        assert_eq!(found(&invalid, &self::memory()), Some(vec![4]));
        let mut short = pointer(2, XSDT);
        short[LENGTH] = 20;
        assert_eq!(found(&short, &self::memory()), Some(vec![4]));
    }

    #[test]
    fn an_empty_xsdt_is_answered_by_the_rsdt() {
        let mut memory = memory();
        write(&mut memory, XSDT, &root_table(b"XSDT", &[]));
        assert_eq!(found(&pointer(2, XSDT), &memory), Some(vec![4]));
    }

    #[test]
    fn a_revision_below_2_has_20_bytes() {
        for revision in [0, 1] {
            let short = &pointer(revision, XSDT)[..SHORT];
            assert_eq!(found(short, &memory()), Some(vec![4]), "the loader's copy, revision {revision}");
            // The last 16 bytes of the area, and 4 below: nothing follows.
            let mut memory = memory();
            let at = BIOS_AREA.end - 32;
            write(&mut memory, u32::try_from(at).unwrap(), short);
            memory.0.truncate(to_usize(at - BIOS_AREA.start) + SHORT);
            assert_eq!(tables(Some(RootPointer::At(at)), &memory), Some(vec![4]), "revision {revision}");
            assert_eq!(tables(None, &memory), Some(vec![4]), "the search, revision {revision}");
        }
    }

    #[test]
    fn a_wrong_first_checksum_leads_to_the_bios_area() {
        let mut memory = memory();
        let mut invalid = pointer(2, XSDT);
        invalid[9] ^= 1;
        assert_eq!(found(&invalid, &memory), None);
        write(&mut memory, 0xe0010, &pointer(0, 0));
        assert_eq!(found(&invalid, &memory), Some(vec![4]));
        assert_eq!(tables(Some(RootPointer::At(0x10)), &memory), Some(vec![4]));
    }
}
