//! Only memory that was allocated for a function has a bus address. This one compiles.

#![allow(dead_code, unused_imports)]

use switchboard::dma::{BusAddress, DmaBuffer};

fn address(buffer: &DmaBuffer) -> BusAddress {
    buffer.bus()
}

fn main() {
    let _ = address;
}
