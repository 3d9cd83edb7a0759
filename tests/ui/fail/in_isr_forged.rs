//! Hazard: code outside an interrupt handler makes a proof of being in one.

#![allow(dead_code, unused_imports)]

use switchboard::interrupt::InIsr;
use switchboard::event::event;

fn main() {
    let (notifier, _waiter) = event();
    notifier.notify(&InIsr::new());
}
