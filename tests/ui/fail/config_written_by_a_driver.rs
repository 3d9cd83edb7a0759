//! Command, BARs and the interrupt capabilities belong to the typestates.

#![allow(dead_code, unused_imports)]

use switchboard::function::Config;

fn master(config: &Config) {
    config.write_u16(4, 7);
}

fn main() {
    let _ = master;
}
