//! Reading a part of a file, one buffer at a time.

use core::ops::Range;

use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, SECTOR_SIZE};

use crate::archive::Entry;

/// A reader of a range of a file's bytes.
///
/// ```
/// # let tar = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tar.rs"));
/// use embassy_futures::block_on;
/// use switchboard_fileserver::{Archive, Reader};
/// use switchboard_runtime::disk::MemoryDisk;
///
/// let disk = MemoryDisk::new(&tar(&[("hello.txt", b"hello, world")]));
/// let (archive, _) = block_on(Archive::scan(&disk));
/// let entry = archive.file("hello.txt").expect("it is in the archive");
///
/// let (mut reader, mut buffer) = (Reader::new(entry, 7..12), [0; 512]);
/// let part = block_on(reader.read(&disk, &mut buffer))?;
/// assert_eq!(&buffer[part], b"world");
/// assert!(block_on(reader.read(&disk, &mut buffer))?.is_empty());
/// # Ok::<_, switchboard_drivers::interfaces::block::BlockError>(())
/// ```
#[derive(Debug)]
pub struct Reader {
    /// The file's first sector.
    start: u64,
    /// The bytes of the file that are not read yet.
    rest: Range<u64>,
}

impl Reader {
    /// Creates a reader of the range `bytes`, which has to be within the file.
    #[must_use]
    pub fn new(entry: Entry, bytes: Range<u64>) -> Self {
        Self { start: entry.sector, rest: bytes }
    }

    /// Reads on into `buffer`, whose length is a multiple of 512. Returns the range of the buffer that holds content of the
    /// file now; an empty one at the end.
    ///
    /// # Errors
    /// [`BlockError`]; the next call reads the same bytes again.
    pub async fn read(&mut self, disk: &impl BlockDevice, buffer: &mut [u8]) -> Result<Range<usize>, BlockError> {
        const SECTOR: u64 = SECTOR_SIZE as u64;
        if self.rest.is_empty() {
            return Ok(0..0);
        }
        let (sector, skip) = (self.rest.start / SECTOR, self.rest.start % SECTOR);
        let wanted = (self.rest.end - sector * SECTOR).next_multiple_of(SECTOR);
        let length = usize::try_from(wanted).unwrap_or(usize::MAX).min(buffer.len());
        disk.read(self.start + sector, &mut buffer[..length]).await?;
        let end = self.rest.end.min(sector * SECTOR + length as u64);
        // Both are within the buffer, so they fit into a usize.
        let content = usize::try_from(skip).unwrap_or(0)..usize::try_from(end - sector * SECTOR).unwrap_or(0);
        self.rest.start = end;
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
    fn any_range_is_read_through_any_buffer() {
        for bytes in [0..0, 0..1, 0..512, 511..513, 7..2_000, 1_024..3_584] {
            for buffer in [512, 1_024, 8_192] {
                let expected: Vec<u8> = bytes.clone().map(|index| u8::try_from((index + 512) % 251).unwrap()).collect();
                assert_eq!(read(bytes.clone(), buffer).unwrap(), expected, "{bytes:?} by {buffer}");
            }
        }
    }

    #[test]
    fn errors_of_the_disk_are_returned() {
        assert!(matches!(read(0..9_999, 512), Err(BlockError::PastEnd { sector: 8, .. })));
    }
}
