//! The configuration space of a proxied function: 256 bytes, their writable bits, and its deviations.

use super::behaviour::Behaviour;
use super::writable::writable;

/// Bytes of conventional configuration space.
pub(super) const LENGTH: usize = 256;
pub(super) const FIRST_BAR: usize = 0x10;
/// End of the BARs.
pub(super) const AFTER_BARS: usize = 0x28;
pub(super) const BARS: usize = 6;
const ROM: usize = 0x30;

/// The configuration space of a function.
#[derive(Debug, Clone)]
pub struct Space {
    /// The bytes after a reset.
    first: [u8; LENGTH],
    bytes: [u8; LENGTH],
    writable: [u8; LENGTH],
    /// What each BAR register reads after all ones were written; `None` for an absent BAR.
    readbacks: [Option<u32>; BARS],
    behaviours: Vec<(Behaviour, u32)>,
    is_gone: bool,
    is_hidden: bool,
    /// Accesses since the end of the firmware's phase.
    counts: Option<Counts>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    reads: u32,
    writes: u32,
}

impl Space {
    /// Creates a space with these bytes; missing ones are zero, those past 256 are ignored. It has no BARs until
    /// [`bar`](Self::bar) adds them.
    #[must_use]
    pub fn new(dump: &[u8]) -> Self {
        let mut first = [0; LENGTH];
        let length = dump.len().min(LENGTH);
        first[..length].copy_from_slice(&dump[..length]);
        let writable = writable(&first);
        Self {
            first,
            bytes: first,
            writable,
            readbacks: [None; BARS],
            behaviours: Vec::new(),
            is_gone: false,
            is_hidden: false,
            counts: None,
        }
    }

    /// Sets what a BAR register reads after all ones were written to it, type bits included.
    #[must_use]
    pub fn bar(mut self, index: usize, readback: u32) -> Self {
        self.readbacks[index] = Some(readback);
        self
    }

    /// Adds an expansion ROM of `size` bytes, a power of two.
    #[must_use]
    pub fn rom(mut self, size: u32) -> Self {
        let writable = (!(size - 1) | 1).to_le_bytes();
        self.writable[ROM..ROM + 4].copy_from_slice(&writable);
        for (byte, writable) in self.first[ROM..].iter_mut().zip(writable) {
            *byte &= writable;
        }
        self.bytes = self.first;
        self
    }

    /// Adds a deviation.
    #[must_use]
    pub fn deviation(mut self, behaviour: Behaviour) -> Self {
        if let Behaviour::ReadOnly { offset } = behaviour {
            let width = if (FIRST_BAR..AFTER_BARS).contains(&offset) { 4 } else { 2 };
            self.writable[offset..offset + width].fill(0);
        }
        self.behaviours.push((behaviour, 0));
        self
    }

    /// Hides the function from the firmware, which then assigns no BARs: the image finds the space unchanged.
    #[must_use]
    pub fn hidden(mut self) -> Self {
        self.is_hidden = true;
        self
    }

    /// Returns the bytes as they would be read now, without counting a read.
    #[must_use]
    pub fn bytes(&self) -> &[u8; LENGTH] {
        &self.bytes
    }

    pub(super) fn readbacks(&self) -> [Option<u32>; BARS] {
        self.readbacks
    }

    /// Starts counting accesses.
    pub(super) fn hand_over(&mut self) {
        self.counts = Some(Counts::default());
    }

    /// Restores the state after power-on.
    pub(super) fn reset(&mut self) {
        self.bytes = self.first;
    }

    /// Makes all reads return ones.
    pub(super) fn remove(&mut self) {
        self.is_gone = true;
    }

    pub(super) fn is_gone(&self) -> bool {
        self.is_gone
    }

