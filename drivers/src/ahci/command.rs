//! Commands as they are in memory (AHCI 1.3.1, 4.2; Serial ATA 3.0, 10.3.4; ACS-3, 7).

use switchboard::dma::BusAddress;
use zerocopy::{Immutable, IntoBytes, KnownLayout};

use crate::planted::planted;

/// Commands of the ATA command set.
pub(super) const DATA_SET_MANAGEMENT: u8 = 0x06;
pub(super) const READ_DMA_EXT: u8 = 0x25;
pub(super) const READ_LOG_EXT: u8 = 0x2f;
pub(super) const WRITE_DMA_EXT: u8 = 0x35;
pub(super) const READ_FPDMA_QUEUED: u8 = 0x60;
pub(super) const WRITE_FPDMA_QUEUED: u8 = 0x61;
pub(super) const PACKET: u8 = 0xa0;
pub(super) const IDENTIFY_PACKET_DEVICE: u8 = 0xa1;
pub(super) const FLUSH_CACHE_EXT: u8 = 0xea;
pub(super) const IDENTIFY_DEVICE: u8 = 0xec;

/// The LBA bit of the device register.
const LBA: u8 = 1 << 6;

/// A command to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    /// Reads or writes blocks.
    Blocks { is_write: bool, block: u64, count: u16 },
    /// Any other command of a disk, with the features and count registers. `is_write` is for its data.
    Other { opcode: u8, features: u16, block: u64, count: u16, is_write: bool },
    /// A SCSI command of a packet device, which reads if it has data.
    Packet([u8; 12]),
}

impl Command {
    /// A command without arguments.
    pub(super) const fn plain(opcode: u8) -> Self {
        Self::Other { opcode, features: 0, block: 0, count: 0, is_write: false }
    }

    /// Returns whether the command may be queued by the device (NCQ).
    pub(super) const fn is_queueable(self) -> bool {
        matches!(self, Self::Blocks { .. })
    }

    pub(super) const fn is_write(self) -> bool {
        matches!(self, Self::Blocks { is_write: true, .. } | Self::Other { is_write: true, .. })
    }

    /// Returns the SCSI command, for a packet device.
    pub(super) const fn packet(self) -> Option<[u8; 12]> {
        if let Self::Packet(packet) = self { Some(packet) } else { None }
    }

    /// Returns the first block in the table: a Register FIS, host to device. With a tag it is queued.
    pub(super) fn fis(self, tag: Option<u8>) -> FisBlock {
        let (opcode, features, block, count) = match (self, tag) {
            (Self::Blocks { is_write, block, count }, Some(tag)) => {
                let opcode = if is_write { WRITE_FPDMA_QUEUED } else { READ_FPDMA_QUEUED };
                (opcode, count, block, u16::from(tag) << 3)
            }
            (Self::Blocks { is_write, block, count }, None) => {
                (if is_write { WRITE_DMA_EXT } else { READ_DMA_EXT }, 0, block, count)
            }
            (Self::Other { opcode, features, block, count, .. }, _) => (opcode, features, block, count),
            // By DMA, with the direction for devices that want it (ACS-3, 7.18).
            (Self::Packet(_), _) => (PACKET, 1 | 1 << 2, 0, 0),
        };
        let ([features_low, features_high], [count_low, count_high]) = (features.to_le_bytes(), count.to_le_bytes());
        let [l0, l1, l2, l3, l4, l5, ..] = block.to_le_bytes();
        FisBlock {
            fis: [
                0x27,
                0x80,
                opcode,
                features_low,
                l0,
                l1,
                l2,
                LBA,
                l3,
                l4,
                l5,
                features_high,
                count_low,
                count_high,
                0,
                0,
            ],
            rest: [0; 12],
        }
    }
}

/// The first 64 bytes of a command table: the FIS of the command.
#[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct FisBlock {
    fis: [u8; 16],
    rest: [u32; 12],
}

/// The second 64 bytes of a command table: the command of a packet device.
#[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct PacketBlock {
    packet: [u8; 12],
    rest: [u32; 13],
}

impl PacketBlock {
    pub(super) const fn new(packet: [u8; 12]) -> Self {
        Self { packet, rest: [0; 13] }
    }
}

/// The third 64 bytes of a command table: one physical region of data (4.2.3.3).
#[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct RegionBlock {
    address: BusAddress,
    reserved: u32,
    /// Less one.
    bytes: u32,
    rest: [u64; 6],
}

impl RegionBlock {
    /// A region of `bytes`, at least 2 and even, at most 4 MiB.
    pub(super) fn new(address: BusAddress, bytes: usize) -> Self {
        let length = planted!(bytes, "ahci-region-short" => bytes / 2);
        let bytes = u32::try_from(length.saturating_sub(1)).unwrap_or(u32::MAX) & 0x3f_ffff;
        Self { address, reserved: 0, bytes, rest: [0; 6] }
    }
}

/// The blocks of 64 bytes in a command table, and which of them is what.
pub(super) const TABLE_BLOCKS: usize = 4;
pub(super) const FIS_BLOCK: usize = 0;
pub(super) const PACKET_BLOCK: usize = 1;
pub(super) const REGION_BLOCK: usize = 2;

/// An entry of the command list (4.2.2).
#[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct CommandHeader {
    flags: u16,
    regions: u16,
    transferred: u32,
    table: BusAddress,
    reserved: [u64; 2],
}

impl CommandHeader {
    pub(super) const fn new(command: Command, has_data: bool, table: BusAddress) -> Self {
        // The length of the FIS in dwords; A and W.
        let packet = if command.packet().is_some() { 1 << 5 } else { 0 };
        let write = if command.is_write() { 1 << 6 } else { 0 };
        Self { flags: 5 | packet | write, regions: has_data as u16, transferred: 0, table, reserved: [0; 2] }
    }
}

const _: () = assert!(size_of::<CommandHeader>() == 32);
const _: () = assert!(size_of::<FisBlock>() == 64 && size_of::<PacketBlock>() == 64 && size_of::<RegionBlock>() == 64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fis_has_its_registers_where_the_device_reads_them() {
        let command = Command::Blocks { is_write: false, block: 0x0605_0403_0201, count: 0x1234 };
        assert_eq!(
            command.fis(None).fis,
            [0x27, 0x80, 0x25, 0, 1, 2, 3, 0x40, 4, 5, 6, 0, 0x34, 0x12, 0, 0],
            "READ DMA EXT: blocks in the count"
        );
        assert_eq!(
            command.fis(Some(31)).fis,
            [0x27, 0x80, 0x60, 0x34, 1, 2, 3, 0x40, 4, 5, 6, 0x12, 31 << 3, 0, 0, 0],
            "READ FPDMA QUEUED: blocks in the features, the tag in the count"
        );
        assert_eq!(Command::plain(FLUSH_CACHE_EXT).fis(None).fis[..4], [0x27, 0x80, 0xea, 0]);
        assert_eq!(Command::Packet([0; 12]).fis(None).fis[2..4], [0xa0, 5]);
    }
}
