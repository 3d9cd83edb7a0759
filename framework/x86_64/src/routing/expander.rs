//! QEMU's expander bridges: devices of bus 0 with a root bus of their own.
//!
//! No register of an expander has the number of its bus. With several expanders, the one of a root bus is unknown.

use arrayvec::ArrayVec;

use super::has_id;
use switchboard::config::{Address, ConfigAccess};

/// `pxb` and `pxb-pcie`.
const IDS: [u32; 2] = [0x0009_1b36, 0x000b_1b36];

/// The device numbers of the expanders on bus 0.
#[derive(Debug)]
pub(super) struct Expanders(ArrayVec<u8, 32>);

impl Expanders {
    /// Finds the expanders on bus 0.
    pub(super) fn find(config: &dyn ConfigAccess) -> Self {
        let is_expander = |number: &u8| {
            let address = Address::new(0, 0, *number, 0);
            IDS.into_iter().any(|id| has_id(config, id, address))
        };
        Self((0..32).filter(is_expander).collect())
    }

    /// Returns their number.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns their device numbers.
    pub(super) fn device_numbers(&self) -> &[u8] {
        &self.0
    }

    #[cfg(test)]
    pub(super) fn at(numbers: &[u8]) -> Self {
        Self(numbers.iter().copied().collect())
    }
}
