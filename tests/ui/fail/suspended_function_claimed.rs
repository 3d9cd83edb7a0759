//! Hazard: a suspended function is claimed, and its registers do not respond.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::function::Suspended;

fn claim(suspended: Suspended) {
    drop(suspended.claim());
}

fn main() {
    let _ = claim;
}
