//! A disk, whichever driver it has.

use switchboard_drivers::block::{BlockDevice, BlockError};
use switchboard_drivers::virtio::VirtioBlk;

/// The disks that this image has drivers for.
#[derive(Debug)]
pub enum Disk {
    /// A virtio disk.
    Virtio(VirtioBlk),
}

impl BlockDevice for Disk {
    fn capacity(&self) -> u64 {
        let Self::Virtio(disk) = self;
        disk.capacity()
    }

    fn is_read_only(&self) -> bool {
        let Self::Virtio(disk) = self;
        disk.is_read_only()
    }

    async fn read(&self, sector: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        let Self::Virtio(disk) = self;
        disk.read(sector, buffer).await
    }

    async fn write(&self, sector: u64, buffer: &[u8]) -> Result<(), BlockError> {
        let Self::Virtio(disk) = self;
        disk.write(sector, buffer).await
    }

    async fn flush(&self) -> Result<(), BlockError> {
        let Self::Virtio(disk) = self;
        disk.flush().await
    }
}
