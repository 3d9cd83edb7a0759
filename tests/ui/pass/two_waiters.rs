//! One task waits, twice in sequence.

#![allow(dead_code, unused_imports)]

use switchboard::event::Waiter;

async fn wait(waiter: &mut Waiter) {
    waiter.wait().await;
    waiter.wait().await;
}

fn main() {
    let _ = wait;
}
