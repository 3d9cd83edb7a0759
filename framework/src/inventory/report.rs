//! What is known of one function, for reports.

use alloc::vec::Vec;

use super::record::{FunctionState, Record};
use crate::bar::BarFacts;
use crate::config::{Address, Class, Defect, ExtendedCapability};
use crate::platform::{Mode, Offers, Route};

/// What is known of one function, for people and tools.
#[derive(Debug, Clone)]
pub struct FunctionReport {
    /// Segment, bus, device and function number.
    pub address: Address,
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Class code.
    pub class: Class,
    /// The driver that has it.
    pub driver: Option<&'static str>,
    /// How it fares.
    pub state: FunctionState,
    /// The interrupt modes that it offers.
    pub offers: Offers,
    /// The mode that its driver was granted.
    pub mode: Option<Mode>,
    /// Where its line leads, and who said so, when the mode is INTx.
    pub route: Option<Route>,
    /// Its BARs.
    pub bars: Vec<BarFacts>,
    /// Its extended capabilities that can be used, in the order of the list; none of a function without PCI Express.
    pub extended_capabilities: Vec<ExtendedCapability>,
    /// Bytes of its expansion ROM, which is given no address.
    pub rom: Option<u64>,
    /// What it says of itself that is not believed.
    pub defects: Vec<Defect>,
}

impl FunctionReport {
    pub(crate) fn new(record: &Record) -> Self {
        let status = record.status();
        Self {
            address: record.address(),
            vendor: record.header().vendor,
            device: record.header().device,
            class: record.header().class,
            driver: status.driver,
            state: status.state,
            offers: record.offers(),
            mode: status.mode,
            route: status.route,
            bars: record.bars.clone(),
            extended_capabilities: record.facts.extended_capabilities(),
            rom: record.rom,
            defects: record.defects.clone(),
        }
    }
}
