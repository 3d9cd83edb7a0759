//! As `switchboard::bar`, of what the MSI-X table needs: a window that leads to the [device](super::device).

use core::convert::Infallible;

use super::device::Device;
use super::function::Claimed;

const PLACE: u64 = 0x8000_0000;

/// There is one BAR, and it is there.
pub(crate) fn locate(_: &Claimed, _index: u8, offset: u64, _length: u64) -> Result<u64, MapError> {
    Ok(PLACE + offset)
}

/// Mapping never fails here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not here")]
pub(crate) struct MapError(#[from] Infallible);

pub(crate) struct Window {
    device: &'static Device,
    offset: u64,
}

impl Window {
    pub(crate) fn map(device: &'static Device, physical: u64, _length: u64) -> Result<Self, Infallible> {
        Ok(Self { device, offset: physical - PLACE })
    }

    pub(crate) fn read(&self, offset: u64) -> Option<u32> {
        Some(self.device.read_bar(self.offset + offset))
    }

    pub(crate) fn write(&self, offset: u64, value: u32) -> Option<()> {
        self.device.write_bar(self.offset + offset, value);
        Some(())
    }
}
