//! Hazard: a bus address is computed, and may be out of the bounds of its buffer.

#![allow(dead_code, unused_imports)]

use switchboard::dma::{BusAddress, DmaBuffer};

fn second_page(buffer: &DmaBuffer) -> Option<BusAddress> {
    Some(buffer.bus() + 4096)
}

fn main() {
    let _ = second_page;
}
