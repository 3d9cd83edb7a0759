//! Resources that devices use, as the guest counts them.

use core::time::Duration;
use std::thread;
use std::time::Instant;

use switchboard_tests::Guest;

use super::bench::TIMEOUT;

/// Resources in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Figures {
    heap_used: u64,
    dma_pages_used: u64,
    vectors_free: u64,
    /// Function and messages of each handler.
    handlers: Vec<(String, String)>,
    functions: usize,
    connections: u64,
}

/// The growth of the heap that is no leak: a table of the network that has reached a new size keeps it. A leak in each round
/// is more.
const TABLE_GROWTH_BYTES: u64 = 2048;

impl Figures {
    /// Checks that nothing is held that was not before.
    pub(super) fn assert_as_before(&self, before: &Self) {
        let heap_used = before.heap_used;
        assert_eq!(Self { heap_used, ..self.clone() }, *before);
        let most = heap_used + TABLE_GROWTH_BYTES;
        assert!(self.heap_used <= most, "{} bytes of the heap are used, {heap_used} were before", self.heap_used);
    }

    fn read(guest: &Guest) -> Self {
        let metrics = guest.client().get("/metrics").expect("the metrics").body;
        let text = String::from_utf8(metrics).expect("the metrics are UTF-8");
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}"));
            line.trim().parse().unwrap_or_else(|_| panic!("no number: {line}"))
        };
        let vectors = guest.interrupts().vectors;
        // Sorted, as the vectors depend on the order in which devices are added.
        let mut handlers: Vec<_> = vectors.into_iter().map(|row| (row.function, row.names.join(" "))).collect();
        handlers.sort();
        Self {
            heap_used: value("switchboard_heap_bytes{state=\"used\"}"),
            dma_pages_used: value("switchboard_dma_pages{state=\"used\"}"),
            vectors_free: value("switchboard_vectors_free"),
            handlers,
            functions: guest.functions().len(),
            connections: value("switchboard_http_connections_open"),
        }
    }

    /// Returns the figures once connections have ended and the values are stable.
    pub(super) fn at_rest(guest: &Guest) -> Self {
        let start = Instant::now();
        let mut last = Self::read(guest);
        loop {
            thread::sleep(Duration::from_secs(1));
            let now = Self::read(guest);
            // The connection of this request is open.
            if (now == last && now.connections == 1) || start.elapsed() > TIMEOUT {
                return now;
            }
            last = now;
        }
    }
}
