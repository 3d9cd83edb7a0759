//! Hazard: a driver writes the Command register.

#![allow(dead_code, unused_imports)]

use switchboard::function::Config;

fn master(config: &Config) {
    config.write_u16(4, 7);
}

fn main() {
    let _ = master;
}
