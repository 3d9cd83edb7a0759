//! How big each BAR is: write ones, read back, restore (PCI 3.0, 6.2.5.1).
//!
//! Decoding is off meanwhile. A BAR of all ones decodes the top of memory for a moment, which on a PC holds
//! the local APIC and the firmware: others have killed virtual machines that way. Nothing is printed either,
//! since the console may sit behind the very BAR.

use alloc::vec::Vec;

use crate::assign::Unassigned;
use crate::config::{Command, Header, Space, update_command};

const FIRST_BAR: u16 = 0x10;

/// What a BAR decodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarFacts {
    /// 0 to 5: its first register.
    pub index: u8,
    /// What kind of addresses.
    pub kind: BarKind,
    /// Where it begins, or why it is nowhere.
    pub address: Result<u64, Unassigned>,
    /// Its bytes, a power of two.
    pub size: u64,
}

/// The address space of a BAR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarKind {
    /// I/O ports.
    Io,
    /// Memory below 4 GiB.
    Memory32 {
        /// Reads have no side effects.
        prefetchable: bool,
    },
    /// Memory anywhere; takes two registers.
    Memory64 {
        /// Reads have no side effects.
        prefetchable: bool,
    },
}

impl BarKind {
    /// `io`, `mem32` or `mem64`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::Memory32 { .. } => "mem32",
            Self::Memory64 { .. } => "mem64",
        }
    }
}

/// Sizes every BAR. Those that are broken are left out, and said so once decoding is back on.
pub(crate) fn read_bars(space: Space, header: &Header) -> Vec<BarFacts> {
    // The host bridge may decode memory itself through its BARs.
    if header.class.is_host_bridge() {
        return Vec::new();
    }
    let decode = Command::IO_ENABLE | Command::MEMORY_ENABLE;
    let before = update_command(space, |command| command - decode);
    let mut bars = Vec::new();
    let mut broken = Vec::new();
    let mut index = 0;
    while index < header.bar_count() {
        let last = index + 1 == header.bar_count();
        let (bar, slots) = read_bar(space, index, last);
        match bar {
            Ok(Some(bar)) => bars.push(bar),
            Ok(None) => {}
            Err(mask) => broken.push((index, mask)),
        }
        index += slots;
    }
    update_command(space, |_| before);
    for (index, mask) in broken {
        log::warn!("{}: BAR {index} refused: it reads {mask:#x} after ones were written", space.address());
    }
    bars
}

/// One BAR and the registers it takes; `Err` with what it read back when that is no size.
fn read_bar(space: Space, index: u8, last: bool) -> (Result<Option<BarFacts>, u64>, u8) {
    let offset = FIRST_BAR + 4 * u16::from(index);
    let low = space.read_u32(offset);
    let low_mask = size_register(space, offset, low);
    if low & 1 != 0 {
        let mask = u64::from(low_mask & !3);
        // The upper half of an I/O BAR may be hard-wired to zero.
        let mask = if mask >> 16 == 0 { mask | 0xffff_0000 } else { mask };
        let bar = bar_of(mask, 32).map(|size| {
            size.map(|size| BarFacts { index, kind: BarKind::Io, address: place(u64::from(low & !3)), size })
        });
        return (if low_mask & !3 == 0 { Ok(None) } else { bar }, 1);
    }
    let prefetchable = low & 8 != 0;
    let address = u64::from(low & !0xf);
    let mask = u64::from(low_mask & !0xf);
    match (low >> 1) & 3 {
        0 | 1 => {
            let kind = BarKind::Memory32 { prefetchable };
            let address = place(address);
            (bar_of(mask, 32).map(|size| size.map(|size| BarFacts { index, kind, address, size })), 1)
        }
        2 if !last => {
            let high = space.read_u32(offset + 4);
            let mask = mask | u64::from(size_register(space, offset + 4, high)) << 32;
            let (kind, address) = (BarKind::Memory64 { prefetchable }, place(address | u64::from(high) << 32));
            (bar_of(mask, 64).map(|size| size.map(|size| BarFacts { index, kind, address, size })), 2)
        }
        // A 64-bit BAR in the last register, or the reserved type.
        _ => (Err(low.into()), 1),
    }
}

/// Gives a BAR an address; decoding is off. Says whether it holds it.
pub(crate) fn write_bar(space: Space, bar: BarFacts, address: u64) -> bool {
    let offset = FIRST_BAR + 4 * u16::from(bar.index);
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

/// What the address bits of a BAR mean: firmware leaves those at zero that it gives no address.
fn place(address: u64) -> Result<u64, Unassigned> {
    if address == 0 { Err(Unassigned::Unset) } else { Ok(address) }
}

fn size_register(space: Space, offset: u16, value: u32) -> u32 {
    space.write_u32(offset, u32::MAX);
    let mask = space.read_u32(offset);
    space.write_u32(offset, value);
    mask
}

/// The size that a mask of writable address bits means: `None` for no BAR, `Err` for a mask with holes.
fn bar_of(mask: u64, bits: u32) -> Result<Option<u64>, u64> {
    if mask == 0 {
        return Ok(None);
    }
    let size = mask & mask.wrapping_neg();
    let top = if bits == 64 { u64::MAX } else { u64::from(u32::MAX) };
    if mask == top & !(size - 1) { Ok(Some(size)) } else { Err(mask) }
}

#[cfg(test)]
mod tests {
    use super::bar_of;

    #[test]
    fn masks_mean_sizes() {
        assert_eq!(bar_of(0, 32), Ok(None));
        assert_eq!(bar_of(0xffff_f000, 32), Ok(Some(0x1000)));
        assert_eq!(bar_of(0xffff_ffff_ffff_c000, 64), Ok(Some(0x4000)));
        assert_eq!(bar_of(0xffff_fffe_0000_0000, 64), Ok(Some(0x2_0000_0000)));
    }

    #[test]
    fn masks_with_holes_are_refused() {
        assert_eq!(bar_of(0xfff0_f000, 32), Err(0xfff0_f000));
        // A 64-bit BAR whose upper half ignores writes decodes no power of two.
        assert_eq!(bar_of(0xffff_f000, 64), Err(0xffff_f000));
    }
}
