//! Hazard: a register of another block is read.

#![allow(dead_code, unused_imports)]

use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock, UnmappedBar, WriteOnly};

struct Edu;

impl RegisterBlock for Edu {
    const SIZE: u64 = 0x100;
}

const CAUSE: Reg<Edu, u32, ReadOnly> = Reg::at(0x24);
const ACK: Reg<Edu, u32, WriteOnly> = Reg::at(0x64);

struct Other;

impl RegisterBlock for Other {
    const SIZE: u64 = 0x100;
}

fn cause(bar: &Bar<Other>) -> u32 {
    bar.read(&CAUSE)
}

fn main() {
    let _ = (cause, ACK, |slot: UnmappedBar| slot.facts());
}
