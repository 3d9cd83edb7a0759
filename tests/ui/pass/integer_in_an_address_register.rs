//! The bus address of a buffer is written.

#![allow(dead_code, unused_imports)]

use switchboard::mmio::{AddressReg, Bar, RegisterBlock};
use switchboard::dma::DmaBuffer;

struct Copier;

impl RegisterBlock for Copier {
    const SIZE: u64 = 0x100;
    const ALIGN: u64 = 8;
}

const SOURCE: AddressReg<Copier> = AddressReg::at(0x80);

fn read_from(bar: &Bar<Copier>, buffer: &DmaBuffer) {
    bar.write_address(&SOURCE, buffer.bus());
}

fn main() {
    let _ = read_from;
}
