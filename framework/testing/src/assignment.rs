//! The assignment of addresses, checked on a tree of functions and bridges made from arbitrary bytes.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use switchboard::assign::{
    AddressSpace, AddressState, Apertures, BarRequest, Bridge, Node, NodeId, Tree, Unassigned, WindowRequest,
    invariants,
};

/// Makes a tree of functions and bridges from `bytes`, assigns its addresses, and verifies the result by
/// [`invariants::check`]. A second assignment of the result must not move anything. For fuzzers.
///
/// # Panics
/// When an invariant does not hold, or an assigned address moves.
pub fn check_assignment(bytes: &[u8]) {
    const PORTS: Range<u64> = 0x1000..0x1_0000;
    let apertures = Apertures {
        io: vec![PORTS],
        memory: vec![0xc000_0000..0xe000_0000, 1 << 38..1 << 39],
        taken: vec![0..1 << 31, 0xe000_0000..0xf000_0000, 0xfec0_0000..0xff00_0000],
    };
    let mut tree = tree_from_bytes(bytes);
    tree.assign(&apertures);
    invariants::check(&tree, &apertures);
    let before = tree.clone();
    tree.assign(&apertures);
    invariants::check(&tree, &apertures);
    for ((_, _, was), (_, _, is)) in before.iter().zip(tree.iter()) {
        let moved = was.bars.iter().zip(&is.bars).any(|(was, is)| was.address.is_ok() && was != is);
        assert!(!moved, "{was:x?} became {is:x?}");
    }
}

/// Decodes a tree. Bytes past the end read as zeros, so every input is a tree.
fn tree_from_bytes(bytes: &[u8]) -> Tree {
    let mut bytes = Bytes(bytes);
    let mut tree = Tree::new();
    let mut bridges: Vec<NodeId> = Vec::new();
    // A segment may have 256 buses of 256 functions; a few hundred reach all code.
    while !bytes.0.is_empty() && tree.iter().count() < 512 {
        let head = bytes.next();
        let parent = bridges.get(usize::from(bytes.next()) % (bridges.len() + 1)).copied();
        let state = [AddressState::Inactive, AddressState::Decoding, AddressState::InUse][usize::from(head >> 6) % 3];
        let bars = (0..head & 7).map(|_| request(&mut bytes)).collect();
        let bridge = (head & 8 != 0).then(|| bridge(&mut bytes));
        let is_bridge = bridge.is_some();
        let added = tree.add(parent, Node { bars, bridge, state });
        bridges.extend(added.filter(|_| is_bridge));
    }
    tree
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().map_or((0, self.0), |(first, rest)| (*first, rest));
        self.0 = rest;
        first
    }

    /// Decodes an address: eight bits, shifted by any distance, or eight arbitrary bytes.
    fn address(&mut self) -> u64 {
        match self.next() {
            0xff => (0..8).fold(0, |address, _| address << 8 | u64::from(self.next())),
            place => u64::from(self.next()) << (place % 57),
        }
    }
}

fn request(bytes: &mut Bytes<'_>) -> BarRequest {
    let head = bytes.next();
    let kind = AddressSpace::ALL[usize::from(head) % 3];
    // Sizes that are not powers of two are included.
    let size = if head & 0x80 != 0 { bytes.address() } else { 1 << (bytes.next() % 64) };
    let address = if head & 0x40 != 0 { Ok(bytes.address()) } else { Err(Unassigned::Unset) };
    BarRequest { kind, is_64bit: head & 0x20 != 0, size, address }
}

fn bridge(bytes: &mut Bytes<'_>) -> Bridge {
    let head = bytes.next();
    let mut window = |ceiling: u64, granule: u64, is_set: bool| {
        let range = is_set.then(|| {
            let start = bytes.address() / granule * granule;
            start..start.saturating_add(granule * (1 + u64::from(bytes.next()))) / granule * granule
        });
        WindowRequest { ceiling, range: range.filter(|range| ceiling != 0 && range.start < range.end) }
    };
    let low = WindowRequest::LOW_CEILING;
    Bridge {
        io: window(if head & 1 != 0 { WindowRequest::IO_CEILING } else { 0 }, 0x1000, head & 2 != 0),
        memory: window(low, 1 << 20, head & 4 != 0),
        prefetchable: window([0, low, u64::MAX, u64::MAX][usize::from(head >> 3 & 3)], 1 << 20, head & 0x20 != 0),
        takes_hotplug: head & 0x40 != 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, proptest};

    use super::check_assignment;

    proptest! {
        #[test]
        fn any_bytes_are_a_machine(bytes in vec(any::<u8>(), 0..400)) {
            check_assignment(&bytes);
        }
    }
}
