//! Configuration space of functions behind bridges: an access arrives only where every bridge above forwards it.

use core::ops::Range;
use std::sync::Mutex;

use switchboard::config::{Address, ConfigAccess, Width};

const COMMAND: usize = 0x04;
const BARS: usize = 0x10;
const BUSES: usize = 0x18;

/// A function: its place, its configuration space and the bits of it that can be written.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// The index of the bridge in front of it; `None` on the root bus.
    pub(crate) parent: Option<usize>,
    pub(crate) device: u8,
    pub(crate) bytes: [u8; 256],
    writable: [u8; 256],
}

/// One BAR: the index of its first register, whether it decodes ports, whether it has 64 bits, its size in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bar {
    pub(crate) index: usize,
    pub(crate) io: bool,
    pub(crate) wide: bool,
    pub(crate) prefetchable: bool,
    pub(crate) size: u64,
}

impl Part {
    fn new(parent: Option<usize>, device: u8, class: [u8; 2], header: u8) -> Self {
        let mut part = Self { parent, device, bytes: [0; 256], writable: [0; 256] };
        part.set(0, &0x1234_u16.to_le_bytes());
        part.set(2, &0x0001_u16.to_le_bytes());
        part.set(0x0a, &class);
        part.bytes[0x0e] = header;
        part.writable[COMMAND] = 0x07;
        part.writable[COMMAND + 1] = 0x04;
        part
    }

    pub(crate) fn endpoint(parent: Option<usize>, device: u8) -> Self {
        Self::new(parent, device, [0, 2], 0)
    }

    /// Returns a bridge with all three windows, the prefetchable one of 64 bits. With `slot`, it is a hot-plug port with a link, whose
    /// only device is device 0.
    pub(crate) fn bridge(parent: Option<usize>, device: u8, slot: bool) -> Self {
        let mut part = Self::new(parent, device, [4, 6], 1);
        part.writable[BUSES..BUSES + 4].fill(0xff);
        part.writable[0x1c..0x1e].fill(0xf0);
        for register in [0x20, 0x22, 0x24, 0x26] {
            part.writable[register] = 0xf0;
            part.writable[register + 1] = 0xff;
        }
        part.writable[0x28..0x30].fill(0xff);
        part.bytes[0x24] = 1;
        part.bytes[0x26] = 1;
        if slot {
            part.bytes[0x06] = 0x10;
            part.bytes[0x34] = 0x40;
            // PCI Express, version 2, a root port with a hot-plug capable slot.
            part.set(0x40, &[0x10, 0, 0x42, 0x01]);
            part.bytes[0x54] = 0x40;
        }
        part
    }

    pub(crate) fn with(mut self, bar: Bar) -> Self {
        let at = BARS + 4 * bar.index;
        let mask = !(bar.size - 1);
        let bytes = if bar.wide { 8 } else { 4 };
        self.writable[at..at + bytes].copy_from_slice(&mask.to_le_bytes()[..bytes]);
        self.bytes[at] = if bar.io { 1 } else { u8::from(bar.wide) << 2 | u8::from(bar.prefetchable) << 3 };
        self
    }

    /// Sets writable bits as firmware left them.
    pub(crate) fn left(mut self, offset: usize, value: &[u8]) -> Self {
        for (place, byte) in (offset..).zip(value) {
            self.bytes[place] = self.bytes[place] & !self.writable[place] | byte & self.writable[place];
        }
        self
    }

    fn set(&mut self, offset: usize, value: &[u8]) {
        self.bytes[offset..offset + value.len()].copy_from_slice(value);
    }

    fn word(&self, offset: usize) -> u64 {
        u16::from_le_bytes([self.bytes[offset], self.bytes[offset + 1]]).into()
    }

    fn dword(&self, offset: usize) -> u64 {
        self.word(offset) | self.word(offset + 2) << 16
    }

    pub(crate) fn is_bridge(&self) -> bool {
        self.bytes[0x0e] == 1
    }

    pub(crate) fn has_slot(&self) -> bool {
        self.bytes[0x34] != 0
    }

    fn decodes(&self, io: bool) -> bool {
        self.bytes[COMMAND] & if io { 1 } else { 2 } != 0
    }

    fn buses(&self) -> (u8, u8) {
        (self.bytes[BUSES + 1], self.bytes[BUSES + 2])
    }

    /// Returns the ranges that a bridge forwards, by its registers (PCI-to-PCI bridge architecture 1.2, 3.2.5).
    fn windows(&self, io: bool) -> Vec<Range<u64>> {
        let range = |first: u64, last: u64| first..if first <= last { last + 1 } else { first };
        if !self.decodes(io) {
            return vec![];
        }
        if io {
            let end = |at: usize| u64::from(self.bytes[at] & 0xf0) << 8;
            return vec![range(end(0x1c), end(0x1d) | 0xfff)];
        }
        let end = |at: usize| (self.word(at) & 0xfff0) << 16;
        let memory = range(end(0x20), end(0x22) | 0xf_ffff);
        let prefetchable = range(end(0x24) | self.dword(0x28) << 32, end(0x26) | 0xf_ffff | self.dword(0x2c) << 32);
        vec![memory, prefetchable]
    }
}

