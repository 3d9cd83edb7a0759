//! A driver reads its configuration space.

#![allow(dead_code, unused_imports)]

use switchboard::function::Config;

fn status(config: &Config) -> u16 {
    config.read_u16(6)
}

fn main() {
    let _ = status;
}
