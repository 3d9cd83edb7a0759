//! BAR sizing: write ones, read back, restore (PCI 3.0, 6.2.5.1).
//!
//! Decoding is off meanwhile: a BAR of all ones would decode the top of the first 4 GiB, which on a PC holds the local APIC and the
//! firmware; `pci_types` sizes with decoding on. Command is written by 16-bit writes, since Status is in the same dword and ones clear it.
//! Nothing is logged meanwhile, because the console may be behind the BAR; a BAR that decodes the console's ports is not sized at all.

use alloc::vec::Vec;

use super::{BarFacts, BarKind};
use crate::assign::Unassigned;
use crate::config::{
    BarDefect, BarEncoding, BarRegister, Command, Defect, Facts, HeaderKind, MemoryType, RefusalReason, RomRegister,
    Space, read_command, write_command,
};

/// The size of the physical address space in bytes (SDM vol. 3, 4.1.4).
const MAX_MEMORY_BYTES: u64 = 1 << 52;
/// Half of all I/O ports: a BAR with all of them would leave none to other functions.
const MAX_PORTS: u64 = 1 << 15;
/// The address bits of a ROM's register.
const ROM_ADDRESS: u32 = !0x7ff;
/// The bit of a ROM's register that decodes it while the function decodes memory (PCI 3.0, 6.2.5.2).
const ROM_ENABLE: u32 = 1;

/// The result of sizing.
#[derive(Debug, Default)]
pub(crate) struct Sizes {
    /// The valid BARs.
    pub(crate) bars: Vec<BarFacts>,
    /// The size of the expansion ROM in bytes, a power of two.
    pub(crate) rom: Option<u64>,
    /// The invalid BARs.
    pub(crate) defects: Vec<Defect>,
}

/// Sizes every BAR and the expansion ROM of a function, whose decoding is switched off for good.
///
/// # Errors
/// [`RefusalReason`] for a function that does not stop decoding, or whose BARs read as if it were gone.
pub(crate) fn size_bars(space: Space, facts: &Facts) -> Result<Sizes, RefusalReason> {
    let mut sizes = Sizes::default();
    // The host bridge may decode memory itself through its BARs. Root ports with its class have the header of a bridge.
    if facts.header.class.is_host_bridge() && facts.header.kind == HeaderKind::Endpoint {
        return Ok(sizes);
    }
    if let Some(console) = facts.bars.iter().find(|bar| is_console(bar)) {
        sizes.defects.push(Defect::Bar { index: console.index, defect: BarDefect::Console });
        return Ok(sizes);
    }
    let before = sane_command(space, facts, &mut sizes)?;
    let decode = Command::IO_ENABLE | Command::MEMORY_ENABLE;
    write_command(space, before - decode);
    let still = read_command(space) & decode;
    if still.is_empty() {
        let sized = size_all(space, facts, &mut sizes);
        write_command(space, before);
        return sized.map(|()| sizes);
    }
    write_command(space, before);
    // A function without BARs may keep its decoding bits set: bridges to ISA do.
    if facts.bars.is_empty() {
        return Ok(sizes);
    }
    Err(RefusalReason::Command { wanted: (before - decode).bits(), found: (before | still).bits() })
}

/// Returns the value of Command. One that reads all ones, though the function is there, is reset to decode nothing.
fn sane_command(space: Space, facts: &Facts, sizes: &mut Sizes) -> Result<Command, RefusalReason> {
    let before = read_command(space);
    if before.bits() != u16::MAX {
        return Ok(before);
    }
    if space.read_u32(0) != facts.header.ids() {
        return Err(RefusalReason::Gone);
    }
    write_command(space, Command::INTERRUPT_DISABLE);
    sizes.defects.push(Defect::Command);
    match read_command(space) {
        after if after.bits() == u16::MAX => {
            Err(RefusalReason::Command { wanted: Command::INTERRUPT_DISABLE.bits(), found: after.bits() })
        }
        after => Ok(after),
    }
}

