//! `GET /metrics`: all counters, in the text format of Prometheus.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::{Arguments, Write};

use embassy_time::Instant;
use switchboard::interrupt::InterruptReport;
use switchboard::machine::Machine;

use super::Site;
use switchboard_http::{Response, StatusCode};
use switchboard_net::{DhcpLease, DropReason, Interface};
use switchboard_runtime::{hal, memory_budget, tasks};

pub(super) fn serve(site: &Site) -> Response {
    let mut text = Text(String::with_capacity(8 * 1024));
    let uptime = Instant::now().as_millis();
    text.family("switchboard_uptime_seconds", "gauge", "Time since the clock was started.");
    text.sample(format_args!("switchboard_uptime_seconds {}.{:03}", uptime / 1000, uptime % 1000));
    let idle = tasks::idle_ns() / 1_000_000;
    text.family("switchboard_idle_seconds_total", "counter", "Time that the CPU was halted.");
    text.sample(format_args!("switchboard_idle_seconds_total {}.{:03}", idle / 1000, idle % 1000));
    interrupts(&mut text, site.machine);
    network(&mut text, site);
    drops(&mut text, site);
    addresses(&mut text, site);
    http(&mut text, site);
    memory(&mut text);
    Response::new(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text.0)
}

/// The text of the response.
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.sample(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    /// Adds one line. Writing to a string does not fail.
    fn sample(&mut self, line: Arguments<'_>) {
        let _ = writeln!(self.0, "{line}");
    }

    /// Adds a family with one sample.
    fn single(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.family(name, kind, help);
        self.sample(format_args!("{name} {value}"));
    }
}

