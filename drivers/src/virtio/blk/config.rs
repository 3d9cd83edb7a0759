//! The configuration of a block device (virtio 1.2, 5.2.3 and 5.2.4).

use bitflags::bitflags;
use switchboard::driver::ProbeError;
use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock};

use crate::interfaces::block::SECTOR_SIZE;
use crate::virtio::Setup;
use crate::virtio::queue::MAX_SEGMENTS;

/// The most bytes of data in one request: the size of its buffer.
pub(super) const MAX_REQUEST_BYTES: usize = 32 * 1024;
/// The most segments of data in one request. Its chain has a header and a status too.
const MAX_DATA_SEGMENTS: usize = MAX_SEGMENTS - 2;

bitflags! {
    /// The features that the driver uses.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct BlkFeatures: u64 {
        /// The device reports the largest size of a segment.
        const SIZE_MAX = 1 << 1;
        /// The device reports the most segments of a request.
        const SEG_MAX = 1 << 2;
        /// The device refuses writes.
        const RO = 1 << 5;
        /// The device reports the size of its logical blocks.
        const BLK_SIZE = 1 << 6;
        /// The device has a cache that can be flushed.
        const FLUSH = 1 << 9;
        /// The device discards sectors.
        const DISCARD = 1 << 13;
        /// The device writes zeroes without their transfer.
        const WRITE_ZEROES = 1 << 14;
    }
}

/// The device configuration.
pub(super) struct BlkConfig;

impl RegisterBlock for BlkConfig {
    const SIZE: u64 = 24;
}

// 64 bits, read as two halves (4.1.3.1).
const CAPACITY_LOW: Reg<BlkConfig, u32, ReadOnly> = Reg::at(0);
const CAPACITY_HIGH: Reg<BlkConfig, u32, ReadOnly> = Reg::at(4);
const SIZE_MAX: Reg<BlkConfig, u32, ReadOnly> = Reg::at(8);
const SEG_MAX: Reg<BlkConfig, u32, ReadOnly> = Reg::at(12);
// After the cylinders, heads and sectors of a legacy geometry.
const BLK_SIZE: Reg<BlkConfig, u32, ReadOnly> = Reg::at(20);

/// The device configuration with the limits of requests without data.
struct RangeConfig;

impl RegisterBlock for RangeConfig {
    const SIZE: u64 = 60;
}

const MAX_DISCARD_SECTORS: Reg<RangeConfig, u32, ReadOnly> = Reg::at(36);
const MAX_WRITE_ZEROES_SECTORS: Reg<RangeConfig, u32, ReadOnly> = Reg::at(48);

/// The most sectors of a discard, and of a request that writes zeroes; 0 for a device that has no such request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct RangeLimits {
    /// The most bytes of a discard: whole logical blocks; 0 for none.
    pub(super) discard_bytes: usize,
    /// As `discard_bytes`, of a request to write zeroes.
    pub(super) write_zeroes_bytes: usize,
}

impl RangeLimits {
    /// Reads the limits of the device, where it offers such requests.
    pub(super) fn read(setup: &Setup, features: BlkFeatures, block_bytes: usize) -> Result<Self, ProbeError> {
        if !features.intersects(BlkFeatures::DISCARD | BlkFeatures::WRITE_ZEROES) {
            return Ok(Self::default());
        }
        let config = setup.config::<RangeConfig>()?;
        setup.read_config(|| {
            let limit = |feature, register| {
                let sectors = if features.contains(feature) { config.read(register) } else { 0 };
                let bytes = sectors as usize * SECTOR_SIZE;
                bytes - bytes % block_bytes
            };
            Self {
                discard_bytes: limit(BlkFeatures::DISCARD, &MAX_DISCARD_SECTORS),
                write_zeroes_bytes: limit(BlkFeatures::WRITE_ZEROES, &MAX_WRITE_ZEROES_SECTORS),
            }
        })
    }
}

/// Returns the number of sectors of the disk.
pub(super) fn read_capacity(config: &Bar<BlkConfig>) -> u64 {
    u64::from(config.read(&CAPACITY_HIGH)) << 32 | u64::from(config.read(&CAPACITY_LOW))
}

