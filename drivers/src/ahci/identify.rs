//! What disks and packet devices report of themselves (ACS-3, 7.12 and 7.13).

use alloc::string::String;

use switchboard::driver::ProbeError;

/// The bytes of the structure.
pub(super) const IDENTIFY_BYTES: usize = 512;
/// The bytes of a block of a CD.
pub(super) const CD_BLOCK_BYTES: usize = 2048;

/// A device's own description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) model: String,
    pub(super) serial: String,
    pub(super) is_packet_device: bool,
    /// Logical blocks. A packet device reports them by another command.
    pub(super) blocks: u64,
    /// The size of a logical block, as a power of two of bytes.
    pub(super) block_bits: u32,
    /// The commands that the device queues; 0 where it queues none.
    pub(super) queue_depth: u8,
    /// Writes go to a cache, which can be flushed.
    pub(super) has_cache: bool,
    pub(super) has_trim: bool,
    /// The device has a general purpose log, which names the queued command that failed.
    pub(super) has_log: bool,
}

impl Identity {
    /// Reads the description of a disk.
    pub(super) fn parse(data: &[u8; IDENTIFY_BYTES]) -> Result<Self, ProbeError> {
        let word = |index: usize| u16::from_le_bytes([data[2 * index], data[2 * index + 1]]);
        let bit = |index: usize, bit: u32| word(index) >> bit & 1 != 0;
        // Words 83 and 106 are valid where bit 14 is set and bit 15 is clear.
        let is_valid = |index: usize| word(index) >> 14 == 1;
        if !is_valid(83) || !bit(83, 10) {
            return Err(ProbeError::Device("the disk has no addresses of 48 bits"));
        }
        let long = |index: usize| (0..4).map(|at| u64::from(word(index + at)) << (16 * at)).sum::<u64>();
        let words_in_block =
            if is_valid(106) && bit(106, 12) { u64::from(word(117)) | u64::from(word(118)) << 16 } else { 256 };
        let block_bytes = words_in_block * 2;
        if !block_bytes.is_power_of_two() || !(512..=4096).contains(&block_bytes) {
            let what = "bytes in a logical block of the disk: 512 to 4096, a power of two";
            return Err(ProbeError::Unexpected { what, wanted: 512, found: block_bytes });
        }
        let blocks = long(100);
        if blocks == 0 || blocks >> 48 != 0 {
            return Err(ProbeError::Unexpected { what: "logical blocks of the disk", wanted: 1, found: blocks });
        }
        Ok(Self {
            blocks,
            block_bits: block_bytes.trailing_zeros(),
            queue_depth: if bit(76, 8) { u8::try_from(word(75) & 31).unwrap_or(0) + 1 } else { 0 },
            has_cache: bit(85, 5),
            has_trim: bit(169, 0),
            has_log: is_valid(84) && bit(84, 5),
            ..Self::named(data, false)
        })
    }

    /// Reads the description of a packet device. Its capacity is that of its medium.
    pub(super) fn parse_packet(data: &[u8; IDENTIFY_BYTES]) -> Result<Self, ProbeError> {
        // Word 0: a packet device (bits 15 and 14), its type (12 to 8), packets of 12 bytes (1 and 0).
        let general = u16::from_le_bytes([data[0], data[1]]);
        if general >> 14 != 2 || general & 3 != 0 {
            return Err(ProbeError::Unexpected { what: "packet device", wanted: 0x8000, found: general.into() });
        }
        if general >> 8 & 0x1f != 5 {
            return Err(ProbeError::Device("a packet device that is no CD drive"));
        }
        Ok(Self::named(data, true))
    }

    fn named(data: &[u8; IDENTIFY_BYTES], is_packet_device: bool) -> Self {
        Self {
            serial: text(&data[20..40]),
            model: text(&data[54..94]),
            is_packet_device,
            blocks: 0,
            block_bits: CD_BLOCK_BYTES.trailing_zeros(),
            queue_depth: 0,
            has_cache: false,
            has_trim: false,
            has_log: false,
        }
    }

    /// Returns the number of sectors of 512 bytes.
    pub(super) const fn sectors(&self) -> u64 {
        self.blocks << (self.block_bits - 9)
    }
}

/// Returns a field of ASCII, whose characters are swapped in pairs; characters that are not printable become `?`.
fn text(field: &[u8]) -> String {
    let characters = field.as_chunks::<2>().0.iter().flat_map(|[second, first]| [*first, *second]);
    let printable = |byte: u8| if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '?' };
    let text: String = characters.map(printable).collect();
    text.trim().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the description of a disk of 100 blocks, with changed words.
    fn disk(changes: &[(usize, u16)]) -> Result<Identity, ProbeError> {
        let mut data = [0; IDENTIFY_BYTES];
        let usual =
            [(83, 0x4400), (100, 100), (76, 0x100), (75, 31), (85, 0x20), (84, 0x4020), (27, 0x5145), (28, 0x4d55)];
        for (index, word) in usual.iter().chain(changes) {
            data[2 * index..2 * index + 2].copy_from_slice(&u16::to_le_bytes(*word));
        }
        Identity::parse(&data)
    }

    #[test]
    fn a_disk_describes_itself() {
        let identity = disk(&[]).expect("a disk");
        assert_eq!((identity.sectors(), identity.queue_depth, identity.model.starts_with("QEMU")), (100, 32, true));
        assert!(identity.has_cache && identity.has_log && !identity.has_trim);
        assert_eq!(disk(&[(76, 0)]).map(|identity| identity.queue_depth), Ok(0));
        let large = disk(&[(106, 0x5000), (117, 2048)]).expect("a disk of blocks of 4096 bytes");
        assert_eq!((large.sectors(), large.block_bits), (800, 12));
    }

    #[test]
    fn disks_that_cannot_be_driven_are_refused() {
        for changes in [[(83, 0)], [(83, 0xffff)], [(100, 0)], [(103, 1)]] {
            assert!(disk(&changes).is_err(), "{changes:?}");
        }
        for words in [0, 100, 257, 4096] {
            assert!(disk(&[(106, 0x5000), (117, words)]).is_err(), "{words} words in a block");
        }
    }
}
