//! What controllers and namespaces report of themselves (NVM Express Base Specification 1.4, 5.15.2).

use alloc::string::String;

use switchboard::driver::ProbeError;

/// `CNS`: the namespace with the id of the command.
pub(super) const NAMESPACE: u32 = 0;
/// `CNS`: the controller.
pub(super) const CONTROLLER: u32 = 1;
/// `CNS`: the resources that a primary controller can give to secondary ones.
pub(super) const PRIMARY_CAPABILITIES: u32 = 0x14;
/// `CNS`: the list of secondary controllers.
pub(super) const SECONDARY_CONTROLLERS: u32 = 0x15;
/// `CNS`: the list of active namespaces.
pub(super) const ACTIVE_NAMESPACES: u32 = 2;

/// The size of each of these structures.
pub(super) const IDENTIFY_BYTES: usize = 4096;

/// A controller's own description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ControllerIdentity {
    pub(super) model: String,
    pub(super) serial: String,
    pub(super) firmware: String,
    /// The most bytes of a transfer, if there is a limit.
    pub(super) max_transfer_bytes: Option<usize>,
    /// Writes go to a cache, which can be flushed.
    pub(super) has_cache: bool,
    /// Dataset Management: namespaces can deallocate blocks.
    pub(super) has_deallocate: bool,
    pub(super) has_write_zeroes: bool,
}

impl ControllerIdentity {
    pub(super) fn parse(data: &[u8; IDENTIFY_BYTES], page_bits: u32) -> Self {
        // MDTS, as a power of two of the smallest pages; 0 for no limit. Far beyond what this driver transfers at once above 31.
        let max_transfer_bytes = match data[77] {
            0 => None,
            exponent => 1_usize.checked_shl(page_bits + u32::from(exponent)),
        };
        Self {
            serial: text(&data[4..24]),
            model: text(&data[24..64]),
            max_transfer_bytes,
            firmware: text(&data[64..72]),
            has_cache: data[525] & 1 != 0,
            // ONCS, optional NVM commands.
            has_deallocate: data[520] & 1 << 2 != 0,
            has_write_zeroes: data[520] & 1 << 3 != 0,
        }
    }
}

/// Returns a space-padded ASCII field; characters that are not printable become `?`.
fn text(field: &[u8]) -> String {
    let printable = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '?' };
    field.trim_ascii_end().iter().map(printable).collect()
}

/// The resources that a primary controller can give to secondary controllers (5.15.2.10): all together, and the most for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PrimaryCapabilities {
    pub(super) queues: u32,
    pub(super) max_queues: u16,
    pub(super) interrupts: u32,
    pub(super) max_interrupts: u16,
}

impl PrimaryCapabilities {
    pub(super) fn parse(data: &[u8; IDENTIFY_BYTES]) -> Self {
        let dword = |at: usize| u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]);
        let word = |at: usize| u16::from_le_bytes([data[at], data[at + 1]]);
        Self { queues: dword(32), max_queues: word(44), interrupts: dword(64), max_interrupts: word(76) }
    }
}

/// Returns the id of the secondary controller at an index of their list, and the number of its virtual function, counted from 1
/// (5.15.2.11).
pub(super) fn secondary_controller(list: &[u8; IDENTIFY_BYTES], index: usize) -> Option<(u16, u16)> {
    let entry = list.get((index + 1) * 32..)?.first_chunk::<32>()?;
    Some((u16::from_le_bytes([entry[0], entry[1]]), u16::from_le_bytes([entry[8], entry[9]])))
}

/// A namespace: a disk of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NamespaceIdentity {
    /// The number of logical blocks.
    pub(super) blocks: u64,
    /// The size of a logical block, as a power of two of bytes.
    pub(super) block_bits: u32,
    pub(super) is_read_only: bool,
}

impl NamespaceIdentity {
    pub(super) fn parse(data: &[u8; IDENTIFY_BYTES]) -> Result<Self, ProbeError> {
        let blocks = u64::from_le_bytes([data[0], data[1], data[2], data[3], data[4], data[5], data[6], data[7]]);
        // FLBAS: the format in use, of 16 (bits 6 and 5 extend it in later versions, for controllers with more).
        let format = 128 + 4 * usize::from(data[26] & 0xf);
        let (metadata, block_bits) =
            (u16::from_le_bytes([data[format], data[format + 1]]), u32::from(data[format + 2]));
        if metadata != 0 {
            let (wanted, found) = (0, metadata.into());
            return Err(ProbeError::Unexpected { what: "bytes of metadata in each NVMe block", wanted, found });
        }
        // Larger blocks than pages are not required of a host (5.15.2.1 allows any from 512 bytes on).
        if !(9..=12).contains(&block_bits) {
            let (wanted, found) = (9, block_bits.into());
            return Err(ProbeError::Unexpected { what: "size of an NVMe block, as a power of two", wanted, found });
        }
        if blocks.checked_shl(block_bits - 9).is_none_or(|sectors| sectors >> (block_bits - 9) != blocks) {
            return Err(ProbeError::Unexpected {
                what: "size of an NVMe namespace in blocks",
                wanted: 1,
                found: blocks,
            });
        }
        // NSATTR: write protected.
        Ok(Self { blocks, block_bits, is_read_only: data[99] & 1 != 0 })
    }

    /// Returns the number of sectors of 512 bytes.
    pub(super) const fn sectors(&self) -> u64 {
        self.blocks << (self.block_bits - 9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_describes_itself() {
        let mut data = [0; IDENTIFY_BYTES];
        data[4..24].copy_from_slice(b"s1                  ");
        data[24..64].copy_from_slice(b"QEMU\x07NVMe Ctrl                          ");
        (data[77], data[525]) = (7, 7);
        let identity = ControllerIdentity::parse(&data, 12);
        assert_eq!((identity.serial.as_str(), identity.model.as_str()), ("s1", "QEMU?NVMe Ctrl"));
        assert_eq!((identity.max_transfer_bytes, identity.has_cache), (Some(512 * 1024), true));
        for (exponent, limit) in [(0, None), (255, None)] {
            data[77] = exponent;
            assert_eq!(ControllerIdentity::parse(&data, 12).max_transfer_bytes, limit);
        }
    }

    #[test]
    fn namespaces_that_cannot_be_driven_are_refused() {
        let namespace = |blocks: u64, format: u8, metadata: u8, bits: u8| {
            let mut data = [0; IDENTIFY_BYTES];
            data[..8].copy_from_slice(&blocks.to_le_bytes());
            data[26] = format;
            let at = 128 + 4 * usize::from(format & 0xf);
            (data[at], data[at + 2]) = (metadata, bits);
            NamespaceIdentity::parse(&data).map(|namespace| namespace.sectors())
        };
        assert_eq!(namespace(2048, 0, 0, 9), Ok(2048));
        assert_eq!(namespace(2048, 0x13, 0, 12), Ok(16384));
        assert!(namespace(2048, 0, 8, 9).is_err(), "metadata");
        assert!(namespace(2048, 0, 0, 8).is_err() && namespace(2048, 0, 0, 13).is_err(), "block sizes");
        assert!(namespace(u64::MAX, 0, 0, 12).is_err(), "more sectors than can be counted");
        assert_eq!(namespace(u64::MAX, 0, 0, 9), Ok(u64::MAX));
    }
}
