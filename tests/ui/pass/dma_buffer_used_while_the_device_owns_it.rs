//! A buffer that a ring has is not the driver's. This one compiles.

#![allow(dead_code, unused_imports)]

use switchboard::dma::DmaBuffer;

fn submit(buffer: DmaBuffer) {
    drop(buffer);
}

fn send(mut buffer: DmaBuffer) {
    buffer[0] = 1;
    submit(buffer);
}

fn main() {
    let _ = send;
}
