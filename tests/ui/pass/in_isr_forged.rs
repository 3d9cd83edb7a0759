//! Only the framework can say that this is an ISR. This one compiles.

#![allow(dead_code, unused_imports)]

use switchboard::event::event;

fn main() {
    let (notifier, _waiter) = event();
    notifier.notify_from_task();
}
