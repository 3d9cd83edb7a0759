//! A BAR is mapped once.

#![allow(dead_code, unused_imports)]

use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock, UnmappedBar, WriteOnly};

struct Edu;

impl RegisterBlock for Edu {
    const SIZE: u64 = 0x100;
}

const CAUSE: Reg<Edu, u32, ReadOnly> = Reg::at(0x24);
const ACK: Reg<Edu, u32, WriteOnly> = Reg::at(0x64);

fn probe(bar0: UnmappedBar) {
    let first = bar0.map::<Edu>();
    drop(first);
}

fn main() {
    let _ = (probe, CAUSE, ACK, |bar: Bar<Edu>| bar.length());
}
