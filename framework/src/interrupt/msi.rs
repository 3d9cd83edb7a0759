//! The MSI capability, programmed (PCI 3.0, 6.8.1).

use alloc::sync::Arc;

use super::error::GrantError;
use crate::config::{MsiCapability, Space};
use crate::ownership::Claimed;
use crate::platform::{MessageTarget, Mode};
use crate::sync::primitives::{AtomicBool, Ordering, planted};
use crate::vector::VectorBlock;

/// A programmed MSI capability. Dropping turns it off.
pub(super) struct Msi {
    space: Space,
    capability: MsiCapability,
    claimed: Arc<Claimed>,
    target: MessageTarget,
    /// Multiple Message Enable, in its place in the control register.
    granted: u16,
    /// It was live once, so silence may have swallowed something.
    was_live: AtomicBool,
}

impl Msi {
    /// Programs as many messages as there are `vectors`, and leaves them silent.
    pub(super) fn open(claimed: &Arc<Claimed>, vectors: &VectorBlock) -> Result<Self, GrantError> {
        let stuck = GrantError::IgnoresWrites { mode: Mode::Msi };
        let (space, capability) = (claimed.space(), claimed.record().msi.ok_or(stuck)?);
        let target = claimed.machine().controller.message(vectors.vector(0).ok_or(stuck)?);
        let granted = u16::from(vectors.count().trailing_zeros().to_le_bytes()[0] & 7) << 4;
        let was_live = AtomicBool::new(false);
        let this = Self { space, capability, claimed: claimed.clone(), target, granted, was_live };
        this.program();
        if !this.takes_enable() || (target.address >> 32 != 0 && !capability.is_64bit) {
            return Err(stuck);
        }
        claimed.record().update(|status| status.mode = Some(Mode::Msi));
        Ok(this)
    }

    /// Whether it can be turned on, found out by doing so for a moment: masked, if there are mask bits.
    fn takes_enable(&self) -> bool {
        if let Some(mask) = self.capability.mask() {
            self.space.write_u32(mask, u32::MAX);
        }
        self.control(|control| control | MsiCapability::ENABLE);
        let control = self.space.read_u16(self.capability.offset + MsiCapability::CONTROL);
        self.control(|control| control & !MsiCapability::ENABLE);
        control & (MsiCapability::GRANTED | MsiCapability::ENABLE) == self.granted | MsiCapability::ENABLE
    }

    fn program(&self) {
        let offset = self.capability.offset;
        self.control(|control| control & !(MsiCapability::ENABLE | MsiCapability::GRANTED) | self.granted);
        self.space.write_u32(offset + 4, (self.target.address & 0xffff_ffff) as u32);
        if self.capability.is_64bit {
            self.space.write_u32(offset + 8, (self.target.address >> 32) as u32);
        }
        self.space.write_u16(self.capability.data(), (self.target.data & 0xffff) as u16);
    }

    /// Lets messages through. Says whether some may have been swallowed by the silence before.
    pub(super) fn unmask(&self) -> bool {
        if self.claimed.is_gone() {
            return false;
        }
        let was_live = self.was_live.swap(true, Ordering::Relaxed);
        let control = self.space.read_u16(self.capability.offset + MsiCapability::CONTROL);
        let was_off = control & MsiCapability::ENABLE == 0;
        // Programming turns it off, and what is off keeps nothing pending: only where it is off already, after a
        // reset or without mask bits.
        if planted!(was_off, "unmask-programs-anew" => true) {
            self.program();
            self.control(|control| control | MsiCapability::ENABLE);
        }
        if let Some(mask) = self.capability.mask() {
            self.space.write_u32(mask, 0);
        }
        was_live && was_off
    }

    /// Stops messages: by the mask bits, behind which they stay pending. Where there are none, by the enable bit;
    /// with INTx disabled, the function has then nobody to tell.
    pub(super) fn mask(&self) {
        if self.claimed.is_gone() {
            return;
        }
        match self.capability.mask() {
            Some(mask) => self.space.write_u32(mask, u32::MAX),
            None => self.control(|control| control & !MsiCapability::ENABLE),
        }
        // Read back: the write has arrived, and what the function sent before it has too.
        let _ = self.space.read_u16(self.capability.offset + MsiCapability::CONTROL);
    }

    fn control(&self, change: impl FnOnce(u16) -> u16) {
        self.space.update_u16(self.capability.offset + MsiCapability::CONTROL, change);
    }
}

impl Drop for Msi {
    fn drop(&mut self) {
        self.claimed.record().update(|status| status.mode = None);
        if self.claimed.is_gone() {
            return;
        }
        self.control(|control| control & !MsiCapability::ENABLE);
        if let Some(mask) = self.capability.mask() {
            self.space.write_u32(mask, 0);
        }
    }
}
