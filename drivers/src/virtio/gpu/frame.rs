//! The pixels in memory, from which the device copies them.

use alloc::vec::Vec;

use switchboard::dma::{BusAddress, DmaPort, DmaShared};
use switchboard::driver::ProbeError;
use zerocopy::{Immutable, IntoBytes};

/// Blocks of at most 64 KiB, so that allocation succeeds in fragmented memory.
const BLOCK_BYTES: usize = 64 << 10;
const PIXEL_BYTES: usize = 4;

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Area {
    /// Returns the smallest area that contains both.
    fn and(self, other: Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let right = (self.x + self.width).max(other.x + other.width);
        let bottom = (self.y + self.height).max(other.y + other.height);
        Self { x, y, width: right - x, height: bottom - y }
    }
}

/// An entry of the list of blocks that the device gets (5.7.6.8, `virtio_gpu_mem_entry`).
#[derive(Debug, Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct BlockEntry {
    address: BusAddress,
    bytes: u32,
    padding: u32,
}

/// The pixels, row by row in blocks of whole rows.
#[derive(Debug)]
pub(super) struct FrameBuffer {
    blocks: Vec<DmaShared<u32>>,
    rows_per_block: u32,
    width: u32,
    height: u32,
    /// What was written since the last [`take_changed`](Self::take_changed).
    changed: Option<Area>,
}

impl FrameBuffer {
    /// Allocates black pixels. A row has at least one, and at most 16,384.
    pub(super) fn new(dma: &DmaPort, (width, height): (u32, u32)) -> Result<Self, ProbeError> {
        let rows_per_block = BLOCK_BYTES / (PIXEL_BYTES * width as usize);
        let mut blocks = Vec::new();
        let mut rows = height as usize;
        while rows != 0 {
            let pixels = rows_per_block.min(rows) * width as usize;
            let block = dma.region(PIXEL_BYTES * pixels)?.carve(pixels, PIXEL_BYTES);
            blocks.push(block.ok_or(ProbeError::Device("the pixels do not fit their region"))?);
            rows = rows.saturating_sub(rows_per_block);
        }
        // At most 16,384, as a row has at least four bytes.
        let rows_per_block = u32::try_from(rows_per_block).unwrap_or(1);
        let changed = Some(Area { x: 0, y: 0, width, height });
        Ok(Self { blocks, rows_per_block, width, height, changed })
    }

    pub(super) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Returns the list of blocks.
    pub(super) fn entries(&self) -> impl ExactSizeIterator<Item = BlockEntry> {
        let bytes = |block: &DmaShared<u32>| u32::try_from(PIXEL_BYTES * block.count()).unwrap_or(0);
        self.blocks.iter().map(move |block| BlockEntry { address: block.bus(), bytes: bytes(block), padding: 0 })
    }

    /// Writes pixels of row `y` from column `x` on. Those outside are left out.
    pub(super) fn write(&mut self, x: u32, y: u32, pixels: &[u32]) {
        let count = pixels.len().min(self.width.saturating_sub(x) as usize);
        if count == 0 || y >= self.height {
            return;
        }
        let start = ((y % self.rows_per_block) * self.width + x) as usize;
        let block = &mut self.blocks[(y / self.rows_per_block) as usize];
        pixels[..count].iter().zip(start..).for_each(|(pixel, index)| block.write(index, *pixel));
        // Not more than the width.
        let area = Area { x, y, width: u32::try_from(count).unwrap_or(0), height: 1 };
        self.changed = Some(self.changed.map_or(area, |changed| changed.and(area)));
    }

    /// Returns the area that was written since the last call, if there is one, and the offset of its first pixel in bytes.
    pub(super) fn take_changed(&mut self) -> Option<(Area, u64)> {
        let area = self.changed.take()?;
        let pixel = u64::from(area.y) * u64::from(self.width) + u64::from(area.x);
        Some((area, pixel * PIXEL_BYTES as u64))
    }
}
