//! Hazard: a driver makes a BAR by its index.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::function::Resources;
use switchboard::mmio::UnmappedBar;

fn open(mine: Resources) -> UnmappedBar {
    UnmappedBar { index: 1, ..mine.bar0 }
}

fn main() {
    let _ = open;
}
