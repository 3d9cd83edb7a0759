//! Hazard: a read-only register is written.

#![allow(dead_code, unused_imports)]

use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock, UnmappedBar, WriteOnly};

struct Edu;

impl RegisterBlock for Edu {
    const SIZE: u64 = 0x100;
}

const CAUSE: Reg<Edu, u32, ReadOnly> = Reg::at(0x24);
const ACK: Reg<Edu, u32, WriteOnly> = Reg::at(0x64);

fn acknowledge(bar: &Bar<Edu>) {
    bar.write(&CAUSE, bar.read(&CAUSE));
}

fn main() {
    let _ = (acknowledge, ACK, |slot: UnmappedBar| slot.facts());
}
