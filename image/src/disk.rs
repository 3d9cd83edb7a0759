//! A disk, whichever driver it has.

use switchboard_drivers::block::{BlockDevice, BlockError};

/// The disks that this image has drivers for.
#[derive(Debug)]
pub enum Disk {}

impl BlockDevice for Disk {
    fn capacity(&self) -> u64 {
        match *self {}
    }

    fn is_read_only(&self) -> bool {
        match *self {}
    }

    async fn read(&self, _sector: u64, _buffer: &mut [u8]) -> Result<(), BlockError> {
        match *self {}
    }

    async fn write(&self, _sector: u64, _buffer: &[u8]) -> Result<(), BlockError> {
        match *self {}
    }

    async fn flush(&self) -> Result<(), BlockError> {
        match *self {}
    }
}
