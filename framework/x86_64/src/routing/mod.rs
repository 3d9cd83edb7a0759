//! What chipsets do with the wires of the root bus: one file for each that is known.
//!
//! A chipset is recognised by its host bridge, at the first device of bus 0. Boards are free to wire their slots as they
//! like, so what holds for every slot is known of QEMU's boards only, which sign theirs with a subsystem of their own.
//! What a chipset's registers say holds wherever the chip is.
//!
//! `_PRT` would tell of any board, but is a program in AML, and the interpreter needs nightly features. So on a board
//! that is not known here firmware's Interrupt Line registers are what there is.

mod board;
mod expander;
mod gpex;
mod ich9;
mod piix;
mod rcba;

pub(super) use board::is_qemu;
use expander::Expanders;
use ich9::Ich9;
use piix::Piix;

use switchboard::config::{Address, ConfigAccess, Width};
use switchboard::interrupt::{ChipsetAnswer, Wire};

/// What is known of this machine's wires.
#[derive(Debug)]
pub(super) struct Chipset {
    family: Family,
    host_bridge: u32,
    expanders: Expanders,
}

#[derive(Debug)]
enum Family {
    Ich9(Ich9),
    Piix(Piix),
    Gpex,
    Unknown,
}

impl Chipset {
    /// Looks at bus 0. `memory` is for those of the registers that are device memory.
    pub(super) fn find(config: &dyn ConfigAccess) -> Self {
        let first = Address::new(0, 0, 0, 0);
        let host_bridge = config.read(first, 0, Width::Dword);
        let is_qemu = is_qemu(config);
        let family = match host_bridge {
            // By its LPC bridge: the host bridge is the memory controller's, and came with several of them.
            _ if device(config, ich9::ID, ich9::place()) => Family::Ich9(Ich9::read(config, is_qemu)),
            piix::HOST_BRIDGE if is_qemu => {
                find(config, piix::ID).map_or(Family::Unknown, |at| Family::Piix(Piix::new(at)))
            }
            gpex::HOST_BRIDGE => Family::Gpex,
            _ => Family::Unknown,
        };
        Self { family, host_bridge, expanders: Expanders::find(config) }
    }

    /// Where a wire ends. `inputs` is how many lines the I/O APICs have.
    pub(super) fn answer(&self, config: &dyn ConfigAccess, wire: Wire, inputs: usize) -> ChipsetAnswer {
        match &self.family {
            Family::Ich9(ich9) => ich9.answer(wire, &self.expanders),
            Family::Piix(piix) => piix.answer(config, wire, &self.expanders),
            Family::Gpex => gpex::answer(wire, inputs),
            Family::Unknown => {
                let [v0, v1, d0, d1] = self.host_bridge.to_le_bytes();
                ChipsetAnswer::Unknown { vendor: u16::from_le_bytes([v0, v1]), device: u16::from_le_bytes([d0, d1]) }
            }
        }
    }
}

/// Whether the function at `place` has that id: Vendor ID in the low half, Device ID in the high.
fn device(config: &dyn ConfigAccess, id: u32, place: Address) -> bool {
    config.read(place, 0, Width::Dword) == id
}

/// The device of bus 0 whose first function has that id.
fn find(config: &dyn ConfigAccess, id: u32) -> Option<Address> {
    (0..32).map(|number| Address::new(0, 0, number, 0)).find(|place| device(config, id, *place))
}
