//! The function is resumed first.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::function::Suspended;

fn claim(suspended: Suspended) {
    if let Ok(function) = suspended.resume().wait() {
        drop(function.claim());
    }
}

fn main() {
    let _ = claim;
}
