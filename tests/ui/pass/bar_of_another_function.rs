//! A BAR comes out of the resources of its function. This one compiles.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::function::Resources;
use switchboard::mmio::UnmappedBar;

fn open(mine: Resources) -> UnmappedBar {
    mine.bar1
}

fn main() {
    let _ = open;
}
