//! The configuration of a block device (virtio 1.2, 5.2.3 and 5.2.4).

use bitflags::bitflags;
use switchboard::driver::ProbeError;
use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock};

use crate::interfaces::block::SECTOR_SIZE;
use crate::virtio::queue::MAX_SEGMENTS;

/// Bytes of data in one request at the most: what a request's own buffer holds.
pub(super) const LARGEST_REQUEST: usize = 32 * 1024;
/// Segments of data in one request at the most: a header and a status are in the chain too.
const MOST_SEGMENTS: usize = MAX_SEGMENTS - 2;

bitflags! {
    /// The features that this driver makes use of.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct BlkFeatures: u64 {
        /// The device reports how large a segment may be.
        const SIZE_MAX = 1 << 1;
        /// The device reports how many segments a request may have.
        const SEG_MAX = 1 << 2;
        /// The device refuses writes.
        const RO = 1 << 5;
        /// The device has a cache that can be flushed.
        const FLUSH = 1 << 9;
    }
}

/// The device configuration.
pub(super) struct BlkConfig;

impl RegisterBlock for BlkConfig {
    const SIZE: u64 = 16;
}

// 64 bits, read as two halves (4.1.3.1).
const CAPACITY_LOW: Reg<BlkConfig, u32, ReadOnly> = Reg::at(0);
const CAPACITY_HIGH: Reg<BlkConfig, u32, ReadOnly> = Reg::at(4);
const SIZE_MAX: Reg<BlkConfig, u32, ReadOnly> = Reg::at(8);
const SEG_MAX: Reg<BlkConfig, u32, ReadOnly> = Reg::at(12);

/// Sectors on the disk.
pub(super) fn read_capacity(config: &Bar<BlkConfig>) -> u64 {
    u64::from(config.read(&CAPACITY_HIGH)) << 32 | u64::from(config.read(&CAPACITY_LOW))
}

/// How requests are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Bytes of data in a request, whole sectors.
    pub(super) request: usize,
    /// Bytes of data in a segment.
    pub(super) segment: usize,
}

impl Limits {
    /// What the device can take, or this driver, whichever is less.
    pub(super) fn read(config: &Bar<BlkConfig>, features: BlkFeatures) -> Result<Self, ProbeError> {
        let limit = |feature, register, most: usize| {
            let reported = features.contains(feature).then(|| config.read(register));
            reported.map_or(most, |reported| usize::try_from(reported).unwrap_or(most).min(most))
        };
        let segment = limit(BlkFeatures::SIZE_MAX, &SIZE_MAX, LARGEST_REQUEST);
        let segments = limit(BlkFeatures::SEG_MAX, &SEG_MAX, MOST_SEGMENTS);
        Self::of(segment, segments)
    }

    fn of(segment: usize, segments: usize) -> Result<Self, ProbeError> {
        let fits = LARGEST_REQUEST.min(segment * segments);
        let request = fits - fits % SECTOR_SIZE;
        if request == 0 {
            let what = "bytes that fit into a virtio-blk request";
            return Err(ProbeError::Unexpected { what, wanted: SECTOR_SIZE as u64, found: fits as u64 });
        }
        Ok(Self { request, segment })
    }

    /// Segments of the largest request, header and status included.
    pub(super) fn longest_chain(self) -> u16 {
        // At most `MOST_SEGMENTS` and two, by `of`.
        u16::try_from(self.request.div_ceil(self.segment) + 2).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_whole_sectors_and_fit_their_segments() {
        let of = |segment, segments| Limits::of(segment, segments).ok().map(|limits| limits.request);
        assert_eq!(of(LARGEST_REQUEST, 16), Some(LARGEST_REQUEST));
        assert_eq!(of(4096, 2), Some(8192));
        assert_eq!(of(1000, 2), Some(1536));
        assert_eq!(of(511, 1), None);
        assert_eq!(of(0, 16), None);
        assert_eq!(of(4096, 0), None);
    }

    #[test]
    fn a_chain_has_room_for_header_and_status() {
        assert_eq!(Limits::of(LARGEST_REQUEST, 16).map(Limits::longest_chain), Ok(3));
        assert_eq!(Limits::of(1000, 2).map(Limits::longest_chain), Ok(4));
        assert_eq!(Limits::of(1, 16).map(Limits::longest_chain).ok(), None);
        assert_eq!(Limits::of(32, 16).map(Limits::longest_chain), Ok(18));
    }
}
