//! Hazard: an integer is used as the address in a descriptor.

#![allow(dead_code, unused_imports)]

use switchboard::dma::{BusAddress, DmaBuffer, DmaShared};
use zerocopy::{Immutable, IntoBytes, KnownLayout};

#[derive(Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Descriptor {
    address: BusAddress,
    length: u64,
}

fn post(ring: &mut DmaShared<Descriptor>, buffer: &DmaBuffer) {
    ring.write(0, Descriptor { address: 0x10_0000, length: buffer.len() as u64 });
}

fn main() {
    let _ = post;
}
