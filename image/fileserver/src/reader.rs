//! Reading a range of a file, run by run, as the disk has it.

use alloc::rc::Rc;
use core::ops::Range;

use switchboard_drivers::interfaces::block::BlockDevice;

use crate::filesystem::{File, FileSystemError, Run};
use crate::mounted::Mounted;
use crate::volume::Volume;

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
        let Some((run, available)) = self.next_run().await? else { return Ok(0..0) };
        let content = match run {
            Run::Zeros { .. } => {
                let length = usize::try_from(available).unwrap_or(usize::MAX).min(buffer.len());
                buffer[..length].fill(0);
                0..length
            }
            Run::Stored { position, .. } => self.read_stored(position, available, buffer).await?,
            Run::Served { .. } => {
                let mut length = 0;
                let limit = buffer.len();
                let mut take = |data: &[u8]| {
                    let count = data.len().min(limit - length);
                    buffer[length..length + count].copy_from_slice(&data[..count]);
                    length += count;
                };
                self.read_served(available, limit, &mut take).await?;
                0..length
            }
        };
        self.advance(run, content.len() as u64);
        Ok(content)
    }

    /// Returns where the next bytes are, and how many of them are to be read; `None` at the end.
    async fn next_run(&self) -> Result<Option<(Run, u64)>, FileSystemError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let run = match self.run {
            Some(run) => run,
            None => self.mounted.file_system.locate(self.file, self.rest.start).await?,
        };
        match run.length().min(self.rest()) {
            0 => Err(FileSystemError::PastEnd { position: self.rest.start }),
            available => Ok(Some((run, available))),
        }
    }

    /// Steps over bytes of a run that were read.
    fn advance(&mut self, run: Run, length: u64) {
        self.rest.start += length;
        self.run = match run {
            _ if length >= run.length() => None,
            Run::Zeros { length: all } => Some(Run::Zeros { length: all - length }),
            Run::Served { length: all } => Some(Run::Served { length: all - length }),
            Run::Stored { position, length: all } => {
                Some(Run::Stored { position: position + length, length: all - length })
            }
        };
    }

    fn volume(&self) -> Result<&Volume, FileSystemError> {
        self.mounted.volume.as_ref().ok_or(FileSystemError::Unsupported("bytes on a disk, without a disk, are"))
    }

    /// Lets the file system read some of the `available` bytes, and returns how many.
    async fn read_served(
        &self,
        available: u64,
        max_bytes: usize,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<u64, FileSystemError> {
        let count = usize::try_from(available).unwrap_or(usize::MAX).min(max_bytes);
        match self.mounted.file_system.read(self.file, self.rest.start, count, take).await? {
            // It has become shorter.
            0 => Err(FileSystemError::PastEnd { position: self.rest.start }),
            length => Ok(length),
        }
    }

    /// Reads whole blocks of the disk, and returns the range of the buffer with the bytes at `position` of the volume.
    async fn read_stored(
        &self,
        position: u64,
        available: u64,
        buffer: &mut [u8],
    ) -> Result<Range<usize>, FileSystemError> {
        let (sector, skip, length) = self.volume()?.blocks(position, available, buffer.len())?;
        let out = buffer.get_mut(..length).ok_or(FileSystemError::NoMemory)?;
        self.volume()?.disk().read(sector, out).await?;
        let end = usize::try_from(skip as u64 + available).unwrap_or(usize::MAX).min(length);
        Ok(skip.min(end)..end)
    }

    /// Reads on, at most `max_bytes` of whole blocks, or one block, and passes the content to `take` where the device has put
    /// it: in order, in one part or several. Returns the number of bytes; 0 at the end.
    pub(crate) async fn read_in_place(
        &mut self,
        max_bytes: usize,
        mut take: impl FnMut(&[u8]),
    ) -> Result<u64, FileSystemError> {
        let Some((run, available)) = self.next_run().await? else { return Ok(0) };
        let length;
        match run {
            Run::Zeros { .. } => {
                length = available.min(max_bytes as u64);
                let mut rest = length;
                let zeros = [0; 512];
                while rest > 0 {
                    let part = usize::try_from(rest).map_or(zeros.len(), |rest| rest.min(zeros.len()));
                    take(&zeros[..part]);
                    rest -= part as u64;
                }
            }
            Run::Served { .. } => length = self.read_served(available, max_bytes, &mut take).await?,
            Run::Stored { position, .. } => {
                length = self.volume()?.read_in_place(position, available, max_bytes, &mut take).await?;
            }
        }
        self.advance(run, length);
        Ok(length)
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
