//! The walk: every function on every bus that can be reached from bus 0.
//!
//! Bounded whatever bridges say: each bus is walked once, and there are 256.

use alloc::vec;
use alloc::vec::Vec;

use crate::config::{Address, ConfigAccess, Header, HeaderKind, Space};

/// Finds every function of segment 0, in the order of their addresses within a bus, bridges before what is
/// behind them.
pub(crate) fn walk(access: &'static dyn ConfigAccess) -> Vec<(Space, Header)> {
    let mut found = Vec::new();
    let mut seen = [false; 256];
    let mut pending = vec![0_u8];
    seen[0] = true;
    while let Some(bus) = pending.pop() {
        for (space, header) in walk_bus(access, bus) {
            if let HeaderKind::Bridge(bridge) = header.kind {
                let secondary = bridge.buses.secondary;
                // 0 is a bridge that nobody set up; a bus met twice is a bridge that lies, or a loop.
                if secondary != 0 && !core::mem::replace(&mut seen[usize::from(secondary)], true) {
                    pending.push(secondary);
                } else {
                    log::warn!("{}: not following the bridge to bus {secondary}", space.address());
                }
            }
            found.push((space, header));
        }
    }
    found.sort_by_key(|(space, _)| space.address());
    found
}

fn walk_bus(access: &'static dyn ConfigAccess, bus: u8) -> Vec<(Space, Header)> {
    let mut found = Vec::new();
    for device in 0..32 {
        let read = |function| {
            let space = Space::new(access, Address::new(0, bus, device, function));
            Header::read(space).map(|header| (space, header))
        };
        // Whether there are more functions is for function 0 of the same device to say.
        let Some(first) = read(0) else { continue };
        let functions = if first.1.is_multifunction { 8 } else { 1 };
        found.push(first);
        found.extend((1..functions).filter_map(read));
    }
    found
}
