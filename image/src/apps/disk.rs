//! Reads and writes the first disk, by commands from the command line.
//!
//! ```text
//! app=disk -- info | read SECTOR [COUNT] | write SECTOR TEXT | flush | COMMAND ; COMMAND ; ...
//! ```

use alloc::format;
use alloc::string::String;
use alloc::vec;

use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, SECTOR_SIZE};

use switchboard_runtime::disk::Disk;
use switchboard_runtime::say;
use switchboard_runtime::system::{Outcome, System};

const USAGE: &str =
    "the commands are: info, read SECTOR [COUNT], write SECTOR TEXT, flush; several are separated by `;`";
/// The largest number of sectors of one `read`.
const MAX_COUNT: usize = 2048;

#[derive(Debug, thiserror::Error)]
enum DiskError {
    #[error("no disk: no function has a disk driver")]
    NoDisk,
    #[error("`{0}` is invalid: {USAGE}")]
    Usage(String),
    #[error(transparent)]
    Disk(#[from] BlockError),
}

pub(super) async fn run(system: System) -> Outcome {
    let Some(disk) = system.devices.first::<Disk>() else {
        return Err(DiskError::NoDisk.into());
    };
    for command in system.arguments.split(';') {
        perform(disk.device, command.trim()).await?;
    }
    Ok(())
}

async fn perform(disk: &impl BlockDevice, text: &str) -> Result<(), DiskError> {
    let usage = || DiskError::Usage(text.into());
    let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
    match name {
        "info" => {
            let access = if disk.is_read_only() { "read-only" } else { "read-write" };
            let block_bytes = disk.geometry().map_or(SECTOR_SIZE, |geometry| geometry.block_bytes);
            let blocks =
                if block_bytes == SECTOR_SIZE { String::new() } else { format!(", blocks of {block_bytes} bytes") };
            say!("disk: {} sectors of {SECTOR_SIZE} bytes{blocks}, {access}", disk.capacity());
        }
        "read" => {
            let (sector, count) = rest.split_once(' ').unwrap_or((rest, "1"));
            let sector = sector.parse().map_err(|_| usage())?;
            let count: usize = count.trim().parse().map_err(|_| usage())?;
            if count > MAX_COUNT {
                return Err(usage());
            }
            read(disk, sector, count).await?;
        }
        "write" => {
            let (sector, text) = rest.split_once(' ').ok_or_else(usage)?;
            let sector = sector.parse().map_err(|_| usage())?;
            write(disk, sector, text).await?;
        }
        "flush" => {
            disk.flush().await?;
            say!("flush: done");
        }
        _ => return Err(usage()),
    }
    Ok(())
}

/// Prints each sector: the text before the first zero byte, and the sum of all bytes.
async fn read(disk: &impl BlockDevice, first: u64, count: usize) -> Result<(), BlockError> {
    let mut data = vec![0; count * SECTOR_SIZE];
    disk.read(first, &mut data).await?;
    for (sector, data) in (first..).zip(data.chunks(SECTOR_SIZE)) {
        let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
        let sum = data.iter().fold(0_u64, |sum, byte| sum + u64::from(*byte));
        say!("read {sector}: sum {sum}, text `{}`", data[..end].escape_ascii());
    }
    Ok(())
}

/// Writes the text, padded with zeros to whole sectors.
async fn write(disk: &impl BlockDevice, sector: u64, text: &str) -> Result<(), BlockError> {
    let mut data = vec![0; text.len().next_multiple_of(SECTOR_SIZE)];
    data[..text.len()].copy_from_slice(text.as_bytes());
    disk.write(sector, &data).await?;
    say!("write {sector}: {} bytes", text.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use embassy_futures::block_on;

    use super::*;
    use switchboard_runtime::disk::MemoryDisk;

    #[test]
    fn invalid_commands_are_named() {
        let disk = MemoryDisk::new(&[0; 2048]);
        for text in ["", "rad 1", "read", "read x", "read 1 x", "read 0 2049", "write 1", "write x y"] {
            let error = block_on(perform(&disk, text)).expect_err(text);
            assert!(matches!(error, DiskError::Usage(name) if name == text), "{text}");
        }
    }

    #[test]
    fn errors_of_the_disk_name_the_sector() {
        let error = block_on(perform(&MemoryDisk::new(&[0; 2048]), "read 4")).unwrap_err();
        assert!(matches!(error, DiskError::Disk(BlockError::PastEnd { sector: 4, .. })));
    }
}
