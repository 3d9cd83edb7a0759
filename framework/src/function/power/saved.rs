//! The configuration that a function loses in a reset or in D3hot, and how it is restored.

use crate::bar::{BarFacts, BarKind, park, write_bar};
use crate::config::{Address, Command, ExpressCapability, update_command};
use crate::inventory::Record;

/// Cache Line Size and Latency Timer.
const CACHE_LINE: u16 = 0x0c;
const FIRST_BAR: u16 = 0x10;
const ROM: u16 = 0x30;
/// Interrupt Line, and Interrupt Pin, which takes no writes.
const INTERRUPT_LINE: u16 = 0x3c;

/// Low bits of a BAR, which encode its kind.
const IO_FLAGS: u32 = 3;
const MEMORY_FLAGS: u32 = 0xf;

/// Configuration that firmware wrote and that no driver writes again. The BARs are not included: the record has their
/// addresses, independent of what the function holds now.
#[derive(Debug, Clone, Copy)]
pub(in crate::function) struct SavedConfig {
    command: Command,
    cache_line: u16,
    rom: u32,
    interrupt_line: u16,
    /// Device Control, and Device Control 2 where there is one.
    express: Option<(u16, Option<u16>)>,
}

impl SavedConfig {
    /// Reads the configuration, then quiesces the function and disables its decoding.
    pub(in crate::function) fn take(record: &Record) -> Self {
        let space = record.space;
        let quiesced = Command::INTERRUPT_DISABLE;
        let decode = Command::IO_ENABLE | Command::MEMORY_ENABLE;
        let command = update_command(space, |command| (command | quiesced) - (decode | Command::BUS_MASTER_ENABLE));
        let express = record.facts.express.map(|express| {
            let second = express.control_2().map(|register| space.read_u16(register));
            (space.read_u16(express.control()), second)
        });
        Self {
            command: (command | quiesced) - Command::BUS_MASTER_ENABLE,
            cache_line: space.read_u16(CACHE_LINE),
            rom: space.read_u32(ROM),
            interrupt_line: space.read_u16(INTERRUPT_LINE),
            express,
        }
    }

    /// Restores the configuration: the BARs before the Command register, which enables their decoding.
    pub(in crate::function) fn restore(self, record: &Record) -> Result<(), BarNotRestored> {
        let space = record.space;
        restore_bars(record)?;
        space.write_u32(ROM, self.rom);
        space.write_u16(CACHE_LINE, self.cache_line);
        space.write_u16(INTERRUPT_LINE, self.interrupt_line);
        if let (Some(express), Some((first, second))) = (record.facts.express, self.express) {
            space.write_u16(express.control(), first & !ExpressCapability::RESET);
            if let (Some(register), Some(value)) = (express.control_2(), second) {
                space.write_u16(register, value);
            }
        }
        update_command(space, |_| self.command);
        Ok(())
    }
}

/// Restores the addresses of BARs that differ from the record. A BAR with another address could overlap another function.
pub(in crate::function) fn restore_bars(record: &Record) -> Result<(), BarNotRestored> {
    // The BARs of a virtual function are those of its physical function, whose registers nothing resets meanwhile.
    if record.physical.is_some() {
        return Ok(());
    }
    let is_in_place = |bar: &BarFacts| bar.address.is_err() || bar.address == Ok(read_bar(record, bar));
    if record.bars.iter().all(is_in_place) {
        return Ok(());
    }
    let decode = Command::IO_ENABLE | Command::MEMORY_ENABLE;
    let before = update_command(record.space, |command| command - decode);
    for bar in &record.bars {
        let Ok(wanted) = bar.address else {
            park(record.space, *bar);
            continue;
        };
        if !write_bar(record.space, *bar, wanted) {
            // Decoding stays off: the BAR would decode a wrong address.
            let (address, found) = (record.address(), read_bar(record, bar));
            return Err(BarNotRestored { address, index: bar.index, wanted, found });
        }
    }
    update_command(record.space, |_| before);
    Ok(())
}

fn read_bar(record: &Record, bar: &BarFacts) -> u64 {
    let register = FIRST_BAR + 4 * u16::from(bar.index);
    let low = record.space.read_u32(register);
    match bar.kind {
        BarKind::Io => (low & !IO_FLAGS).into(),
        BarKind::Memory32 { .. } => (low & !MEMORY_FLAGS).into(),
        BarKind::Memory64 { .. } => {
            u64::from(low & !MEMORY_FLAGS) | u64::from(record.space.read_u32(register + 4)) << 32
        }
    }
}

/// A BAR lost its address and does not take it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("BAR {index} of {address} is at {found:#x} and does not go back to {wanted:#x}")]
#[non_exhaustive]
pub struct BarNotRestored {
    /// The function.
    pub address: Address,
    /// The index of the BAR.
    pub index: u8,
    /// The address that it had.
    pub wanted: u64,
    /// The address that it reads.
    pub found: u64,
}
