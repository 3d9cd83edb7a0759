//! A configuration space that behaves as a case prescribes, and logs forbidden accesses.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use switchboard::config::{Address, ConfigAccess, Width};
use switchboard_tests::proxy::Behaviour;

/// The begin of the extended capabilities.
const EXTENDED: u16 = 0x100;
const COMMAND: u16 = 0x04;
const DECODE: u8 = 3;
/// Writable bits of Command: I/O, memory, bus master, parity, system errors, INTx Disable.
const COMMAND_BITS: [u8; 2] = [0x47, 0x05];
const BARS: u16 = 0x10;
const HEADER_TYPE: usize = 0x0e;
const BUS_NUMBERS: u16 = 0x18;
const CAPABILITIES: u16 = 0x40;

/// One function.
#[derive(Debug, Clone)]
pub(crate) struct Function {
    bytes: Vec<u8>,
    first: Vec<u8>,
    /// What each BAR register reads after all ones were written.
    pub(crate) readbacks: BTreeMap<u16, u32>,
    pub(crate) behaviours: Vec<Behaviour>,
}

/// Accesses to a function.
#[derive(Debug, Clone, Default)]
pub(crate) struct Accesses {
    pub(crate) reads: usize,
    writes: usize,
    /// Reads of the register that changes on the second read.
    seconds: usize,
    is_gone: bool,
    /// Forbidden accesses.
    pub(crate) violations: Vec<String>,
}

#[derive(Debug, Default)]
struct Inner {
    functions: BTreeMap<Address, (Function, Accesses)>,
    /// Whether functions are being claimed: their interrupt capabilities may then be written.
    is_driven: bool,
}

/// The configuration space of the machine.
#[derive(Debug, Default)]
pub(crate) struct Space {
    inner: Mutex<Inner>,
    /// Called at each access, to restore registers.
    on_access: Mutex<Option<fn()>>,
}

impl Function {
    /// Creates a function without deviations, whose BARs have all address bits writable.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { first: bytes.clone(), bytes, readbacks: BTreeMap::new(), behaviours: Vec::new() }
    }

    /// Returns a byte of its configuration space; all ones past the end.
    pub(crate) fn byte(&self, offset: usize) -> u8 {
        self.bytes.get(offset).copied().unwrap_or(0xff)
    }

    fn layout(&self) -> u8 {
        self.bytes[HEADER_TYPE] & 0x7f
    }

    /// Returns whether a register of an SR-IOV capability may be written: the control, the page size, and while the virtual
    /// functions are disabled their BARs (PCIe 5.0, 9.3.3).
    fn is_virtual_function_register(&self, offset: u16, width: Width) -> bool {
        let dword = |at: usize| {
            self.bytes.get(at..at + 4).map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        };
        let mut at = 0x100;
        // As many as there can be, should the list lead in a circle.
        for _ in 0..0x400 {
            let Some(header) = dword(at).filter(|_| at >= 0x100) else { return false };
            let is_it = match usize::from(offset).checked_sub(at) {
                Some(0x08) => width == Width::Word,
                Some(0x20) => width == Width::Dword,
                Some(0x24..0x3c) => width == Width::Dword && self.bytes[at + 0x08] & 1 == 0,
                _ => false,
            };
            if header & 0xffff == 0x10 && is_it {
                return true;
            }
            at = (header >> 20) as usize & !3;
        }
        false
    }

    /// Returns whether `offset` is a BAR or the ROM register.
    fn is_address(&self, offset: u16) -> bool {
        match self.layout() {
            0 => matches!(offset, 0x10..0x28 | 0x30),
            1 => matches!(offset, 0x10..0x18 | 0x38),
            // The socket registers of a CardBus bridge.
            2 => offset == 0x10,
            _ => false,
        }
    }

    fn is_read_only(&self, offset: u16, width: usize) -> bool {
        let (start, end) = (usize::from(offset), usize::from(offset) + width);
        self.behaviours
            .iter()
            .any(|behaviour| matches!(*behaviour, Behaviour::ReadOnly { offset } if offset < end && start < offset + 2))
    }

    /// Stores the writable bits.
    fn store(&mut self, offset: u16, bytes: &[u8]) {
        if self.is_read_only(offset, bytes.len()) {
            return;
        }
        let at = usize::from(offset);
        match (offset, bytes) {
            (COMMAND, [low, high, ..]) => {
                for (place, (byte, writable)) in (at..).zip([low, high].into_iter().zip(COMMAND_BITS)) {
                    self.bytes[place] = self.bytes[place] & !writable | byte & writable;
                }
            }
            (_, [_, _, _, _]) if self.is_address(offset) => {
                let readback = self.readbacks.get(&((offset - BARS) / 4)).copied().unwrap_or(0);
                let (first, value) = (dword(&self.first, offset), dword(bytes, 0));
                let flags = if readback & 1 != 0 { 3 } else { 0xf };
                let stored = match value {
                    // Writing all ones sizes the BAR.
                    u32::MAX => readback,
                    // The original value is restored unchanged.
                    value if value == first => first,
                    value => value & readback & !flags | readback & flags,
                };
                self.bytes[at..at + 4].copy_from_slice(&stored.to_le_bytes());
            }
            // The windows of a bridge; its bus numbers are kept.
            (0x1c..0x34, _) if self.layout() == 1 => self.bytes[at..at + bytes.len()].copy_from_slice(bytes),
            _ if offset >= CAPABILITIES => self.bytes[at..at + bytes.len()].copy_from_slice(bytes),
            _ => {}
        }
    }
}

