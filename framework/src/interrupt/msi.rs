//! Programming of the MSI capability (PCI 3.0, 6.8.1).

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
    /// Multiple Message Enable, shifted to its bits in the control register.
    granted: u16,
    /// It was unmasked before, so messages may have been lost while it was disabled.
    was_live: AtomicBool,
}

impl Msi {
    /// Programs as many messages as there are `vectors`, and leaves them masked.
    pub(super) fn open(claimed: &Arc<Claimed>, vectors: &VectorBlock) -> Result<Self, GrantError> {
        let stuck = GrantError::IgnoresWrites { mode: Mode::Msi };
        let (space, capability) = (claimed.space(), claimed.record().msi.ok_or(stuck)?);
        let target = claimed.machine().controller.message(vectors.vector(0));
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

    /// Returns whether the capability can be enabled, by enabling it for a moment (masked, if it has mask bits).
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
        self.control(|control| control & !(MsiCapability::ENABLE | MsiCapability::GRANTED) | self.granted);
        self.write_target();
    }

    /// Directs the masked messages to another block of vectors, of the same size.
    pub(super) fn retarget(&mut self, target: MessageTarget) {
        self.target = target;
        // Without mask bits it is disabled, and programmed by `unmask`. With them, what is pending stays so.
        if !self.claimed.is_gone() && self.capability.mask().is_some() {
            self.write_target();
        }
    }

    fn write_target(&self) {
        let offset = self.capability.offset;
        self.space.write_u32(offset + 4, (self.target.address & 0xffff_ffff) as u32);
        if self.capability.is_64bit {
            self.space.write_u32(offset + 8, (self.target.address >> 32) as u32);
        }
        self.space.write_u16(self.capability.data(), (self.target.data & 0xffff) as u16);
    }

    /// Unmasks the messages. Returns whether some may have been lost while the capability was disabled.
    pub(super) fn unmask(&self) -> bool {
        if self.claimed.is_gone() {
            return false;
        }
        let was_live = self.was_live.swap(true, Ordering::Relaxed);
        let control = self.space.read_u16(self.capability.offset + MsiCapability::CONTROL);
        let was_off = control & MsiCapability::ENABLE == 0;
        // Programming disables the capability, which loses pending messages. So it is programmed only if it is disabled
        // already: after a reset, or when it has no mask bits.
        if planted!(was_off, "unmask-programs-anew" => true) {
            self.program();
            self.control(|control| control | MsiCapability::ENABLE);
        }
        if let Some(mask) = self.capability.mask() {
            self.space.write_u32(mask, 0);
        }
        was_live && was_off
    }

    /// Masks the messages by their mask bits, and they stay pending. Without mask bits, clears the enable bit; since INTx is
    /// disabled, the function then raises no interrupt at all.
    pub(super) fn mask(&self) {
        if self.claimed.is_gone() {
            return;
        }
        match self.capability.mask() {
            Some(mask) => self.space.write_u32(mask, u32::MAX),
            None => self.control(|control| control & !MsiCapability::ENABLE),
        }
        // Read back: afterwards the write has arrived at the function, and messages that it sent before have arrived here.
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
