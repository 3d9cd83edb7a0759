//! The search for logical units: when the driver is attached, and whenever the device reports a change.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::disk::{ScsiDisk, Unit};
use super::host::Host;
use super::lun::Lun;
use crate::interfaces::block::BlockError;
use crate::scsi::{
    CD, DISK, MODE_SENSE, READ_CAPACITY_10, READ_CAPACITY_16, REPORT_LUNS, TEST_UNIT_READY, capacity_10, capacity_16,
    inquiry, is_valid_capacity, name,
};

/// The most units of a target that are looked at.
const MAX_UNITS: usize = 256;
/// The page of block limits (SBC-3, 6.6.4).
const BLOCK_LIMITS: u8 = 0xb0;

/// Looks at all targets. Returns the disks that are new; those that are not found any more are marked as gone.
pub(super) async fn scan(host: Arc<Host>) -> Vec<ScsiDisk> {
    let (mut found, mut new) = (Vec::new(), Vec::new());
    for target in 0..=host.max_target {
        if host.is_gone() {
            break;
        }
        for lun in units_of(&host, target).await {
            let known = host.units.lock().iter().find(|unit| unit.lun == lun).cloned();
            found.push(lun);
            match known {
                Some(unit) => {
                    if let Ok((blocks, block_bits, _)) = capacity(&host, lun, unit.is_cd).await
                        && block_bits == unit.block_bits
                    {
                        unit.blocks.store(blocks, Ordering::Relaxed);
                    }
                }
                None => {
                    if let Some(unit) = identify(&host, lun).await {
                        let unit = Arc::new(unit);
                        host.units.lock().push(unit.clone());
                        new.push(ScsiDisk::new(host.clone(), unit));
                    }
                }
            }
        }
    }
    host.units.lock().retain(|unit| {
        let is_here = found.contains(&unit.lun);
        unit.is_gone.store(!is_here, Ordering::Release);
        is_here
    });
    new
}

/// Returns the units of a target; none where there is no such target.
async fn units_of(host: &Host, target: u8) -> Vec<Lun> {
    let Ok(list) = host.command(Lun { target, number: 0 }, REPORT_LUNS, 4096).await else { return Vec::new() };
    let Some((header, entries)) = list.split_first_chunk::<8>() else { return Vec::new() };
    let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
    let (entries, _) = entries[..length.min(entries.len())].as_chunks::<8>();
    entries.iter().filter_map(|entry| Lun::parse(target, *entry)).take(MAX_UNITS).collect()
}

/// Returns the blocks of a unit, their size as a power of two of bytes, and whether blocks can be unmapped.
async fn capacity(host: &Host, lun: Lun, is_cd: bool) -> Result<(u64, u32, bool), BlockError> {
    let (last, block_bytes, can_unmap) = if is_cd {
        let data = host.command(lun, READ_CAPACITY_10, 8).await?;
        let (last, block_bytes) = capacity_10(data[..].try_into().map_err(|_| BlockError::Io { sector: 0 })?);
        (last, block_bytes, false)
    } else {
        let data = host.command(lun, READ_CAPACITY_16, 32).await?;
        capacity_16(*data.first_chunk().ok_or(BlockError::Io { sector: 0 })?)
    };
    if !is_valid_capacity(last, block_bytes) {
        log::warn!("{}: virtio-scsi: {lun}: blocks of {block_bytes} bytes", host.device.address());
        return Err(BlockError::Unsupported { sector: 0 });
    }
    Ok((last + 1, block_bytes.trailing_zeros(), can_unmap))
}

async fn identify(host: &Host, lun: Lun) -> Option<Unit> {
    let data = host.command(lun, inquiry(None), 96).await.ok()?;
    let first: &[u8; 36] = data.first_chunk()?;
    let is_cd = match first[0] {
        DISK => false,
        CD => true,
        other => {
            log::info!("{}: virtio-scsi: {lun}: left alone: type {other:#x}", host.device.address());
            return None;
        }
    };
    // Also takes the reports of a reset.
    if host.command(lun, TEST_UNIT_READY, 0).await.is_err() {
        log::info!("{}: virtio-scsi: {lun}: left alone: it is not ready", host.device.address());
        return None;
    }
    let (blocks, block_bits, can_unmap) = match capacity(host, lun, is_cd).await {
        Ok(capacity) => capacity,
        Err(error) => {
            log::warn!("{}: virtio-scsi: {lun}: {error}", host.device.address());
            return None;
        }
    };
    let mode = host.command(lun, MODE_SENSE, 192).await.unwrap_or_default();
    let is_read_only = is_cd || mode.get(2).is_some_and(|parameter| parameter & 0x80 != 0);
    let unmap_blocks = if can_unmap { unmap_limit(host, lun).await } else { 0 };
    let (text, size) = (name(first), 1_u32 << block_bits);
    log::info!("{}: virtio-scsi: {lun}: {text}, {blocks} blocks of {size} bytes", host.device.address());
    let (blocks, is_gone) = (AtomicU64::new(blocks), AtomicBool::new(false));
    Some(Unit { lun, block_bits, is_cd, is_read_only, unmap_blocks, blocks, is_gone })
}

/// Returns the most blocks of an UNMAP with one range.
async fn unmap_limit(host: &Host, lun: Lun) -> u32 {
    let page = host.command(lun, inquiry(Some(BLOCK_LIMITS)), 96).await.unwrap_or_default();
    match page.get(20..24) {
        Some(&[b0, b1, b2, b3]) => u32::from_be_bytes([b0, b1, b2, b3]),
        _ => 0,
    }
}
