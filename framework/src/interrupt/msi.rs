//! The MSI capability, programmed (PCI 3.0, 6.8.1).

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use super::{GrantError, Mode, VectorBlock};
use crate::config::{MsiCapability, Space};
use crate::function::Claimed;

/// A programmed MSI capability. Dropping turns it off.
pub(super) struct Msi {
    space: Space,
    capability: MsiCapability,
    claimed: Arc<Claimed>,
    /// It was live once, so silence may have swallowed something.
    was_live: AtomicBool,
}

impl Msi {
    /// Programs as many messages as there are `vectors`, and leaves them silent.
    pub(super) fn open(claimed: &Arc<Claimed>, vectors: &VectorBlock) -> Result<Self, GrantError> {
        let stuck = GrantError::Stuck { mode: Mode::Msi };
        let (space, capability) = (claimed.space(), claimed.record().msi.ok_or(stuck)?);
        let target = claimed.machine().controller.message(vectors.vector(0).ok_or(stuck)?);
        let this = Self { space, capability, claimed: claimed.clone(), was_live: AtomicBool::new(false) };
        let granted = u16::from(vectors.count().trailing_zeros().to_le_bytes()[0] & 7) << 4;
        this.control(|control| control & !(MsiCapability::ENABLE | MsiCapability::GRANTED) | granted);
        if space.read_u16(capability.offset + MsiCapability::CONTROL) & MsiCapability::GRANTED != granted {
            return Err(stuck);
        }
        let [low, high] = [(target.address & 0xffff_ffff) as u32, (target.address >> 32) as u32];
        space.write_u32(capability.offset + 4, low);
        if capability.is_64bit {
            space.write_u32(capability.offset + 8, high);
        } else if high != 0 {
            return Err(stuck);
        }
        space.write_u16(capability.data(), (target.data & 0xffff) as u16);
        claimed.record().update(|status| status.mode = Some(Mode::Msi));
        Ok(this)
    }

    /// Lets messages through. Says whether some may have been swallowed by the silence before.
    pub(super) fn unmask(&self) -> bool {
        let was_live = self.was_live.swap(true, Ordering::Relaxed);
        self.control(|control| control | MsiCapability::ENABLE);
        if let Some(mask) = self.capability.mask() {
            self.space.write_u32(mask, 0);
        }
        was_live && !self.capability.is_maskable
    }

    /// Stops messages: by the mask bits, behind which they stay pending. Where there are none, by the enable bit;
    /// with INTx disabled, the function has then nobody to tell.
    pub(super) fn mask(&self) {
        match self.capability.mask() {
            Some(mask) => self.space.write_u32(mask, u32::MAX),
            None => self.control(|control| control & !MsiCapability::ENABLE),
        }
        // Read back: the write has arrived, and what the function sent before it has too.
        let _ = self.space.read_u16(self.capability.offset + MsiCapability::CONTROL);
    }

    fn control(&self, change: impl FnOnce(u16) -> u16) {
        let register = self.capability.offset + MsiCapability::CONTROL;
        self.space.write_u16(register, change(self.space.read_u16(register)));
    }
}

impl Drop for Msi {
    fn drop(&mut self) {
        self.control(|control| control & !MsiCapability::ENABLE);
        if let Some(mask) = self.capability.mask() {
            self.space.write_u32(mask, 0);
        }
        self.claimed.record().update(|status| status.mode = None);
    }
}
