//! What the library's own tests stand on.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::convert::Infallible;

use picoserve::io::{BaseWrite, ErrorType, Read, Socket, Write};
use picoserve::mem::{BorrowedBuffer, BorrowedCursor};
use picoserve::time::{Duration, Timer};
use picoserve::{Error, Timeouts};
use switchboard_drivers::block::{BlockDevice, BlockError, SECTOR_SIZE};

/// A disk in memory.
pub(crate) struct MemoryDisk {
    sectors: RefCell<Vec<u8>>,
}

impl MemoryDisk {
    pub(crate) fn new(image: &[u8]) -> Self {
        Self { sectors: RefCell::new(image.to_vec()) }
    }

    fn place(&self, sector: u64, length: usize) -> Result<core::ops::Range<usize>, BlockError> {
        if length == 0 || !length.is_multiple_of(SECTOR_SIZE) {
            return Err(BlockError::NotSectors { sector, length });
        }
        let sectors = (length / SECTOR_SIZE) as u64;
        if sector.checked_add(sectors).is_none_or(|end| end > self.capacity()) {
            return Err(BlockError::PastEnd { sector, sectors, capacity: self.capacity() });
        }
        let start = usize::try_from(sector).unwrap() * SECTOR_SIZE;
        Ok(start..start + length)
    }
}

impl BlockDevice for MemoryDisk {
    fn capacity(&self) -> u64 {
        (self.sectors.borrow().len() / SECTOR_SIZE) as u64
    }

    fn is_read_only(&self) -> bool {
        false
    }

    async fn read(&self, sector: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        let place = self.place(sector, buffer.len())?;
        buffer.copy_from_slice(&self.sectors.borrow()[place]);
        Ok(())
    }

    async fn write(&self, sector: u64, buffer: &[u8]) -> Result<(), BlockError> {
        let place = self.place(sector, buffer.len())?;
        self.sectors.borrow_mut()[place].copy_from_slice(buffer);
        Ok(())
    }

    async fn flush(&self) -> Result<(), BlockError> {
        Ok(())
    }
}

/// A socket whose peer sends a text and closes. What it is sent is kept.
pub(crate) struct CannedSocket {
    input: String,
    output: Rc<Cell<Vec<u8>>>,
}

impl CannedSocket {
    pub(crate) fn new(input: &str) -> (Self, Rc<Cell<Vec<u8>>>) {
        let output = Rc::new(Cell::default());
        (Self { input: input.into(), output: output.clone() }, output)
    }
}

pub(crate) struct CannedReader<'a>(&'a [u8]);
pub(crate) struct CannedWriter<'a>(&'a Cell<Vec<u8>>);

impl Socket<()> for CannedSocket {
    type Error = Infallible;
    type ReadHalf<'a> = CannedReader<'a>;
    type WriteHalf<'a> = CannedWriter<'a>;

    fn split(&mut self) -> (CannedReader<'_>, CannedWriter<'_>) {
        (CannedReader(self.input.as_bytes()), CannedWriter(&self.output))
    }

    async fn abort<T: Timer<()>>(self, _timeouts: &Timeouts, _timer: &T) -> Result<(), Error<Infallible>> {
        Ok(())
    }

    async fn shutdown<T: Timer<()>>(self, _timeouts: &Timeouts, _timer: &T) -> Result<(), Error<Infallible>> {
        Ok(())
    }
}

impl ErrorType for CannedReader<'_> {
    type Error = Infallible;
}

impl Read for CannedReader<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        self.0.read(buffer).await
    }
}

impl ErrorType for CannedWriter<'_> {
    type Error = Infallible;
}

impl BaseWrite for CannedWriter<'_> {
    async fn write(&mut self, data: &[u8]) -> Result<usize, Infallible> {
        let mut output = self.0.take();
        output.extend_from_slice(data);
        self.0.set(output);
        Ok(data.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Write for CannedWriter<'_> {
    async fn write_with<F: FnOnce(BorrowedCursor<'_>) -> R, R>(&mut self, fill: F) -> Result<R, Infallible> {
        let mut space = [0; 1024];
        let mut buffer = BorrowedBuffer::new(&mut space);
        let result = fill(buffer.unfilled());
        self.write(buffer.filled()).await?;
        Ok(result)
    }
}

/// Nothing ever times out.
pub(crate) struct NoTime;

impl Timer<()> for NoTime {
    async fn delay(&self, _duration: Duration) {
        core::future::pending::<()>().await;
    }
}
