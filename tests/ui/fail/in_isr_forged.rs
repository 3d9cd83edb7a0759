//! Only the framework can say that this is an ISR.

#![allow(dead_code, unused_imports)]

use switchboard::interrupt::InIsr;
use switchboard::event::event;

fn main() {
    let (notifier, _waiter) = event();
    notifier.notify(&InIsr::new());
}
