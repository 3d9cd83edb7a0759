//! USB sticks and disks: SCSI by bulk-only transport (USB MSC BOT 1.0).
//!
//! Of a device with several units, as a reader for cards is, the first that has a medium is the disk.

mod disk;
mod identify;
mod queue;
mod request;
mod transport;

pub use self::disk::UsbDisk;

/// Class, subclass and protocol of an interface: mass storage, SCSI, bulk-only.
pub(super) const CLASS: [u8; 3] = [8, 6, 0x50];