/// Returns whether the BAR decodes the console's ports.
fn is_console(bar: &BarRegister) -> bool {
    const CONSOLE: u64 = 0x3f8;
    // Its size is not known yet, but its address is a multiple of it.
    let max_size = bar.address & bar.address.wrapping_neg();
    bar.encoding == BarEncoding::Io && (bar.address..bar.address + max_size).contains(&CONSOLE)
}

fn size_all(space: Space, facts: &Facts, sizes: &mut Sizes) -> Result<(), RefusalReason> {
    let count = BarRegister::count(facts.header.kind);
    let mut index = 0;
    while index < count {
        let register = BarRegister::read(space, index, count);
        match size_bar(space, BarRegister::offset(0), register)? {
            Ok(Some((kind, size))) => {
                let (address, defect) = place(register.address, size);
                sizes.bars.push(BarFacts { index, kind, address, size });
                sizes.defects.extend(defect.map(|defect| Defect::Bar { index, defect }));
            }
            Ok(None) => {}
            Err(defect) => sizes.defects.push(Defect::Bar { index, defect }),
        }
        index += register.registers();
    }
    if let Some(offset) = RomRegister::offset(facts.header.kind) {
        match size_rom(space, offset) {
            Ok(rom) => sizes.rom = rom,
            Err(value) => sizes.defects.push(Defect::Rom { value }),
        }
    }
    Ok(())
}

/// Returns kind and size of one BAR, or `None` where there is no BAR. The first BAR is at offset `first`.
pub(super) fn size_bar(
    space: Space,
    first: u16,
    register: BarRegister,
) -> Result<Result<Option<(BarKind, u64)>, BarDefect>, RefusalReason> {
    let offset = first + 4 * u16::from(register.index);
    let low = space.read_u32(offset);
    let low_mask = size_register(space, offset, low);
    if low_mask == u32::MAX {
        return Err(RefusalReason::BarOnes { index: register.index });
    }
    let (kind, mask, max_size) = match register.encoding {
        BarEncoding::Io => {
            let ports = low_mask & !3;
            // The upper half may be hard-wired to zero.
            let ports = if ports != 0 && ports >> 16 == 0 { ports | 0xffff_0000 } else { ports };
            (BarKind::Io, widen(ports), MAX_PORTS)
        }
        BarEncoding::Memory { memory_type, is_prefetchable: prefetchable } => match memory_type {
            MemoryType::Bits32 => (BarKind::Memory32 { prefetchable }, widen(low_mask & !0xf), MAX_MEMORY_BYTES),
            MemoryType::Bits64 => {
                let high = space.read_u32(offset + 4);
                let mask = u64::from(size_register(space, offset + 4, high)) << 32 | u64::from(low_mask & !0xf);
                (BarKind::Memory64 { prefetchable }, mask, MAX_MEMORY_BYTES)
            }
            MemoryType::Below1Mib => return Ok(Err(BarDefect::BelowOneMib)),
            MemoryType::Bits64NoUpperHalf => return Ok(Err(BarDefect::NoUpperHalf)),
            MemoryType::Reserved => return Ok(Err(BarDefect::Reserved)),
        },
    };
    Ok(match size_of_mask(mask) {
        // No bit can be written: there is no BAR, unless the register reads other than zero.
        Ok(None) if low == 0 => Ok(None),
        Ok(None) => Err(BarDefect::NoSize),
        Ok(Some(size)) if size > max_size => Err(BarDefect::TooLarge { size }),
        Ok(Some(size)) => Ok(Some((kind, size))),
        Err(mask) => Err(BarDefect::Holes { mask }),
    })
}

/// Returns the address of a BAR of `size` bytes. Zero means that firmware assigned none; an address that is no multiple of the size
/// is treated the same way, since the BAR has no bits for the rest.
pub(super) fn place(address: u64, size: u64) -> (Result<u64, Unassigned>, Option<BarDefect>) {
    match address {
        0 => (Err(Unassigned::Unset), None),
        _ if address.is_multiple_of(size) => (Ok(address), None),
        _ => (Err(Unassigned::Unset), Some(BarDefect::Askew { address, size })),
    }
}

