//! `GET /interrupts`: the counters of all registered interrupt handlers, as JSON with a stable format.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Serialize;
use switchboard::interrupt::InterruptReport;

use super::Site;
use switchboard_http::Response;

#[derive(Serialize)]
struct Interrupts {
    spurious: u64,
    vectors: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    vector: u8,
    cpu: usize,
    mode: String,
    function: String,
    driver: &'static str,
    names: Vec<&'static str>,
    gsi: Option<u32>,
    count: u64,
    unclaimed: u64,
    claimed: u64,
    folded: u64,
    masked_while_pending: u64,
    longest_ticks: u32,
    polled: u64,
}

impl Row {
    fn new(row: InterruptReport) -> Self {
        let (claimed, folded) = (row.claimed(), row.folded());
        Self {
            vector: row.vector.number(),
            cpu: row.cpu.number(),
            mode: row.mode.to_string(),
            function: row.function.to_string(),
            driver: row.driver,
            names: row.names,
            gsi: row.gsi.map(|gsi| gsi.0),
            count: row.count,
            unclaimed: row.unclaimed,
            claimed,
            folded,
            masked_while_pending: row.masked_while_pending,
            longest_ticks: row.longest_ticks,
            polled: row.polled,
        }
    }
}

pub(super) fn serve(site: &Site) -> Response {
    let machine = site.machine;
    Response::json(&Interrupts {
        spurious: machine.spurious_interrupts(),
        vectors: machine.interrupt_report().into_iter().map(Row::new).collect(),
    })
}
