//! A driver uses the resources of its own function.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::function::{Function, Resources};

fn probe(function: Function) {
    let _ = function.clock().now_ns();
    let Ok(Resources { config, dma, .. }) = function.claim() else { return };
    let _ = (config.read_u16(0x04), dma.buffer(4096));
}

fn main() {
    let _ = probe;
}
