//! Hazard: a driver writes to a buffer while the device uses it.

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
