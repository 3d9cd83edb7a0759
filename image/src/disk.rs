//! A disk, whichever driver it has.

use switchboard_drivers::block::{BlockDevice, BlockError};
use switchboard_drivers::virtio::VirtioBlk;

/// The disks that this image has drivers for. Apps and the file system see a [`BlockDevice`].
#[derive(Debug)]
pub enum Disk {
    /// A virtio disk.
    Virtio(VirtioBlk),
}

impl BlockDevice for Disk {
    fn capacity(&self) -> u64 {
        match self {
            Self::Virtio(disk) => disk.capacity(),
        }
    }

    fn is_read_only(&self) -> bool {
        match self {
            Self::Virtio(disk) => disk.is_read_only(),
        }
    }

    async fn read(&self, sector: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        match self {
            Self::Virtio(disk) => disk.read(sector, buffer).await,
        }
    }

    async fn write(&self, sector: u64, buffer: &[u8]) -> Result<(), BlockError> {
        match self {
            Self::Virtio(disk) => disk.write(sector, buffer).await,
        }
    }

    async fn flush(&self) -> Result<(), BlockError> {
        match self {
            Self::Virtio(disk) => disk.flush().await,
        }
    }
}