/// The limits of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// The size of a logical block: a power of two, at least a sector. Requests are whole blocks.
    pub(super) block_bytes: usize,
    /// The most bytes of data in a request: whole blocks.
    pub(super) request_bytes: usize,
    /// The most bytes of data in a segment.
    pub(super) segment_bytes: usize,
}

impl Limits {
    /// Returns the limits of the device or those of the driver, whichever are lower.
    pub(super) fn read(config: &Bar<BlkConfig>, features: BlkFeatures) -> Result<Self, ProbeError> {
        let limit = |feature, register, max: usize| {
            let reported = features.contains(feature).then(|| config.read(register));
            reported.map_or(max, |reported| usize::try_from(reported).unwrap_or(max).min(max))
        };
        let segment_bytes = limit(BlkFeatures::SIZE_MAX, &SIZE_MAX, MAX_REQUEST_BYTES);
        let segments = limit(BlkFeatures::SEG_MAX, &SEG_MAX, MAX_DATA_SEGMENTS);
        let has_block_size = features.contains(BlkFeatures::BLK_SIZE);
        let block_bytes = if has_block_size { config.read(&BLK_SIZE) as usize } else { SECTOR_SIZE };
        Self::new(block_bytes, segment_bytes, segments)
    }

    fn new(block_bytes: usize, segment_bytes: usize, segments: usize) -> Result<Self, ProbeError> {
        if !block_bytes.is_power_of_two() || block_bytes < SECTOR_SIZE {
            let what = "bytes in a virtio-blk logical block, a power of two from 512 on";
            return Err(ProbeError::Unexpected { what, wanted: SECTOR_SIZE as u64, found: block_bytes as u64 });
        }
        let fits = MAX_REQUEST_BYTES.min(segment_bytes * segments);
        let request_bytes = fits - fits % block_bytes;
        if request_bytes == 0 {
            let what = "bytes that fit into a virtio-blk request";
            return Err(ProbeError::Unexpected { what, wanted: block_bytes as u64, found: fits as u64 });
        }
        Ok(Self { block_bytes, request_bytes, segment_bytes })
    }

    /// Returns the number of segments of the largest request, header and status included.
    pub(super) fn max_segments(self) -> u16 {
        // At most `MAX_DATA_SEGMENTS` and two, by `new`.
        u16::try_from(self.request_bytes.div_ceil(self.segment_bytes) + 2).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_whole_sectors_and_fit_their_segments() {
        let request_bytes =
            |segment, segments| Limits::new(SECTOR_SIZE, segment, segments).ok().map(|limits| limits.request_bytes);
        assert_eq!(request_bytes(MAX_REQUEST_BYTES, 16), Some(MAX_REQUEST_BYTES));
        assert_eq!(request_bytes(4096, 2), Some(8192));
        assert_eq!(request_bytes(1000, 2), Some(1536));
        assert_eq!(request_bytes(511, 1), None);
        assert_eq!(request_bytes(0, 16), None);
        assert_eq!(request_bytes(4096, 0), None);
    }

    #[test]
    fn a_chain_has_room_for_header_and_status() {
        let max_segments = |segment, segments| Limits::new(SECTOR_SIZE, segment, segments).map(Limits::max_segments);
        assert_eq!(max_segments(MAX_REQUEST_BYTES, 16), Ok(3));
        assert_eq!(max_segments(1000, 2), Ok(4));
        assert_eq!(max_segments(1, 16).ok(), None);
        assert_eq!(max_segments(32, 16), Ok(18));
    }

    #[test]
    fn requests_are_whole_logical_blocks() {
        let request_bytes = |block| Limits::new(block, 5000, 2).ok().map(|limits| limits.request_bytes);
        assert_eq!(request_bytes(512), Some(9728));
        assert_eq!(request_bytes(4096), Some(8192));
        for invalid in [0, 1, 256, 513, 4095, 16 * 1024, u32::MAX as usize] {
            assert_eq!(request_bytes(invalid), None, "{invalid}");
        }
    }
}
