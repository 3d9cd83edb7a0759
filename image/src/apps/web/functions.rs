//! `GET /functions`: all PCI functions, as JSON with a stable format.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Serialize;
use switchboard::config::ExtendedCapability;
use switchboard::function::{self, FunctionReport};

use super::Site;
use switchboard_http::Response;

#[derive(Serialize)]
struct Function {
    address: String,
    vendor: String,
    device: String,
    class: String,
    driver: Option<&'static str>,
    state: String,
    offers: Offers,
    mode: String,
    route: Option<Route>,
    bars: Vec<Bar>,
    /// What the driver reports of its device.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    details: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    extended: Vec<Extended>,
    /// What is wrong at present: interrupts that do not arrive, requests that do not finish.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<String>,
}

/// An extended capability.
#[derive(Serialize)]
struct Extended {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
    version: u8,
    offset: String,
}

#[derive(Serialize)]
struct Offers {
    intx: Option<char>,
    msi: u8,
    msix: u16,
}

#[derive(Serialize)]
struct Route {
    gsi: u32,
    source: String,
}

#[derive(Serialize)]
struct Bar {
    index: u8,
    kind: &'static str,
    /// The address that it was assigned; null without one.
    address: Option<String>,
    /// The reason why it has no address.
    #[serde(skip_serializing_if = "Option::is_none")]
    unassigned: Option<String>,
    size: u64,
}

impl Function {
    fn new(report: FunctionReport) -> Self {
        let bar = |bar: switchboard::bar::BarFacts| Bar {
            index: bar.index,
            kind: bar.kind.name(),
            address: bar.address.ok().map(|address| format!("{address:#x}")),
            unassigned: bar.address.err().map(|reason| reason.to_string()),
            size: bar.size,
        };
        let extended = |capability: ExtendedCapability| Extended {
            id: format!("{:04x}", capability.id),
            name: capability.name(),
            version: capability.version,
            offset: format!("{:#x}", capability.offset),
        };
        Self {
            address: report.address.to_string(),
            vendor: format!("{:04x}", report.vendor),
            device: format!("{:04x}", report.device),
            class: report.class.to_string(),
            driver: report.driver,
            state: match report.state {
                function::FunctionState::Live => "live".into(),
                function::FunctionState::Unclaimed => "unclaimed".into(),
                function::FunctionState::Failed(reason) => format!("failed: {reason}"),
                function::FunctionState::LeftAlone(reason) => format!("left alone: {reason}"),
                function::FunctionState::Isolated => "isolated".into(),
                function::FunctionState::Gone => "gone".into(),
            },
            offers: Offers {
                intx: report.offers.intx.map(|pin| pin.letter()),
                msi: report.offers.msi,
                msix: report.offers.msix,
            },
            mode: report.mode.map_or_else(|| "none".into(), |mode| mode.to_string()),
            route: report.route.map(|route| Route { gsi: route.gsi.0, source: route.source.to_string() }),
            details: report.details.into_iter().collect(),
            bars: report.bars.into_iter().map(bar).collect(),
            extended: report.extended_capabilities.into_iter().map(extended).collect(),
            faults: report.faults.iter().map(ToString::to_string).collect(),
        }
    }
}

pub(super) fn serve(site: &Site) -> Response {
    Response::json(&site.machine.functions().into_iter().map(Function::new).collect::<Vec<_>>())
}
