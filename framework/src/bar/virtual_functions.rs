//! The BARs of virtual functions, in the capability of their physical function (PCIe 5.0, 9.3.3.14).
//!
//! One register is for all of them: its size is that of one virtual function, and they lie one behind the other.

use alloc::vec::Vec;

use super::sizing::{place, size_bar, write_bar_at};
use super::{BarFacts, BarKind};
use crate::config::{BarRegister, Space, SriovCapability};

/// What the scan finds out about the virtual functions of a physical function.
#[derive(Debug, Clone)]
pub(crate) struct SriovFacts {
    pub(crate) capability: SriovCapability,
    /// The BARs: size of one virtual function, address of the first.
    pub(crate) bars: Vec<BarFacts>,
}

impl SriovFacts {
    /// Disables virtual functions that firmware left enabled, and sizes their BARs. Returns `None` when they cannot be used.
    pub(crate) fn read(space: Space, capability: SriovCapability) -> Option<Self> {
        capability.disable(space);
        if capability.total == 0 || capability.is_enabled(space) || !capability.select_pages(space) {
            return None;
        }
        let (mut bars, mut index) = (Vec::new(), 0);
        while index < SriovCapability::BAR_COUNT {
            let register = BarRegister::read_at(space, capability.bars(), index, SriovCapability::BAR_COUNT);
            match size_bar(space, capability.bars(), register) {
                Ok(Ok(None)) => {}
                // Ports are not allowed here.
                Ok(Ok(Some((kind, size)))) if kind != BarKind::Io => {
                    let (address, _) = place(register.address, size);
                    bars.push(BarFacts { index, kind, address, size });
                }
                _ => return None,
            }
            index += register.registers();
        }
        Some(Self { capability, bars })
    }

    /// Returns the bytes that a BAR takes for all virtual functions, rounded to a power of two.
    pub(crate) fn whole(&self, bar: &BarFacts) -> u64 {
        let whole = bar.size.checked_mul(self.capability.total.into());
        whole.and_then(u64::checked_next_power_of_two).unwrap_or(1 << 63)
    }

    /// Writes the address of a BAR, while the virtual functions are disabled. Returns whether the BAR holds it.
    pub(crate) fn write(&self, space: Space, bar: BarFacts, address: u64) -> bool {
        write_bar_at(space, self.capability.bars(), bar, address)
    }

    /// Returns the BARs of one virtual function, counted from 0.
    pub(crate) fn bars_of(&self, index: u16) -> Vec<BarFacts> {
        let of = |bar: &BarFacts| BarFacts {
            address: bar.address.map(|address| address + u64::from(index) * bar.size),
            ..*bar
        };
        self.bars.iter().map(of).collect()
    }
}
