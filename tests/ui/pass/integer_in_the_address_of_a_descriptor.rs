//! The bus address of a buffer is used.

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
    ring.write(0, Descriptor { address: buffer.bus(), length: buffer.len() as u64 });
}

fn main() {
    let _ = post;
}
