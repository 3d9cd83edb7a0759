//! Hazard: two tasks wait for one event, and one of them misses it.

#![allow(dead_code, unused_imports)]

use switchboard::event::Waiter;

async fn wait(waiter: &mut Waiter) {
    let first = waiter.wait();
    let second = waiter.wait();
    first.await;
    second.await;
}

fn main() {
    let _ = wait;
}
