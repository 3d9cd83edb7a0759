//! The BARs of a proxied function as QEMU decodes them.
//!
//! QEMU sizes the BARs when it starts, as a guest would, and exits when a size is no power of two. During that phase it
//! therefore reads a valid size, whatever the guest reads later. From then on the BARs follow the writes.

use super::space::{BARS, FIRST_BAR};

/// The registers that QEMU reads when it starts: the BARs, and one more.
const REGISTERS: usize = BARS + 1;
/// The largest BAR that QEMU supports: its sizes have 31 bits.
const LARGEST: u32 = 1 << 30;
const LARGEST_IO: u32 = 0x100;

/// The BARs as QEMU decodes them.
#[derive(Debug, Clone)]
pub(super) struct BarMap {
    masks: [u32; REGISTERS],
    values: [u32; REGISTERS],
}

impl BarMap {
    /// Creates the map from what each BAR of the function reads after all ones were written to it.
    pub(super) fn new(readbacks: [Option<u32>; BARS]) -> Self {
        let mut masks = [0; REGISTERS];
        let mut index = 0;
        while index < BARS {
            let readback = readbacks[index].unwrap_or(0);
            masks[index] = valid_readback(readback);
            // The upper half of a 64-bit BAR would be taken for a BAR of its own.
            index += if readback & 7 == 4 { 2 } else { 1 };
        }
        Self { masks, values: [0; REGISTERS] }
    }

    /// Returns what QEMU reads when it sizes a BAR; `None` where the function's own value is read.
    pub(super) fn read(&self, offset: usize) -> Option<u32> {
        let index = offset.checked_sub(FIRST_BAR)? / 4;
        self.values.get(index).copied()
    }

    /// Follows a write of QEMU or of the guest.
    pub(super) fn write(&mut self, offset: usize, width: usize, value: u32) {
        for (place, byte) in (offset..).zip(value.to_le_bytes()).take(width) {
            let Some(from) = place.checked_sub(FIRST_BAR) else { continue };
            let Some(&mask) = self.masks.get(from / 4) else { continue };
            let shift = from % 4 * 8;
            let register = &mut self.values[from / 4];
            *register = *register & !(0xff << shift) | u32::from(byte) << shift;
            // Bit 0 marks an I/O BAR.
            *register = *register & mask & !3 | mask & 1;
        }
    }

    /// Returns the BAR that decodes an address, and the offset in it.
    pub(super) fn find(&self, address: u64, is_memory: bool) -> Option<(usize, u64)> {
        (0..BARS).find_map(|index| {
            let mask = self.masks[index];
            if mask == 0 || (mask & 1 == 0) != is_memory {
                return None;
            }
            let flags = if is_memory { 0xf } else { 3 };
            let size = u64::from(!(mask & !flags)) + 1;
            let offset = address.checked_sub(u64::from(self.values[index] & mask & !flags))?;
            (offset < size).then_some((index, offset))
        })
    }
}

/// Returns a readback with a size that QEMU supports: the size of its lowest bit, with the same flags.
fn valid_readback(readback: u32) -> u32 {
    let is_io = readback & 1 != 0;
    // QEMU refuses an I/O BAR smaller than 16 bytes, because it masks the bits of a memory BAR.
    let address = readback & !0xf;
    let size = address & address.wrapping_neg();
    match size {
        0 => 0,
        _ if is_io => !(size.min(LARGEST_IO) - 1) | 1,
        _ => !(size.min(LARGEST) - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qemu_reads_a_size_that_it_supports() {
        assert_eq!(valid_readback(0xfff0_f000), 0xffff_f000, "a mask with holes");
        assert_eq!(valid_readback(0x0000_ffe1), 0xffff_ffe1, "ports of 16 bits");
        assert_eq!(valid_readback(0x8000_0000), 0xc000_0000, "2 GiB");
        assert_eq!(valid_readback(0xffff_0001), 0xffff_ff01, "64 Ki ports");
        assert_eq!(valid_readback(0xc), 0, "the lower half of a BAR of 4 GiB and more");
    }

    #[test]
    fn addresses_are_decoded_by_their_bar() {
        let mut bars =
            BarMap::new([Some(0xffff_ffe1), Some(0xffff_f000), None, None, Some(0xffff_c00c), Some(u32::MAX)]);
        for (offset, value) in [(0x10, 0xc001), (0x14, 0xfebd_1000), (0x20, 0xfe00_000c), (0x24, 0)] {
            bars.write(offset, 4, value);
        }
        assert_eq!(bars.find(0xc01f, false), Some((0, 0x1f)));
        assert_eq!(bars.find(0xc01f, true), None);
        assert_eq!(bars.find(0xfebd_1ffc, true), Some((1, 0xffc)));
        assert_eq!(bars.find(0xfe00_3000, true), Some((4, 0x3000)));
        assert_eq!(bars.find(0xfe00_4000, true), None);
    }
}
