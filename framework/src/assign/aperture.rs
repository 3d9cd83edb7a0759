//! What of the address space the machine leaves to devices.

use alloc::vec::Vec;
use core::ops::Range;

/// The addresses that reach PCI.
///
/// `taken` is what certainly does not: an address that firmware chose is believed as long as it keeps out of
/// there. `memory` is narrower: where something new may go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Apertures {
    /// I/O ports for new BARs and windows.
    pub io: Vec<Range<u64>>,
    /// Memory for new BARs and windows.
    pub memory: Vec<Range<u64>>,
    /// Memory that is something else's: RAM, configuration space, interrupt controllers.
    pub taken: Vec<Range<u64>>,
}
