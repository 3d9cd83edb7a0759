//! The image on a LAN whose every frame is the test's.
//!
//! A test that waits for a change of the image is ignored with its reason. Those of the module `long` take minutes:
//! `make test-lan`.

mod cards;
mod dhcp;
mod ip;
mod ipv6;
mod ipv6_faults;
mod limits;
mod linux;
mod long;
mod malformed;
mod memory;
mod mixed_load;
mod neighbours;
mod offloads;
mod syn;
mod tcp_checks;
mod tcp_flow;

use core::net::Ipv4Addr;
use core::time::Duration;

/// Returns so many seconds.
const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Returns an address of a host far away, behind a router, different for each index.
fn far(index: u32) -> Ipv4Addr {
    let [_, a, b, c] = index.to_be_bytes();
    Ipv4Addr::new(100, 64 + a, b, c.max(1))
}
