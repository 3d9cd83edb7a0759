//! Hazard: a register is not aligned to its width.

#![allow(dead_code, unused_imports)]

use switchboard::mmio::{Reg, RegisterBlock};

struct Edu;

impl RegisterBlock for Edu {
    const SIZE: u64 = 0x100;
}

const HALF: Reg<Edu, u32> = Reg::at(0x22);

fn main() {
    let _ = HALF;
}
