//! SCSI commands, addresses and sense data (SPC-4, SBC-3, MMC-6), as virtio-scsi carries them (virtio 1.2, 5.6.6.1).

use core::fmt;

/// The bytes of a command: the longest that the driver sends.
pub(super) type Cdb = [u8; 16];

/// The address of a logical unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lun {
    pub(super) target: u8,
    pub(super) number: u16,
}

impl Lun {
    /// Returns the address as the device reads it.
    pub(super) const fn bytes(self) -> [u8; 8] {
        let [high, low] = self.number.to_be_bytes();
        [1, self.target, 0x40 | high, low, 0, 0, 0, 0]
    }

    /// Reads an entry of a REPORT LUNS list: with peripheral or flat space addressing (SAM-5, 4.7.7).
    pub(super) const fn parse(target: u8, entry: [u8; 8]) -> Option<Self> {
        match entry {
            [high, low, 0, 0, 0, 0, 0, 0] if high >> 7 == 0 => {
                Some(Self { target, number: u16::from_be_bytes([high & 0x3f, low]) })
            }
            _ => None,
        }
    }
}

impl fmt::Display for Lun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "target {} unit {}", self.target, self.number)
    }
}

pub(super) const TEST_UNIT_READY: Cdb = [0; 16];
pub(super) const SYNCHRONIZE_CACHE: Cdb = [0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// INQUIRY for 96 bytes of the standard data, or of a page of vital product data.
pub(super) const fn inquiry(page: Option<u8>) -> Cdb {
    let (is_page, page) = match page {
        Some(page) => (1, page),
        None => (0, 0),
    };
    [0x12, is_page, page, 0, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// MODE SENSE (6) for the header and all pages, of which only the header is read.
pub(super) const MODE_SENSE: Cdb = [0x1a, 0, 0x3f, 0, 192, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// REPORT LUNS for 4,096 bytes.
pub(super) const REPORT_LUNS: Cdb = [0xa0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0];
/// READ CAPACITY (10), and (16) for 32 bytes.
pub(super) const READ_CAPACITY_10: Cdb = [0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
pub(super) const READ_CAPACITY_16: Cdb = [0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0];
/// UNMAP of one range, by 24 bytes of data.
pub(super) const UNMAP: Cdb = [0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0];
pub(super) const UNMAP_BYTES: usize = 24;

/// READ (16) or WRITE (16).
pub(super) fn blocks(is_write: bool, block: u64, count: u32) -> Cdb {
    let ([b0, b1, b2, b3, b4, b5, b6, b7], [c0, c1, c2, c3]) = (block.to_be_bytes(), count.to_be_bytes());
    [if is_write { 0x8a } else { 0x88 }, 0, b0, b1, b2, b3, b4, b5, b6, b7, c0, c1, c2, c3, 0, 0]
}

/// READ (10), for CD drives.
pub(super) fn read_10(block: u64, count: u32) -> Cdb {
    let [b0, b1, b2, b3] = u32::try_from(block).unwrap_or(u32::MAX).to_be_bytes();
    let [.., c0, c1] = count.to_be_bytes();
    [0x28, 0, b0, b1, b2, b3, 0, c0, c1, 0, 0, 0, 0, 0, 0, 0]
}

/// The data of an UNMAP (SBC-3, 5.28).
pub(super) fn unmap_data(block: u64, count: u32) -> [u8; UNMAP_BYTES] {
    let mut data = [0; UNMAP_BYTES];
    (data[1], data[3]) = (22, 16);
    data[8..16].copy_from_slice(&block.to_be_bytes());
    data[16..20].copy_from_slice(&count.to_be_bytes());
    data
}

/// The reason of a failed command: sense key, and additional sense code with qualifier (SPC-4, 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sense key {key:#x}, code {code:#04x}, qualifier {qualifier:#04x}")]
pub(super) struct Sense {
    pub(super) key: u8,
    pub(super) code: u8,
    pub(super) qualifier: u8,
}

impl Sense {
    /// Reads sense data of either format.
    pub(super) fn parse(data: &[u8]) -> Self {
        let byte = |index: usize| data.get(index).copied().unwrap_or(0);
        match byte(0) & 0x7f {
            0x72 | 0x73 => Self { key: byte(1) & 0xf, code: byte(2), qualifier: byte(3) },
            _ => Self { key: byte(2) & 0xf, code: byte(12), qualifier: byte(13) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_units_are_read_as_they_are_written() {
        let lun = Lun { target: 3, number: 0x102 };
        assert_eq!(lun.bytes(), [1, 3, 0x41, 2, 0, 0, 0, 0]);
        assert_eq!(Lun::parse(3, [0x41, 2, 0, 0, 0, 0, 0, 0]), Some(lun));
        assert_eq!(Lun::parse(3, [0, 2, 0, 0, 0, 0, 0, 0]), Some(Lun { target: 3, number: 2 }));
        assert_eq!(Lun::parse(3, [0xc1, 2, 0, 0, 0, 0, 0, 0]), None);
    }

    #[test]
    fn sense_data_are_read_in_both_formats_and_cut_off() {
        let fixed = [0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 1];
        assert_eq!(Sense::parse(&fixed), Sense { key: 5, code: 0x24, qualifier: 1 });
        assert_eq!(Sense::parse(&[0x72, 3, 0x11, 2]), Sense { key: 3, code: 0x11, qualifier: 2 });
        assert_eq!(Sense::parse(&[]), Sense { key: 0, code: 0, qualifier: 0 });
    }

    #[test]
    fn blocks_are_in_the_order_of_the_network() {
        assert_eq!(blocks(true, 0x0102, 3)[..14], [0x8a, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3]);
        assert_eq!(read_10(0x0102, 3)[..10], [0x28, 0, 0, 0, 1, 2, 0, 0, 3, 0]);
    }
}
