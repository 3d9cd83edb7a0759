//! A buffer returns its bus address.

#![allow(dead_code, unused_imports)]

use switchboard::dma::{BusAddress, DmaBuffer};

fn address(buffer: &DmaBuffer) -> BusAddress {
    buffer.bus()
}

fn main() {
    let _ = address;
}
