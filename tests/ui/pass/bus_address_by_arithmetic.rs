//! The buffer returns the address at an offset, after a bounds check.

#![allow(dead_code, unused_imports)]

use switchboard::dma::{BusAddress, DmaBuffer};

fn second_page(buffer: &DmaBuffer) -> Option<BusAddress> {
    buffer.bus_at(4096)
}

fn main() {
    let _ = second_page;
}
