//! Reading a part of a file, a buffer at a time.

use core::ops::Range;

use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, SECTOR_SIZE};

use super::Entry;

/// What is left to read of a file.
#[derive(Debug)]
pub struct Reader {
    /// The file's first sector.
    start: u64,
    /// The bytes of the file that are still to come.
    left: Range<u64>,
}

impl Reader {
    /// Will read those bytes of the file; they lie inside of it.
    #[must_use]
    pub fn new(entry: Entry, bytes: Range<u64>) -> Self {
        Self { start: entry.sector, left: bytes }
    }

    /// Reads on into `buffer`, which is whole sectors. Gives the part of it that holds file content now, empty
    /// at the end.
    ///
    /// # Errors
    /// [`BlockError`]; the reader stands where it stood.
    pub async fn read(&mut self, disk: &impl BlockDevice, buffer: &mut [u8]) -> Result<Range<usize>, BlockError> {
        const SECTOR: u64 = SECTOR_SIZE as u64;
        if self.left.is_empty() {
            return Ok(0..0);
        }
        let (sector, skip) = (self.left.start / SECTOR, self.left.start % SECTOR);
        let wanted = (self.left.end - sector * SECTOR).next_multiple_of(SECTOR);
        let length = usize::try_from(wanted).unwrap_or(usize::MAX).min(buffer.len());
        disk.read(self.start + sector, &mut buffer[..length]).await?;
        let end = self.left.end.min(sector * SECTOR + length as u64);
        // Both lie within the buffer, so they fit in a usize.
        let content = usize::try_from(skip).unwrap_or(0)..usize::try_from(end - sector * SECTOR).unwrap_or(0);
        self.left.start = end;
        Ok(content)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use embassy_futures::block_on;

    use super::*;
    use switchboard_runtime::disk::MemoryDisk;

    fn read(bytes: Range<u64>, buffer: usize) -> Result<Vec<u8>, BlockError> {
        let image: Vec<u8> = (0..4096_u32).map(|index| (index % 251).to_le_bytes()[0]).collect();
        let (disk, mut buffer) = (MemoryDisk::new(&image), alloc::vec![0; buffer]);
        let mut reader = Reader::new(Entry { sector: 1, size: 9_999, modified: 0 }, bytes);
        let mut all = Vec::new();
        loop {
            let part = block_on(reader.read(&disk, &mut buffer))?;
            if part.is_empty() {
                return Ok(all);
            }
            all.extend_from_slice(&buffer[part]);
        }
    }

    #[test]
    fn any_part_through_any_buffer() {
        for bytes in [0..0, 0..1, 0..512, 511..513, 7..2_000, 1_024..3_584] {
            for buffer in [512, 1_024, 8_192] {
                let expected: Vec<u8> = bytes.clone().map(|index| u8::try_from((index + 512) % 251).unwrap()).collect();
                assert_eq!(read(bytes.clone(), buffer).unwrap(), expected, "{bytes:?} by {buffer}");
            }
        }
    }

    #[test]
    fn errors_of_the_disk_come_through() {
        assert!(matches!(read(0..9_999, 512), Err(BlockError::PastEnd { sector: 8, .. })));
    }
}