/// The machine's functions.
#[derive(Debug)]
pub(crate) struct Wired {
    parts: Mutex<Vec<Part>>,
    writes: Mutex<Vec<(Address, u16)>>,
}

impl Wired {
    pub(crate) fn new(parts: Vec<Part>) -> Self {
        Self { parts: Mutex::new(parts), writes: Mutex::default() }
    }

    pub(crate) fn parts(&self) -> Vec<Part> {
        self.parts.lock().unwrap().clone()
    }

    pub(crate) fn add(&self, part: Part) {
        self.parts.lock().unwrap().push(part);
    }

    /// Removes a function: it reads all ones, and drops writes.
    pub(crate) fn remove(&self, index: usize) {
        let part = &mut self.parts.lock().unwrap()[index];
        part.bytes = [0xff; 256];
        part.writable = [0; 256];
    }

    /// Returns the places that were written since the last call.
    pub(crate) fn take_writes(&self) -> Vec<(Address, u16)> {
        core::mem::take(&mut self.writes.lock().unwrap())
    }

    /// Returns the address of a part, by the bus numbers above it.
    pub(crate) fn address(parts: &[Part], index: usize) -> Address {
        let bus = parts[index].parent.map_or(0, |parent| parts[parent].buses().0);
        Address::new(0, bus, parts[index].device, 0)
    }

    /// Returns the secondary bus of a bridge.
    pub(crate) fn secondary(parts: &[Part], index: usize) -> u8 {
        parts[index].buses().0
    }

    /// Returns whether a part can be found: every bridge above has bus numbers, and so has the part if it is a bridge.
    pub(crate) fn is_numbered(parts: &[Part], index: usize) -> bool {
        let part = &parts[index];
        let has_numbers = !part.is_bridge() || part.buses().0 != 0;
        has_numbers && part.parent.is_none_or(|parent| Self::is_numbered(parts, parent))
    }

    /// Follows an access to memory or ports from the root bus down. Returns every part that decodes it, with the index of the BAR in
    /// `bars`.
    pub(crate) fn follow(
        parts: &[Part],
        bars: &[(usize, usize, bool, Range<u64>)],
        io: bool,
        at: u64,
    ) -> Vec<(usize, usize)> {
        let mut taken = Vec::new();
        let mut buses = vec![None];
        while let Some(bus) = buses.pop() {
            for (index, part) in parts.iter().enumerate().filter(|(_, part)| part.parent == bus) {
                let hit = |(owner, _, is_io, range): &&(usize, usize, bool, Range<u64>)| {
                    *owner == index && *is_io == io && range.contains(&at)
                };
                taken.extend(bars.iter().filter(hit).map(|(owner, bar, ..)| (*owner, *bar)));
                let hits = part.windows(io).iter().filter(|window| window.contains(&at)).count();
                if part.is_bridge() && hits > 0 {
                    // An address in both windows of one bridge is as invalid as one in two bridges: it is returned twice.
                    (0..hits).for_each(|_| buses.push(Some(index)));
                }
            }
        }
        taken
    }
}

/// Returns the part that a configuration access reaches: none where two bridges claim it at once.
fn find(parts: &[Part], address: Address) -> Option<usize> {
    let (mut parent, mut bus) = (None, 0);
    while bus != address.bus() {
        let leads = |part: &Part| part.is_bridge() && (part.buses().0..=part.buses().1).contains(&address.bus());
        let mut ways =
            parts.iter().enumerate().filter(|(_, part)| part.parent == parent && leads(part) && part.buses().0 > bus);
        let (index, part) = ways.next()?;
        if ways.next().is_some() {
            return None;
        }
        (parent, bus) = (Some(index), part.buses().0);
    }
    let is_here = |part: &Part| part.parent == parent && part.device == address.device() && address.function() == 0;
    parts.iter().position(is_here)
}

impl ConfigAccess for Wired {
    fn read(&self, address: Address, offset: u16, width: Width) -> u32 {
        let parts = self.parts.lock().unwrap();
        let Some(index) = find(&parts, address) else { return width.ones() };
        let bytes = &parts[index].bytes[usize::from(offset)..usize::from(offset + width.bytes())];
        bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
    }

    fn write(&self, address: Address, offset: u16, width: Width, value: u32) {
        self.writes.lock().unwrap().push((address, offset));
        let mut parts = self.parts.lock().unwrap();
        let Some(index) = find(&parts, address) else { return };
        let part = parts[index].clone();
        parts[index] = part.left(usize::from(offset), &value.to_le_bytes()[..usize::from(width.bytes())]);
    }

    fn size(&self, _: Address) -> u16 {
        256
    }
}
