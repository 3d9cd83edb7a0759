//! A driver maps its own BAR.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::mmio::{Bar, RegisterBlock, UnmappedBar};

struct Page;

impl RegisterBlock for Page {
    const SIZE: u64 = 4096;
}

fn map(bar: UnmappedBar) -> Option<Bar<Page>> {
    bar.map().ok()
}

fn main() {
    let _ = map;
}
