//! QEMU's expander bridges: devices of bus 0 that are root buses of their own.
//!
//! An expander does not tell the number of its bus, so with several of them, which one leads to a root bus is not
//! known.

use arrayvec::ArrayVec;

use super::device;
use switchboard::config::{Address, ConfigAccess};

/// `pxb` and `pxb-pcie`.
const IDS: [u32; 2] = [0x0009_1b36, 0x000b_1b36];

/// The device numbers of the expanders on bus 0.
#[derive(Debug)]
pub(super) struct Expanders(ArrayVec<u8, 32>);

impl Expanders {
    pub(super) fn find(config: &dyn ConfigAccess) -> Self {
        let is_expander = |number: &u8| {
            let place = Address::new(0, 0, *number, 0);
            IDS.into_iter().any(|id| device(config, id, place))
        };
        Self((0..32).filter(is_expander).collect())
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn device_numbers(&self) -> &[u8] {
        &self.0
    }

    #[cfg(test)]
    pub(super) fn at(numbers: &[u8]) -> Self {
        Self(numbers.iter().copied().collect())
    }
}
