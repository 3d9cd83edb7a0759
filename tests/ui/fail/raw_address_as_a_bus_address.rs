//! Hazard: an integer is made a bus address.

#![allow(dead_code, unused_imports)]

use switchboard::dma::BusAddress;

fn address(bytes: &[u8]) -> BusAddress {
    BusAddress::new(bytes.as_ptr() as u64)
}

fn main() {
    let _ = address;
}
