//! Configuration space from the input: each function has a header, masks of the writable bits of its BARs, and a fault.

use core::mem;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use switchboard::config::{Address, ConfigAccess, Width};

use crate::input::Input;

const COMMAND: u16 = 4;
const DECODE: u8 = 3;
const BUS_MASTER: u8 = 4;
/// The BARs of a type 0 header.
const BARS: core::ops::Range<u16> = 0x10..0x28;
const HEADER_TYPE: usize = 0x0e;

/// The largest number of functions, and of reads in one run. A scan of all 256 buses reads 65,536 absent functions.
const MAX_FUNCTIONS: usize = 24;
const MAX_READS: u64 = 2_000_000;

/// The configuration space of the machine.
#[derive(Debug, Default)]
pub(super) struct Space {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    functions: BTreeMap<Address, Function>,
    /// Bytes of configuration space: 256 or 4,096.
    size: u16,
    reads: u64,
}

#[derive(Debug)]
struct Function {
    bytes: Vec<u8>,
    writable: Vec<u8>,
    fault: Fault,
    reads: u64,
}

/// A fault of a function.
#[derive(Debug, Clone, Copy)]
enum Fault {
    None,
    /// It is removed after so many reads.
    Removed(u64),
    /// Every second read returns ones.
    Intermittent,
    /// Writable bits change by themselves.
    Unstable,
    /// It returns Configuration Request Retry Status for so many reads.
    Retries(u64),
}

impl Function {
    /// Decodes a function: the fault, the masks, then its configuration space as far as the input reaches.
    fn new(input: &mut Input<'_>, size: u16) -> Option<Self> {
        let [fault, count, is_writable] = input.array()?;
        let fault = match fault % 16 {
            0 => Fault::Removed(8 * u64::from(count)),
            1 => Fault::Intermittent,
            2 => Fault::Unstable,
            3 => Fault::Retries(count.into()),
            _ => Fault::None,
        };
        let mut writable = vec![0; size.into()];
        writable[4..6].copy_from_slice(&[0x47, 0x05]);
        writable[0x0c..0x0e].fill(0xff);
        writable[0x3c] = 0xff;
        // A shift and a byte of additional bits for each mask. Most masks are valid sizes.
        for mask in writable[0x10..0x28].chunks_exact_mut(4) {
            let [shift, odd] = input.array()?;
            let bits = (u32::MAX << (shift % 32)) ^ if shift & 0x80 != 0 { u32::from(odd) << 8 } else { 0 };
            mask.copy_from_slice(&bits.to_le_bytes());
        }
        let given = usize::from(input.byte()?) * 2;
        let mut bytes = input.bytes(given).to_vec();
        bytes.resize(size.into(), 0);
        if bytes[HEADER_TYPE] & 0x7f == 1 {
            writable[0x18..0x34].fill(0xff);
        } else {
            writable[0x30..0x34].copy_from_slice(&0xffff_f801_u32.to_le_bytes());
        }
        writable[0x40..].fill(if is_writable & 1 != 0 { 0xff } else { 0 });
        Some(Self { bytes, writable, fault, reads: 0 })
    }

    fn read(&mut self, offset: u16, width: Width) -> u32 {
        self.reads += 1;
        match self.fault {
            Fault::Removed(after) if self.reads > after => return width.ones(),
            Fault::Intermittent if self.reads.is_multiple_of(2) => return width.ones(),
            Fault::Retries(until) if offset == 0 && self.reads < until => return 1,
            Fault::Unstable => {
                for (byte, writable) in self.bytes.iter_mut().zip(&self.writable).skip(offset.into()).take(4) {
                    *byte = byte.wrapping_add(1) & writable | *byte & !writable;
                }
            }
            _ => {}
        }
        let range = usize::from(offset)..usize::from(offset + width.bytes());
        self.bytes[range].iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
    }

    fn write(&mut self, offset: u16, width: Width, value: u32) {
        if matches!(self.fault, Fault::Removed(after) if self.reads > after) {
            return;
        }
        // The reads of such a function do not show what the framework has written.
        let is_stable = !matches!(self.fault, Fault::Intermittent | Fault::Unstable);
        if BARS.contains(&offset) && self.bytes[HEADER_TYPE] & 0x7f == 0 && is_stable {
            assert_eq!(self.bytes[4] & DECODE, 0, "a BAR is written at {offset:#x} while it decodes");
        }
        if offset == COMMAND {
            assert_eq!(width, Width::Word, "a dword write to Command clears bits of Status");
        }
        let start = usize::from(offset);
        for (index, byte) in (start..start + usize::from(width.bytes())).zip(value.to_le_bytes()) {
            let writable = self.writable[index];
            self.bytes[index] = self.bytes[index] & !writable | byte & writable;
        }
    }
}

impl Space {
    /// Adds functions until the input is consumed.
    pub(super) fn fill(&self, input: &mut Input<'_>) {
        let mut functions = BTreeMap::new();
        let size = if input.byte().unwrap_or(0) & 1 == 0 { 256 } else { 4096 };
        while functions.len() < MAX_FUNCTIONS {
            let Some([bus, place]) = input.array() else { break };
            let Some(function) = Function::new(input, size) else { break };
            functions.insert(Address::new(0, bus % 8, place >> 3, place & 7), function);
        }
        *self.lock() = Inner { functions, size, reads: 0 };
    }

    /// Removes all functions.
    pub(super) fn clear(&self) {
        drop(mem::take(&mut self.lock().functions));
    }

    /// Returns whether a function without a fault has bus mastering enabled.
    pub(super) fn masters_bus(&self, address: Address) -> bool {
        let inner = self.lock();
        let function = inner.functions.get(&address).filter(|function| matches!(function.fault, Fault::None));
        function.is_some_and(|function| function.bytes[4] & BUS_MASTER != 0)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn reaches(&self, offset: u16, width: Width) -> bool {
        offset.is_multiple_of(width.bytes()) && offset < self.size
    }
}

impl ConfigAccess for Space {
    fn read(&self, address: Address, offset: u16, width: Width) -> u32 {
        let mut inner = self.lock();
        inner.reads += 1;
        assert!(inner.reads < MAX_READS, "the scan does not end");
        let is_reached = inner.reaches(offset, width);
        let function = inner.functions.get_mut(&address).filter(|_| is_reached);
        function.map_or(width.ones(), |function| function.read(offset, width))
    }

    fn write(&self, address: Address, offset: u16, width: Width, value: u32) {
        let mut inner = self.lock();
        if inner.reaches(offset, width)
            && let Some(function) = inner.functions.get_mut(&address)
        {
            function.write(offset, width, value);
        }
    }

    fn size(&self, _address: Address) -> u16 {
        self.lock().size
    }
}
