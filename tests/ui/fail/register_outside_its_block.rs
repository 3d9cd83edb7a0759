//! Hazard: a register is outside its block.

#![allow(dead_code, unused_imports)]

use switchboard::mmio::{Reg, RegisterBlock};

struct Edu;

impl RegisterBlock for Edu {
    const SIZE: u64 = 0x100;
}

const LAST: Reg<Edu, u32> = Reg::at(0x100);

fn main() {
    let _ = LAST;
}