/// A metric of each handler: name, kind, help, and its value.
type Family = (&'static str, &'static str, &'static str, fn(&InterruptReport) -> u64);

fn interrupts(text: &mut Text, machine: &Machine) {
    let rows = machine.interrupt_report();
    let labels = |row: &InterruptReport| {
        let (cpu, vector) = (row.cpu.number(), row.vector.number());
        let InterruptReport { mode, function, driver, names, .. } = row;
        let names = names.join(",");
        format!(
            "cpu=\"{cpu}\",vector=\"{vector}\",mode=\"{mode}\",function=\"{function}\",driver=\"{driver}\",names=\"{names}\""
        )
    };
    let families: [Family; 9] = [
        ("interrupts_total", "counter", "Calls of an interrupt handler.", |row| row.count),
        ("interrupts_unclaimed_total", "counter", "Calls of a handler that did not claim the interrupt.", |row| {
            row.unclaimed
        }),
        (
            "interrupts_claimed_total",
            "counter",
            "Calls of a handler that claimed the interrupt.",
            InterruptReport::claimed,
        ),
        (
            "interrupts_folded_total",
            "counter",
            "Calls of a handler for a vector that several messages share.",
            InterruptReport::folded,
        ),
        (
            "interrupts_masked_while_pending_total",
            "counter",
            "Messages that were pending when their source was unmasked.",
            |row| row.masked_while_pending,
        ),
        (
            "interrupts_longest_ticks",
            "gauge",
            "The longest call of a handler, in ticks of the time stamp counter.",
            |row| row.longest_ticks.into(),
        ),
        ("interrupts_polled_total", "counter", "Calls of a handler in place of an interrupt.", |row| row.polled),
        ("interrupts_lost", "gauge", "1 while interrupts do not arrive and the device is polled.", |row| {
            row.is_polled.into()
        }),
        (
            "requests_stalled",
            "gauge",
            "Requests in flight, if the device has not finished any for five seconds.",
            |row| row.stalled.unwrap_or(0).into(),
        ),
    ];
    for (name, kind, help, value) in families {
        let name = format!("switchboard_{name}");
        text.family(&name, kind, help);
        for row in &rows {
            text.sample(format_args!("{name}{{{}}} {}", labels(row), value(row)));
        }
    }
    let free = machine.free_vectors() as u64;
    text.single(
        "switchboard_interrupts_spurious_total",
        "counter",
        "Spurious interrupts.",
        machine.spurious_interrupts(),
    );
    text.single(
        "switchboard_interrupts_unexpected_total",
        "counter",
        "Interrupts on vectors without a handler.",
        machine.unexpected_interrupts(),
    );
    text.single("switchboard_vectors_free", "gauge", "Interrupt vectors that are free.", free);
    text.family("switchboard_vectors_used", "gauge", "Interrupt vectors of each CPU that are in use.");
    for cpu in machine.cpus() {
        let (cpu, used) = (cpu.number(), machine.used_vectors(cpu));
        text.sample(format_args!("switchboard_vectors_used{{cpu=\"{cpu}\"}} {used}"));
    }
}

fn network(text: &mut Text, site: &Site) {
    let labels = |interface: &Interface| format!("function=\"{}\",driver=\"{}\"", interface.function, interface.driver);
    text.family("switchboard_network_frames_total", "counter", "Ethernet frames.");
    for interface in site.network.interfaces().iter() {
        for (direction, value) in
            [("received", interface.traffic.received_frames()), ("sent", interface.traffic.sent_frames())]
        {
            let labels = labels(interface);
            text.sample(format_args!("switchboard_network_frames_total{{{labels},direction=\"{direction}\"}} {value}"));
        }
    }
    text.family("switchboard_network_bytes_total", "counter", "Bytes in Ethernet frames.");
    for interface in site.network.interfaces().iter() {
        for (direction, value) in
            [("received", interface.traffic.received_bytes()), ("sent", interface.traffic.sent_bytes())]
        {
            let labels = labels(interface);
            text.sample(format_args!("switchboard_network_bytes_total{{{labels},direction=\"{direction}\"}} {value}"));
        }
    }
}

/// Adds the leases of the interfaces, and the numbers of their neighbours.
fn addresses(text: &mut Text, site: &Site) {
    let interfaces = site.network.interfaces();
    let clients = || interfaces.iter().filter_map(|interface| Some((interface, interface.stack().dhcp_status()?)));
    text.family("switchboard_network_dhcp_state", "gauge", "1 for the state of the DHCP client.");
    for (interface, status) in clients() {
        let (function, state) = (interface.function, status.state);
        text.sample(format_args!("switchboard_network_dhcp_state{{function=\"{function}\",state=\"{state}\"}} 1"));
    }
    text.family("switchboard_network_lease_seconds", "gauge", "Time until the lease of the address ends.");
    for (interface, lease) in clients().filter_map(|(interface, status)| Some((interface, status.lease?))) {
        let (function, DhcpLease { address, server, .. }) = (interface.function, lease);
        let seconds = lease.remaining.map_or_else(|| "+Inf".into(), |remaining| remaining.as_secs().to_string());
        text.sample(format_args!(
            "switchboard_network_lease_seconds{{function=\"{function}\",address=\"{address}\",server=\"{server}\"}} {seconds}"
        ));
    }
    text.family(
        "switchboard_network_neighbours",
        "gauge",
        "Neighbours whose Ethernet addresses are known or looked for.",
    );
    for interface in interfaces.iter() {
        let (function, (ipv4, ipv6)) = (interface.function, interface.stack().neighbours());
        for (protocol, value) in [("ipv4", ipv4), ("ipv6", ipv6)] {
            text.sample(format_args!(
                "switchboard_network_neighbours{{function=\"{function}\",protocol=\"{protocol}\"}} {value}"
            ));
        }
    }
}

/// Adds the packets that each interface has dropped, by reason.
fn drops(text: &mut Text, site: &Site) {
    text.family("switchboard_network_drops_total", "counter", "Packets that were dropped, by reason.");
    for interface in site.network.interfaces().iter() {
        for reason in DropReason::ALL {
            let (function, driver, value) = (interface.function, interface.driver, interface.traffic.drops.of(*reason));
            text.sample(format_args!(
                "switchboard_network_drops_total{{function=\"{function}\",driver=\"{driver}\",reason=\"{reason}\"}} {value}"
            ));
        }
    }
}

fn http(text: &mut Text, site: &Site) {
    let counters = site.counters;
    for (name, help, value) in [
        ("switchboard_http_connections_total", "Connections accepted.", counters.connections()),
        ("switchboard_http_requests_total", "Requests read.", counters.requests()),
        ("switchboard_http_malformed_total", "Requests refused as malformed.", counters.malformed()),
    ] {
        text.single(name, "counter", help, value);
    }
    text.single("switchboard_http_connections_open", "gauge", "Connections that are open.", counters.open());
}

fn memory(text: &mut Text) {
    let usage = hal::memory_usage();
    text.family("switchboard_heap_bytes", "gauge", "Bytes of the heap.");
    for (state, value) in [("used", usage.heap_bytes_used), ("free", usage.heap_bytes_free)] {
        text.sample(format_args!("switchboard_heap_bytes{{state=\"{state}\"}} {value}"));
    }
    let budget = memory_budget::usage();
    text.family("switchboard_memory_budget_bytes", "gauge", "Bytes of the heap for what peers make grow.");
    for (state, value) in [("used", budget.used_bytes), ("limit", budget.limit_bytes)] {
        text.sample(format_args!("switchboard_memory_budget_bytes{{state=\"{state}\"}} {value}"));
    }
    text.family("switchboard_dma_pages", "gauge", "Pages of the DMA pool, of 4,096 bytes each.");
    let free = usage.dma_pages.saturating_sub(usage.dma_pages_used);
    for (state, value) in [("used", usage.dma_pages_used), ("free", free)] {
        text.sample(format_args!("switchboard_dma_pages{{state=\"{state}\"}} {value}"));
    }
}
