//! Check of the place of an MSI-X table.
//!
//! An entry is an address that the device will write, so all of the table must be in the function's own memory.

use crate::bar::{BarFacts, BarKind};
use crate::config::{BarOffset, Defect, MsixCapability};

/// Checks the place of the table and its pending bits against the function's BARs.
pub(crate) fn check_table(msix: MsixCapability, bars: &[BarFacts]) -> Result<(), Defect> {
    let (table, pending) = (msix.table_length(), msix.pending_length());
    check_place("table", msix.table, table, bars)?;
    check_place("pending bits", msix.pending, pending, bars)?;
    let (start, end) = (u64::from(msix.table.offset), u64::from(msix.table.offset) + table);
    let other = u64::from(msix.pending.offset);
    if msix.table.bar == msix.pending.bar && start < other + pending && other < end {
        let reason = "they overlap the table";
        return Err(Defect::Msix { what: "pending bits", place: msix.pending, length: pending, reason });
    }
    Ok(())
}

fn check_place(what: &'static str, place: BarOffset, length: u64, bars: &[BarFacts]) -> Result<(), Defect> {
    let bar = bars.iter().find(|bar| bar.index == place.bar);
    let reason = match bar {
        None if place.bar > 5 => "BARs above 5 are reserved",
        None => "there is no such BAR",
        Some(bar) if bar.kind == BarKind::Io => "the BAR is of ports",
        // Both are less than 2^32, so the sum does not wrap.
        Some(bar) if u64::from(place.offset) + length > bar.size => "the BAR ends before",
        Some(_) => return Ok(()),
    };
    Err(Defect::Msix { what, place, length, reason })
}
