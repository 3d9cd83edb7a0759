//! The namespace that the driver serves: its identity, its present size, and its commands.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use switchboard::config::Address;
use switchboard::driver::ProbeError;

use super::admin::Admin;
use super::command::Operation;
use super::identify::{ACTIVE_NAMESPACES, NAMESPACE, NamespaceIdentity};
use crate::interfaces::block::{Geometry, SECTOR_SIZE};

/// A namespace.
#[derive(Debug)]
pub(super) struct Namespace {
    id: u32,
    identity: NamespaceIdentity,
    sectors: AtomicU64,
}

impl Namespace {
    /// Finds the first active namespace. Others are logged.
    pub(super) fn find(admin: &mut Admin, address: Address) -> Result<Self, ProbeError> {
        let list = admin.identify("list of NVMe namespaces", ACTIVE_NAMESPACES, 0)?;
        let (ids, _) = list.as_chunks::<4>();
        let mut ids = ids.iter().copied().map(u32::from_le_bytes).take_while(|id| *id != 0);
        let id = ids.next().ok_or(ProbeError::Device("the controller has no active namespace"))?;
        let others = ids.count();
        if others > 0 {
            log::warn!("{address}: nvme: namespace {id} is served, {others} others are not");
        }
        let data = admin.identify("identity of the NVMe namespace", NAMESPACE, id)?;
        let identity = NamespaceIdentity::parse(&data)?;
        Ok(Self { id, identity, sectors: AtomicU64::new(identity.sectors()) })
    }

    /// Reads the size again. A namespace whose format has changed keeps its size, and its requests fail at the controller.
    pub(super) fn update(&self, admin: &mut Admin) {
        let data = admin.identify("identity of the NVMe namespace", NAMESPACE, self.id);
        match data.and_then(|data| NamespaceIdentity::parse(&data)) {
            Ok(identity) if identity.block_bits == self.identity.block_bits => {
                self.sectors.store(identity.sectors(), Ordering::Relaxed);
            }
            Ok(_) => log::warn!("nvme: namespace {} has another block size now", self.id),
            Err(error) => log::warn!("nvme: namespace {}: {error}", self.id),
        }
    }

    pub(super) fn geometry(&self, max_transfer_bytes: usize) -> Geometry {
        Geometry {
            capacity: self.sectors.load(Ordering::Relaxed),
            block_bytes: 1 << self.identity.block_bits,
            is_read_only: self.identity.is_read_only,
            max_transfer_bytes,
            max_discard_bytes: 0,
            max_write_zeroes_bytes: 0,
        }
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
