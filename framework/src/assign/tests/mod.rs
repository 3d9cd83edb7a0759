//! Tests of the assignment, on generated machines and on real ones.

mod machines;
mod properties;

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use super::{AddressSpace, AddressState, Apertures, BarRequest, Bridge, Node, Unassigned, WindowRequest};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const PORTS: Range<u64> = 0x1000..0x1_0000;
const LOW: Range<u64> = 0xc000_0000..0xe000_0000;
const HIGH: Range<u64> = 256 * GIB..512 * GIB;

fn apertures() -> Apertures {
    Apertures {
        io: Vec::from([PORTS]),
        memory: vec![LOW, HIGH],
        taken: vec![0..2 * GIB, 0xe000_0000..0xf000_0000, 0xfec0_0000..0xff00_0000],
    }
}

fn bar(kind: AddressSpace, is_64bit: bool, size: u64) -> BarRequest {
    BarRequest { kind, is_64bit, size, address: Err(Unassigned::Unset) }
}

fn function(bars: &[BarRequest]) -> Node {
    Node { bars: bars.to_vec(), bridge: None, state: AddressState::Inactive }
}

/// Returns a PCI Express port with all three windows closed.
fn port(takes_hotplug: bool) -> Node {
    let bridge = Bridge {
        io: WindowRequest::closed(WindowRequest::IO_CEILING),
        memory: WindowRequest::closed(WindowRequest::LOW_CEILING),
        prefetchable: WindowRequest::closed(u64::MAX),
        takes_hotplug,
    };
    Node { bars: vec![], bridge: Some(bridge), state: AddressState::Inactive }
}
