//! Reading a range of a file, run by run, as the disk has it.

use alloc::rc::Rc;
use core::ops::Range;

use switchboard_drivers::interfaces::block::{BlockDevice, SECTOR_SIZE};

use crate::filesystem::{File, FileSystemError, Run};
use crate::mounted::Mounted;

/// A reader of a range of a file's bytes.
#[derive(Debug)]
pub(crate) struct FileReader {
    mounted: Rc<Mounted>,
    file: File,
    /// The bytes of the file that are not read yet.
    rest: Range<u64>,
    /// Where the first of them are, if it is known.
    run: Option<Run>,
}

impl FileReader {
    /// Creates a reader of the range `bytes`, which has to be within the file.
    pub(crate) const fn new(mounted: Rc<Mounted>, file: File, bytes: Range<u64>) -> Self {
        Self { mounted, file, rest: bytes, run: None }
    }

    /// Returns the number of bytes that are not read yet.
    pub(crate) const fn rest(&self) -> u64 {
        self.rest.end - self.rest.start
    }

    /// Reads on into `buffer`, which has its wanted length. Returns the range of the buffer that holds content of the file
    /// now; an empty one at the end.
    pub(crate) async fn read(&mut self, buffer: &mut [u8]) -> Result<Range<usize>, FileSystemError> {
        if self.rest.is_empty() {
            return Ok(0..0);
        }
        let run = match self.run {
            Some(run) => run,
            None => self.mounted.file_system.locate(self.file, self.rest.start).await?,
        };
        let available = run.length().min(self.rest());
        if available == 0 {
            return Err(FileSystemError::PastEnd { position: self.rest.start });
        }
        let content = match run {
            Run::Zeros { .. } => {
                let length = usize::try_from(available).unwrap_or(usize::MAX).min(buffer.len());
                buffer[..length].fill(0);
                0..length
            }
            Run::Stored { position, .. } => self.read_stored(position, available, buffer).await?,
        };
        let length = content.len() as u64;
        self.rest.start += length;
        self.run = match run {
            _ if length >= run.length() => None,
            Run::Zeros { length: all } => Some(Run::Zeros { length: all - length }),
            Run::Stored { position, length: all } => {
                Some(Run::Stored { position: position + length, length: all - length })
            }
        };
        Ok(content)
    }

    /// Reads whole blocks of the disk, and returns the range of the buffer with the bytes at `position` of the volume.
    async fn read_stored(
        &self,
        position: u64,
        available: u64,
        buffer: &mut [u8],
    ) -> Result<Range<usize>, FileSystemError> {
        let volume = &self.mounted.volume;
        let is_within = position.checked_add(available).is_some_and(|end| end <= volume.size_bytes());
        if !is_within {
            return Err(FileSystemError::PastEnd { position });
        }
        let block = volume.block_bytes()? as u64;
        let at = volume.start() + position;
        let (first, skip) = (at - at % block, at % block);
        let wanted = (skip + available).next_multiple_of(block);
        let whole = buffer.len() as u64 / block * block;
        // At most the length of the buffer.
        let length = usize::try_from(wanted.min(whole)).unwrap_or(0);
        volume.disk().read(first / SECTOR_SIZE as u64, &mut buffer[..length]).await?;
        let end = (skip + available).min(length as u64);
        Ok(usize::try_from(skip).unwrap_or(0)..usize::try_from(end).unwrap_or(0))
    }

    /// Reads all that is left, and passes it to `take`, part by part.
    pub(crate) async fn read_all(
        &mut self,
        buffer: &mut [u8],
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), FileSystemError> {
        loop {
            let part = self.read(buffer).await?;
            if part.is_empty() {
                return Ok(());
            }
            take(&buffer[part]);
        }
    }
}