/// Writes the address of a BAR, with decoding off. Returns whether the BAR holds it.
pub(crate) fn write_bar(space: Space, bar: BarFacts, address: u64) -> bool {
    write_bar_at(space, BarRegister::offset(0), bar, address)
}

/// Writes the address of a BAR as [`write_bar`] does. The first BAR is at offset `first`.
pub(super) fn write_bar_at(space: Space, first: u16, bar: BarFacts, address: u64) -> bool {
    let offset = first + 4 * u16::from(bar.index);
    let flags = if bar.kind == BarKind::Io { 3 } else { 0xf };
    let (low, high) = ((address & 0xffff_ffff) as u32, (address >> 32) as u32);
    space.write_u32(offset, low);
    let is_low = space.read_u32(offset) & !flags == low;
    let is_high = match bar.kind {
        BarKind::Memory64 { .. } => {
            space.write_u32(offset + 4, high);
            space.read_u32(offset + 4) == high
        }
        BarKind::Io | BarKind::Memory32 { .. } => high == 0,
    };
    is_low && is_high
}

/// Extends the mask of a 32-bit BAR to 64 bits.
fn widen(mask: u32) -> u64 {
    if mask == 0 { 0 } else { 0xffff_ffff << 32 | u64::from(mask) }
}

/// Switches the ROM off, and returns its size in bytes, or `Err` with the register's value when that is not a ROM's.
fn size_rom(space: Space, offset: u16) -> Result<Option<u64>, u32> {
    let before = space.read_u32(offset);
    if before == u32::MAX {
        return Err(before);
    }
    // All address bits, and not the lowest, which would enable the ROM.
    space.write_u32(offset, ROM_ADDRESS);
    let mask = space.read_u32(offset) & ROM_ADDRESS;
    // A ROM that is decoded may lie over a BAR, now or once addresses are assigned, and ROMs are given none.
    space.write_u32(offset, if mask == 0 { before } else { before & !ROM_ENABLE });
    size_of_mask(widen(mask)).map_err(|_| mask)
}

fn size_register(space: Space, offset: u16, value: u32) -> u32 {
    space.write_u32(offset, u32::MAX);
    let mask = space.read_u32(offset);
    space.write_u32(offset, value);
    mask
}

/// Returns the size for a mask of writable address bits: `None` for no BAR, `Err` for a mask whose bits are not contiguous.
fn size_of_mask(mask: u64) -> Result<Option<u64>, u64> {
    if mask == 0 {
        return Ok(None);
    }
    let size = mask & mask.wrapping_neg();
    if mask == !(size - 1) { Ok(Some(size)) } else { Err(mask) }
}

/// Moves a 64-bit BAR without an address to the top of the 64-bit address space, out of every CPU's reach. The function's other BARs can be
/// decoded then, which share its enable bit. There is no such place for 32-bit BARs.
pub(crate) fn park(space: Space, bar: BarFacts) {
    if matches!(bar.kind, BarKind::Memory64 { .. }) {
        write_bar(space, bar, bar.size.wrapping_neg());
    }
}

#[cfg(test)]
mod tests {
    use super::{size_of_mask, widen};

    #[test]
    fn masks_mean_sizes() {
        assert_eq!(size_of_mask(widen(0)), Ok(None));
        assert_eq!(size_of_mask(widen(0xffff_f000)), Ok(Some(0x1000)));
        assert_eq!(size_of_mask(0xffff_ffff_ffff_c000), Ok(Some(0x4000)));
        assert_eq!(size_of_mask(0xffff_ffff_0000_0000), Ok(Some(0x1_0000_0000)));
    }

    #[test]
    fn masks_with_holes_are_refused() {
        assert_eq!(size_of_mask(widen(0xfff0_f000)), Err(widen(0xfff0_f000)));
        // A 64-bit BAR whose upper half ignores writes decodes no power of two.
        assert_eq!(size_of_mask(0xffff_f000), Err(0xffff_f000));
    }
}
