//! A BAR is moved out of the resources of its function.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::function::Resources;
use switchboard::mmio::UnmappedBar;

fn open(mine: Resources) -> UnmappedBar {
    mine.bar1
}

fn main() {
    let _ = open;
}