fn dword(bytes: &[u8], offset: u16) -> u32 {
    let at = usize::from(offset);
    bytes.get(at..at + 4).map_or(u32::MAX, |bytes| u32::from_le_bytes(bytes.try_into().expect("four bytes")))
}

impl Accesses {
    fn violation(&mut self, what: String) {
        // The first few suffice for a report.
        if self.violations.len() < 8 {
            self.violations.push(what);
        }
    }
}

impl Space {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the functions.
    pub(crate) fn fill(&self, functions: impl IntoIterator<Item = (Address, Function)>) {
        let functions = functions.into_iter().map(|(address, function)| (address, (function, Accesses::default())));
        *self.lock() = Inner { functions: functions.collect(), is_driven: false };
    }

    /// Sets the function that is called at each access.
    pub(crate) fn on_access(&self, act: Option<fn()>) {
        *self.on_access.lock().unwrap_or_else(PoisonError::into_inner) = act;
    }

    fn tick(&self) {
        if let Some(act) = *self.on_access.lock().unwrap_or_else(PoisonError::into_inner) {
            act();
        }
    }

    /// Begins the phase in which functions are claimed.
    pub(crate) fn drive(&self) {
        self.lock().is_driven = true;
    }

    /// Returns the accesses to each function.
    pub(crate) fn accesses(&self) -> BTreeMap<Address, Accesses> {
        self.lock().functions.iter().map(|(address, (_, accesses))| (*address, accesses.clone())).collect()
    }

    /// Returns the registers of BARs and ROMs whose values have changed, with their current values, for functions whose
    /// registers do not change by themselves.
    pub(crate) fn moved(&self) -> Vec<(Address, u16, u32)> {
        let inner = self.lock();
        let unchanging = inner.functions.iter().filter(|(_, (function, _))| function.behaviours.is_empty());
        let moved = unchanging.flat_map(|(address, (function, _))| {
            let registers = (0x10..0x3c).step_by(4).filter(|offset| function.is_address(*offset));
            // A register that reads all ones cannot be distinguished from one that is being sized.
            let moved = registers.filter(|offset| {
                let (was, is) = (dword(&function.first, *offset), dword(&function.bytes, *offset));
                was != is && was != u32::MAX
            });
            moved.map(|offset| (*address, offset, dword(&function.bytes, offset)))
        });
        moved.collect()
    }

