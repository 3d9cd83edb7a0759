//! `GET /status`: uptime, interfaces, memory and other figures of the page, as JSON.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use embassy_time::Instant;
use serde::Serialize;

use super::Site;
use switchboard_http::Response;
use switchboard_net::AddressSource;
use switchboard_runtime::entropy::{self, SourceReport, SourceState};
use switchboard_runtime::{hal, tasks, wall_clock};

#[derive(Serialize)]
struct Status {
    uptime_ms: u64,
    idle_ms: u64,
    /// The date, by RFC 3339; null while it is unknown.
    date: Option<String>,
    entropy: Entropy,
    interfaces: Vec<Interface>,
    heap: Heap,
    requests: u64,
    unexpected_interrupts: u64,
    files: Option<usize>,
}

/// The entropy source.
#[derive(Serialize)]
struct Entropy {
    is_fit: bool,
    /// Why it is not fit for keys.
    reason: Option<String>,
    sources: Vec<Source>,
}

/// A raw source of entropy.
#[derive(Serialize)]
struct Source {
    name: &'static str,
    state: &'static str,
    bits: u32,
}

impl Entropy {
    fn new() -> Self {
        let source = |source: SourceReport| Source {
            name: source.name,
            state: match source.state {
                SourceState::Absent => "absent",
                SourceState::Healthy => "healthy",
                SourceState::Failed => "failed",
            },
            bits: source.bits,
        };
        let reason = match entropy::state() {
            entropy::Entropy::Fit => None,
            entropy::Entropy::Unfit(reason) => Some(reason.to_string()),
        };
        Self { is_fit: reason.is_none(), reason, sources: entropy::sources().map(source).into() }
    }
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
    addresses: Vec<String>,
    routes: Vec<String>,
    dns_servers: Vec<String>,
    search_domains: Vec<String>,
    ntp_servers: Vec<String>,
    hostname: Option<String>,
    local_name: Option<String>,
    mtu: Option<u16>,
    received_bytes: u64,
    sent_bytes: u64,
}

#[derive(Serialize)]
struct Heap {
    total: usize,
    used: usize,
}

impl Interface {
    fn new(interface: &switchboard_net::Interface) -> Self {
        let config = interface.config();
        Self {
            function: interface.function.to_string(),
            driver: interface.driver,
            mac: interface.mac.to_string(),
            link: interface.is_up(),
            address: config.ipv4_address().map(|address| address.to_string()),
            gateway: config.ipv4_gateway().map(|gateway| gateway.to_string()),
            source: match interface.source {
                AddressSource::Dhcp => "dhcp",
                AddressSource::LinkLocal => "link-local",
                AddressSource::Off => "off",
                _ => "static",
            },
            addresses: strings(&config.addresses),
            routes: strings(&config.routes),
            dns_servers: strings(&config.dns_servers),
            search_domains: config.search_domains.clone(),
            ntp_servers: strings(&config.ntp_servers),
            hostname: config.hostname.clone(),
            local_name: interface.local_name(),
            mtu: config.mtu,
            received_bytes: interface.traffic.received_bytes(),
            sent_bytes: interface.traffic.sent_bytes(),
        }
    }
}

fn strings(list: &[impl ToString]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

pub(super) fn serve(site: &Site) -> Response {
    let memory = hal::memory_usage();
    Response::json(&Status {
        uptime_ms: Instant::now().as_millis(),
        idle_ms: tasks::idle_ns() / 1_000_000,
        entropy: Entropy::new(),
        date: wall_clock::now().map(|now| now.to_string()),
        interfaces: site.network.interfaces().iter().map(Interface::new).collect(),
        heap: Heap { total: memory.heap_bytes, used: memory.heap_bytes_used },
        requests: site.counters.requests(),
        unexpected_interrupts: site.machine.unexpected_interrupts(),
        files: site.files.count(),
    })
}
