//! `GET /status`: what the page shows besides functions and interrupts, as JSON.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use embassy_time::Instant;
use serde::Serialize;
use switchboard_x86_64 as arch;

use super::Site;
use crate::http::Response;
use crate::network::AddressSource;
use crate::{network, tasks};

#[derive(Serialize)]
struct Status {
    uptime_ms: u64,
    idle_ms: u64,
    interfaces: Vec<Interface>,
    heap: Heap,
    requests: u64,
    unexpected_interrupts: u64,
    files: Option<usize>,
}

#[derive(Serialize)]
struct Interface {
    function: String,
    driver: &'static str,
    mac: String,
    link: bool,
    address: Option<String>,
    gateway: Option<String>,
    source: &'static str,
    received_bytes: u64,
    sent_bytes: u64,
}

#[derive(Serialize)]
struct Heap {
    total: usize,
    used: usize,
}

impl Interface {
    fn new(interface: &network::Interface) -> Self {
        let config = interface.config();
        Self {
            function: interface.function.to_string(),
            driver: interface.driver,
            mac: interface.mac.to_string(),
            link: interface.is_up(),
            address: config.as_ref().map(|config| config.address.to_string()),
            gateway: config.and_then(|config| config.gateway).map(|gateway| gateway.to_string()),
            source: if interface.source == AddressSource::Dhcp { "dhcp" } else { "static" },
            received_bytes: interface.traffic.received_bytes.get(),
            sent_bytes: interface.traffic.sent_bytes.get(),
        }
    }
}

pub(super) fn serve(site: &Site) -> Response {
    let heap = arch::memory_figures().heap;
    Response::json(&Status {
        uptime_ms: Instant::now().as_millis(),
        idle_ms: tasks::idle() / 1_000_000,
        interfaces: site.interfaces.borrow().iter().map(Interface::new).collect(),
        heap: Heap { total: heap.total, used: heap.used },
        requests: site.counters.requests.get(),
        unexpected_interrupts: site.machine.unexpected_interrupts(),
        files: site.volumes.count(),
    })
}
