//! Ordinary code notifies without a proof.

#![allow(dead_code, unused_imports)]

use switchboard::event::event;

fn main() {
    let (notifier, _waiter) = event();
    notifier.notify_from_task();
}
