//! The MSI capability, programmed (PCI 3.0, 6.8.1).

use alloc::sync::Arc;

use super::{GrantError, Mode};
use crate::config::{MsiCapability, Space};
use crate::function::Claimed;
use crate::machine::MessageTarget;

/// A programmed MSI capability. Dropping turns it off.
pub(super) struct Msi {
    space: Space,
    capability: MsiCapability,
}

impl Msi {
    /// Programs `count` messages to `target` and leaves them silent.
    pub(super) fn open(claimed: &Arc<Claimed>, count: usize, target: MessageTarget) -> Result<Self, GrantError> {
        let stuck = GrantError::Stuck { mode: Mode::Msi };
        let (space, capability) = (claimed.space(), claimed.record().msi.ok_or(stuck)?);
        let this = Self { space, capability };
        let granted = u16::from(count.trailing_zeros().to_le_bytes()[0] & 7) << 4;
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
        if let Some(mask) = capability.mask() {
            // Unmasked by default, and what is not granted must not be sent either way.
            space.write_u32(mask, 0);
        }
        Ok(this)
    }

    /// Lets messages through.
    pub(super) fn unmask(&self) {
        self.control(|control| control | MsiCapability::ENABLE);
    }

    /// Stops messages. Few functions have mask bits, all have the enable bit; with INTx disabled, what happens
    /// meanwhile is not told, so drivers look at their device after unmasking.
    pub(super) fn mask(&self) {
        self.control(|control| control & !MsiCapability::ENABLE);
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
        self.mask();
    }
}