    pub(super) fn read(&mut self, offset: usize, width: usize) -> u32 {
        let reads = self.count(|counts| &mut counts.reads);
        let ones = u32::MAX >> (32 - 8 * width.clamp(1, 4));
        self.is_gone |= self
            .behaviours
            .iter()
            .any(|(behaviour, _)| matches!(*behaviour, Behaviour::GoneAfterReads(after) if reads > after));
        let Some(bytes) = self.bytes.get(offset..offset + width).filter(|_| !self.is_gone) else { return ones };
        let mut value = [0; 4];
        value[..width].copy_from_slice(bytes);
        if self.counts.is_some() {
            for (behaviour, seen) in &mut self.behaviours {
                let Behaviour::SecondRead { offset: address, width: length, value: other } = *behaviour else {
                    continue;
                };
                let meets = |at: &usize| (offset..offset + width).contains(at);
                if !(address..address + length).any(|at| meets(&at)) {
                    continue;
                }
                *seen += 1;
                if *seen > 1 {
                    for (at, byte) in (address..).zip(other.to_le_bytes()).take(length).filter(|(at, _)| meets(at)) {
                        value[at - offset] = byte;
                    }
                }
            }
        }
        u32::from_le_bytes(value)
    }

    /// Returns what the firmware reads: nothing, or an unknown device. For a disk or a USB controller that it has a
    /// driver for, it would wait long for an answer.
    pub(super) fn read_by_firmware(&mut self, offset: usize, width: usize) -> u32 {
        let ones = u32::MAX >> (32 - 8 * width.clamp(1, 4));
        if self.is_hidden {
            return ones;
        }
        let mut value = self.read(offset, width).to_le_bytes();
        for (byte, at) in value.iter_mut().take(width).zip(offset..) {
            match at {
                // Device ID, interface and sub-class, class.
                0x02 => *byte = 0xfe,
                0x03 | 0x0b => *byte = 0xff,
                0x09 | 0x0a => *byte = 0,
                _ => {}
            }
        }
        u32::from_le_bytes(value)
    }

    pub(super) fn write(&mut self, offset: usize, width: usize, value: u32) {
        if self.is_gone {
            return;
        }
        for (at, byte) in (offset..).zip(value.to_le_bytes()).take(width) {
            let Some(mut writable) = self.writable.get(at).copied() else { break };
            if (FIRST_BAR..AFTER_BARS).contains(&at) && self.readbacks[(at - FIRST_BAR) / 4].is_none() {
                writable = 0;
            }
            self.bytes[at] = match self.bar_byte(at).filter(|_| writable != 0) {
                // Bits that are no address bits read as in the readback.
                Some((readback, flags)) => byte & readback & !flags | readback & flags,
                None => byte & writable | self.bytes[at] & !writable,
            };
        }
        let writes = self.count(|counts| &mut counts.writes);
        self.is_gone |= self
            .behaviours
            .iter()
            .any(|(behaviour, _)| matches!(*behaviour, Behaviour::GoneAfterWrites(after) if writes >= after));
    }

    /// Returns the readback of a byte in a BAR, and which of its bits are type bits.
    fn bar_byte(&self, at: usize) -> Option<(u8, u8)> {
        let from = at.checked_sub(FIRST_BAR)?;
        let readback = (*self.readbacks.get(from / 4)?)?;
        let flags = match from % 4 {
            0 if self.is_upper(from / 4) => 0,
            0 if readback & 1 != 0 => 3,
            0 => 0xf,
            _ => 0,
        };
        Some((readback.to_le_bytes()[from % 4], flags))
    }

    /// Returns whether the register is the upper half of the one before.
    fn is_upper(&self, index: usize) -> bool {
        let lower = |index: usize| index.checked_sub(1).and_then(|before| self.readbacks[before]);
        lower(index).is_some_and(|readback| readback & 7 == 4)
            && !index.checked_sub(1).is_some_and(|before| self.is_upper(before))
    }

    /// Counts an access, once counting has started.
    fn count(&mut self, which: impl FnOnce(&mut Counts) -> &mut u32) -> u32 {
        self.counts.as_mut().map_or(0, |counts| {
            let count = which(counts);
            *count += 1;
            *count
        })
    }
}
