//! The driver writes before it moves the buffer into the ring.

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
