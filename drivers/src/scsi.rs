//! SCSI commands and sense data (SPC-4, SBC-3, MMC-6), for the drivers whose transports carry them: virtio-scsi, USB mass storage.

use alloc::string::String;
use alloc::vec::Vec;

/// The bytes of a command: the longest that drivers send.
pub(crate) type Cdb = [u8; 16];

pub(crate) const TEST_UNIT_READY: Cdb = [0; 16];
pub(crate) const SYNCHRONIZE_CACHE: Cdb = [0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// INQUIRY for 96 bytes of the standard data, or of a page of vital product data.
pub(crate) const fn inquiry(page: Option<u8>) -> Cdb {
    let (is_page, page) = match page {
        Some(page) => (1, page),
        None => (0, 0),
    };
    [0x12, is_page, page, 0, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// MODE SENSE (6) for the header and all pages, of which only the header is read.
pub(crate) const MODE_SENSE: Cdb = [0x1a, 0, 0x3f, 0, 192, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// REPORT LUNS for 4,096 bytes.
pub(crate) const REPORT_LUNS: Cdb = [0xa0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0];
/// READ CAPACITY (10), and (16) for 32 bytes.
pub(crate) const READ_CAPACITY_10: Cdb = [0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
pub(crate) const READ_CAPACITY_16: Cdb = [0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0];
/// UNMAP of one range, by 24 bytes of data.
pub(crate) const UNMAP: Cdb = [0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0];
pub(crate) const UNMAP_BYTES: usize = 24;

/// READ (16) or WRITE (16).
pub(crate) fn blocks(is_write: bool, block: u64, count: u32) -> Cdb {
    let ([b0, b1, b2, b3, b4, b5, b6, b7], [c0, c1, c2, c3]) = (block.to_be_bytes(), count.to_be_bytes());
    [if is_write { 0x8a } else { 0x88 }, 0, b0, b1, b2, b3, b4, b5, b6, b7, c0, c1, c2, c3, 0, 0]
}

/// READ (10), for CD drives.
pub(crate) fn read_10(block: u64, count: u32) -> Cdb {
    let [b0, b1, b2, b3] = u32::try_from(block).unwrap_or(u32::MAX).to_be_bytes();
    let [.., c0, c1] = count.to_be_bytes();
    [0x28, 0, b0, b1, b2, b3, 0, c0, c1, 0, 0, 0, 0, 0, 0, 0]
}

/// READ (10) or WRITE (10), for disks that are too old or too simple for the longer commands.
pub(crate) fn blocks_10(is_write: bool, block: u64, count: u32) -> Cdb {
    let mut cdb = read_10(block, count);
    cdb[0] = if is_write { 0x2a } else { 0x28 };
    cdb
}

/// REQUEST SENSE for sense data in the fixed format, for transports that do not send them along.
pub(crate) const fn request_sense(length: u8) -> Cdb {
    [0x03, 0, 0, 0, length, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// Returns the bytes of a command, by the group of its operation code (SPC-4, 4.2.5.1).
pub(crate) const fn length(cdb: &Cdb) -> u8 {
    match cdb[0] >> 5 {
        0 => 6,
        1 | 2 => 10,
        5 => 12,
        _ => 16,
    }
}

/// The data of an UNMAP (SBC-3, 5.28).
pub(crate) fn unmap_data(block: u64, count: u32) -> [u8; UNMAP_BYTES] {
    let mut data = [0; UNMAP_BYTES];
    (data[1], data[3]) = (22, 16);
    data[8..16].copy_from_slice(&block.to_be_bytes());
    data[16..20].copy_from_slice(&count.to_be_bytes());
    data
}

/// Returns the last block and the size of blocks from the data of READ CAPACITY (10).
pub(crate) const fn capacity_10(data: [u8; 8]) -> (u64, u32) {
    let [l0, l1, l2, l3, b0, b1, b2, b3] = data;
    (u32::from_be_bytes([l0, l1, l2, l3]) as u64, u32::from_be_bytes([b0, b1, b2, b3]))
}

/// Returns the last block, the size of blocks, and whether blocks can be unmapped (LBPME), from the data of READ CAPACITY (16).
pub(crate) const fn capacity_16(data: [u8; 16]) -> (u64, u32, bool) {
    let [l0, l1, l2, l3, l4, l5, l6, l7, b0, b1, b2, b3, _, _, flags, _] = data;
    let last = u64::from_be_bytes([l0, l1, l2, l3, l4, l5, l6, l7]);
    (last, u32::from_be_bytes([b0, b1, b2, b3]), flags & 0x80 != 0)
}

/// Returns whether a capacity is one that drivers handle: blocks of 512 to 4,096 bytes.
pub(crate) const fn is_valid_capacity(last: u64, block_bytes: u32) -> bool {
    block_bytes.is_power_of_two() && block_bytes >= 512 && block_bytes <= 4096 && last < 1 << 52
}

/// Returns vendor, product and revision from the standard data of INQUIRY (SPC-4, 6.4.2), without the spaces between.
pub(crate) fn name(inquiry: &[u8]) -> String {
    let bytes = inquiry.get(8..36).unwrap_or_default().iter();
    let text: String = bytes.map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { ' ' }).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The device types of INQUIRY that are disks and CDs (SPC-4, table 140).
pub(crate) const DISK: u8 = 0;
pub(crate) const CD: u8 = 5;

/// Sense keys (SPC-4, 4.5.6).
pub(crate) const NOT_READY: u8 = 2;
pub(crate) const ILLEGAL_REQUEST: u8 = 5;
pub(crate) const UNIT_ATTENTION: u8 = 6;
pub(crate) const DATA_PROTECT: u8 = 7;

/// The reason of a failed command: sense key, and additional sense code with qualifier (SPC-4, 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sense key {key:#x}, code {code:#04x}, qualifier {qualifier:#04x}")]
pub(crate) struct Sense {
    pub(crate) key: u8,
    pub(crate) code: u8,
    pub(crate) qualifier: u8,
}

impl Sense {
    /// Reads sense data of either format.
    pub(crate) fn parse(data: &[u8]) -> Self {
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
        assert_eq!(blocks_10(true, 0x0102, 3)[..10], [0x2a, 0, 0, 0, 1, 2, 0, 0, 3, 0]);
        let lengths = [TEST_UNIT_READY, READ_CAPACITY_10, REPORT_LUNS, READ_CAPACITY_16].map(|cdb| length(&cdb));
        assert_eq!((lengths, length(&UNMAP)), ([6, 10, 12, 16], 10));
    }

    #[test]
    fn capacities_are_read_and_checked() {
        assert_eq!(capacity_10([0, 0, 1, 0, 0, 0, 2, 0]), (256, 512));
        assert_eq!(capacity_16([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0x80, 0]), (1 << 32, 4096, true));
        assert!(is_valid_capacity(7, 512) && !is_valid_capacity(7, 520) && !is_valid_capacity(u64::MAX, 512));
        let mut inquiry = [b' '; 36];
        inquiry[8..12].copy_from_slice(b"QEMU");
        inquiry[16..20].copy_from_slice(&[b'H', 0, b'D', 0xff]);
        assert_eq!((name(&inquiry).as_str(), name(&inquiry[..20]).as_str()), ("QEMU H D", ""));
    }
}
