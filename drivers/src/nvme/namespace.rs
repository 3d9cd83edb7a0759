//! The namespaces that the driver serves: their identity, their present size, and their commands.

use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use switchboard::config::Address;
use switchboard::driver::ProbeError;

use super::admin::Admin;
use super::command::Operation;
use super::identify::{ACTIVE_NAMESPACES, NAMESPACE, NamespaceIdentity};
use super::limits::Limits;
use crate::interfaces::block::{Geometry, SECTOR_SIZE};

const DATASET_MANAGEMENT: u8 = 0x09;

/// The most namespaces of a controller that are served.
const MAX_NAMESPACES: usize = 64;

/// A namespace.
#[derive(Debug)]
pub(super) struct Namespace {
    id: u32,
    identity: NamespaceIdentity,
    sectors: AtomicU64,
    is_removed: AtomicBool,
}

impl Namespace {
    /// Finds the active namespaces. Those that cannot be driven are logged and left out.
    ///
    /// # Errors
    /// The first error when there is none that can be driven.
    pub(super) fn find_all(admin: &mut Admin, address: Address) -> Result<Vec<Self>, ProbeError> {
        let list = admin.identify("list of NVMe namespaces", ACTIVE_NAMESPACES, 0)?;
        let (ids, _) = list.as_chunks::<4>();
        let ids: Vec<u32> = ids.iter().copied().map(u32::from_le_bytes).take_while(|id| *id != 0).collect();
        let (mut found, mut first_error) = (Vec::new(), None);
        for id in ids.iter().copied().take(MAX_NAMESPACES) {
            match Self::read(admin, id) {
                Ok(namespace) => {
                    log::info!("{address}: nvme: {namespace}");
                    found.push(namespace);
                }
                Err(error) => {
                    log::warn!("{address}: nvme: namespace {id}: {error}");
                    first_error.get_or_insert(error);
                }
            }
        }
        if ids.len() > MAX_NAMESPACES {
            log::warn!("{address}: nvme: {} namespaces, of which {MAX_NAMESPACES} are served", ids.len());
        }
        let none = ProbeError::Device("the controller has no active namespace");
        if found.is_empty() { Err(first_error.unwrap_or(none)) } else { Ok(found) }
    }

    fn read(admin: &mut Admin, id: u32) -> Result<Self, ProbeError> {
        let data = admin.identify("identity of the NVMe namespace", NAMESPACE, id)?;
        let identity = NamespaceIdentity::parse(&data)?;
        let (sectors, is_removed) = (AtomicU64::new(identity.sectors()), AtomicBool::new(false));
        Ok(Self { id, identity, sectors, is_removed })
    }

    /// Reads the size again. A namespace whose format has changed keeps its size, and its requests fail at the controller.
    pub(super) fn update(&self, admin: &mut Admin) {
        match admin.identify("identity of the NVMe namespace", NAMESPACE, self.id) {
            // An inactive namespace reads zero (5.15.2.1).
            Ok(data) if data.iter().all(|byte| *byte == 0) => {
                log::warn!("nvme: namespace {} was removed", self.id);
                self.is_removed.store(true, Ordering::Relaxed);
            }
            Ok(data) => match NamespaceIdentity::parse(&data) {
                Ok(identity) if identity.block_bits == self.identity.block_bits => {
                    self.sectors.store(identity.sectors(), Ordering::Relaxed);
                    self.is_removed.store(false, Ordering::Relaxed);
                }
                Ok(_) => log::warn!("nvme: namespace {} has another block size now", self.id),
                Err(error) => log::warn!("nvme: namespace {}: {error}", self.id),
            },
            Err(error) => log::warn!("nvme: namespace {}: {error}", self.id),
        }
    }

    /// Returns its size and limits, or `None` when it was removed.
    pub(super) fn geometry(&self, limits: &Limits) -> Option<Geometry> {
        if self.is_removed.load(Ordering::Relaxed) {
            return None;
        }
        // Deallocation and zeroes: the number of blocks has 32 and 16 bits; the former is limited to what `usize` counts anywhere.
        let blocks = |is_offered: bool, count: usize| if is_offered { count << self.identity.block_bits } else { 0 };
        Some(Geometry {
            capacity: self.sectors.load(Ordering::Relaxed),
            block_bytes: 1 << self.identity.block_bits,
            is_read_only: self.identity.is_read_only,
            max_transfer_bytes: limits.max_transfer_bytes,
            max_discard_bytes: blocks(limits.has_deallocate, 1 << 19),
            max_write_zeroes_bytes: blocks(limits.has_write_zeroes, 1 << 16),
        })
    }

    /// Returns the range of a deallocation (NVM Command Set, 6.7): attributes, blocks, first block.
    pub(super) fn range(&self, sector: u64, length: usize) -> [u8; 16] {
        let Operation { arguments: [low, high, last, ..], .. } = self.operation(0, sector, length);
        let mut range = [0; 16];
        range[4..8].copy_from_slice(&(last + 1).to_le_bytes());
        range[8..12].copy_from_slice(&low.to_le_bytes());
        range[12..16].copy_from_slice(&high.to_le_bytes());
        range
    }

    /// Returns the operation that deallocates one [range](Self::range).
    pub(super) fn deallocation(&self) -> Operation {
        const DEALLOCATE: u32 = 1 << 2;
        Operation::new(DATASET_MANAGEMENT, self.id, 0, DEALLOCATE)
    }

    /// Returns the operation on `length` bytes at `sector`, which are whole blocks; none for a flush.
    #[inline]
    pub(super) fn operation(&self, opcode: u8, sector: u64, length: usize) -> Operation {
        let sector_bits = SECTOR_SIZE.trailing_zeros();
        let block = sector >> (self.identity.block_bits - sector_bits);
        let blocks = (length >> self.identity.block_bits) as u64;
        let [low, high] = if blocks == 0 { [0, 0] } else { [block & 0xffff_ffff, block >> 32] };
        let half = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let arguments = [half(low), half(high), half(blocks.saturating_sub(1)), 0, 0, 0];
        Operation { opcode, namespace: self.id, arguments }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NamespaceIdentity { blocks, block_bits, .. } = self.identity;
        write!(f, "namespace {} of {blocks} blocks of {} bytes", self.id, 1_u32 << block_bits)
    }
}
