//! What the device wrote is read as a type without a bus address.

#![allow(dead_code, unused_imports)]

use switchboard::dma::{BusAddress, DmaShared};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[derive(Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Descriptor {
    address: BusAddress,
    length: u64,
}

#[derive(Clone, Copy, FromBytes, KnownLayout)]
#[repr(C)]
struct Report {
    _address: u64,
    length: u64,
}

fn length(ring: &DmaShared<Descriptor>) -> u64 {
    ring.read_as::<Report>(0).length
}

fn main() {
    let _ = length;
}
