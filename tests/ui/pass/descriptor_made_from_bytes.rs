//! A structure of integers is made from bytes.

#![allow(dead_code, unused_imports)]

use switchboard::dma::BusAddress;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Descriptor {
    address: u64,
    length: u64,
}

fn main() {
    let _ = size_of::<Descriptor>();
}
