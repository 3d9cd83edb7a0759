//! The report of one function, for tables, pages and tools.

use alloc::string::String;
use alloc::vec::Vec;

use super::record::{FunctionState, Record};
use crate::bar::BarFacts;
use crate::config::{Address, Class, Defect, ExtendedCapability};
use crate::platform::{Mode, Offers, Route};
use crate::vector::Fault;

/// A report of one function: identity, driver, interrupts, BARs and defects.
///
/// ```
/// use switchboard::function::{FunctionReport, FunctionState};
/// use switchboard_testing::{FakeFunction, FakeMachine};
///
/// let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).at("00:03.0").bar(0, 0x1000).msi(4)]);
/// let [FunctionReport { address, bars, offers, state, defects, .. }] = &fake.machine().functions()[..] else {
///     panic!("one function")
/// };
/// assert_eq!(address.to_string(), "0000:00:03.0");
/// assert_eq!((bars[0].size, offers.msi, state), (0x1000, 4, &FunctionState::Unclaimed));
/// assert!(defects.is_empty());
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FunctionReport {
    /// Segment, bus, device and function number.
    pub address: Address,
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Class code.
    pub class: Class,
    /// The name of its driver.
    pub driver: Option<&'static str>,
    /// The state of the function.
    pub state: FunctionState,
    /// The interrupt modes that the function offers.
    pub offers: Offers,
    /// The interrupt mode that was granted.
    pub mode: Option<Mode>,
    /// The route of its line, in mode INTx.
    pub route: Option<Route>,
    /// What the driver reports of its device, as names and values.
    pub details: Vec<(&'static str, String)>,
    /// The valid BARs.
    pub bars: Vec<BarFacts>,
    /// The extended capabilities that can be used, in the order of the list; none of a function without PCI Express.
    pub extended_capabilities: Vec<ExtendedCapability>,
    /// The size of the expansion ROM in bytes; ROMs are given no address.
    pub rom: Option<u64>,
    /// The invalid parts of its configuration space, which are not used.
    pub defects: Vec<Defect>,
    /// The lasting faults that [`Machine::check_interrupts`](crate::machine::Machine::check_interrupts) has found.
    pub faults: Vec<Fault>,
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
            details: status.details,
            bars: record.bars.clone(),
            extended_capabilities: record.facts.extended_capabilities(),
            rom: record.rom,
            defects: record.defects.clone(),
            faults: Vec::new(),
        }
    }
}