    /// Returns whether the function may access memory, or assert its pin.
    pub(crate) fn can_signal(&self, address: Address) -> bool {
        let inner = self.lock();
        let function = inner
            .functions
            .get(&address)
            .filter(|(function, accesses)| !accesses.is_gone && function.behaviours.is_empty());
        function.is_some_and(|(function, _)| function.bytes[4] & 4 != 0 || function.bytes[5] & 4 == 0)
    }
}

impl ConfigAccess for Space {
    fn read(&self, address: Address, offset: u16, width: Width) -> u32 {
        self.tick();
        let mut inner = self.lock();
        let Some((function, accesses)) = inner.functions.get_mut(&address) else { return width.ones() };
        accesses.reads += 1;
        let (at, length) = (usize::from(offset), usize::from(width.bytes()));
        if !offset.is_multiple_of(width.bytes()) || at + length > function.bytes.len() {
            accesses.violation(format!("{length} bytes read at {offset:#x}"));
            return width.ones();
        }
        let mut bytes = function.bytes[at..at + length].to_vec();
        for behaviour in &function.behaviours {
            match *behaviour {
                Behaviour::GoneAfterReads(after) if accesses.reads > after as usize => accesses.is_gone = true,
                Behaviour::SecondRead { offset: place, width, value } if place < at + length && at < place + width => {
                    accesses.seconds += 1;
                    if accesses.seconds > 1 {
                        for (index, byte) in (place..place + width).zip(value.to_le_bytes()) {
                            if let Some(read) = index.checked_sub(at).and_then(|index| bytes.get_mut(index)) {
                                *read = byte;
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        if accesses.is_gone {
            width.ones()
        } else {
            bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
        }
    }

    fn write(&self, address: Address, offset: u16, width: Width, value: u32) {
        self.tick();
        let mut inner = self.lock();
        let is_driven = inner.is_driven;
        // Writes to a removed function have no effect.
        let function = inner.functions.get_mut(&address).filter(|(_, accesses)| !accesses.is_gone);
        let Some((function, accesses)) = function else { return };
        let length = usize::from(width.bytes());
        let is_whole = offset.is_multiple_of(width.bytes()) && usize::from(offset) + length <= function.bytes.len();
        let is_bridge = function.layout() == 1;
        let is_fine = match offset {
            COMMAND => width == Width::Word && function.layout() <= 2,
            _ if function.is_address(offset) => width == Width::Dword && function.bytes[4] & DECODE == 0,
            EXTENDED.. if function.is_virtual_function_register(offset, width) => true,
            BUS_NUMBERS..0x34 | 0x3e if is_bridge => true,
            BUS_NUMBERS if function.layout() == 2 => true,
            // Restored by a claim after D3hot: cache line size, latency, Interrupt Line.
            0x0c | 0x3c | CAPABILITIES.. => is_driven,
            _ => false,
        };
        if !is_whole || !is_fine {
            let command = function.bytes[4];
            accesses.violation(format!("{value:#x} written at {offset:#x}, {length} bytes, Command {command:#x}"));
        }
        if is_whole {
            function.store(offset, &value.to_le_bytes()[..length]);
        }
        accesses.writes += 1;
        let after = |behaviour: &Behaviour| matches!(*behaviour, Behaviour::GoneAfterWrites(after) if accesses.writes >= after as usize);
        accesses.is_gone |= function.behaviours.iter().any(after);
    }

    fn size(&self, address: Address) -> u16 {
        let inner = self.lock();
        inner.functions.get(&address).map_or(4096, |(function, _)| function.bytes.len().try_into().unwrap_or(4096))
    }

    /// Only the buses with functions exist, and one more.
    fn has_bus(&self, segment: u16, bus: u8) -> bool {
        let inner = self.lock();
        let last = inner.functions.last_key_value().map_or(0, |(address, _)| address.bus());
        segment == 0 && bus <= last.saturating_add(1)
    }
}
