//! A buffer that a ring has is not the driver's.

#![allow(dead_code, unused_imports)]

use switchboard::dma::DmaBuffer;

fn submit(buffer: DmaBuffer) {
    drop(buffer);
}

fn send(mut buffer: DmaBuffer) {
    submit(buffer);
    buffer[0] = 1;
}

fn main() {
    let _ = send;
}
