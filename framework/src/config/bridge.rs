//! What a bridge says in its header: the buses behind it, and the windows that it forwards.

use super::Space;

const PRIMARY_BUS: u16 = 0x18;
const IO_BASE: u16 = 0x1c;
const MEMORY_BASE: u16 = 0x20;
const PREFETCHABLE_BASE: u16 = 0x24;
const PREFETCHABLE_BASE_UPPER: u16 = 0x28;
const PREFETCHABLE_LIMIT_UPPER: u16 = 0x2c;
const IO_BASE_UPPER: u16 = 0x30;

/// The buses on both sides of a bridge (PCI-to-PCI bridge architecture 1.2, 3.2.5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BusNumbers {
    /// The bus that it is on. Real bridges are known to say something else here.
    pub primary: u8,
    /// The bus right behind it; 0 when nobody numbered it.
    pub secondary: u8,
    /// The highest bus behind it.
    pub subordinate: u8,
}

impl BusNumbers {
    /// Reads them; headers of types 1 and 2 have them in the same place.
    pub(crate) fn read(space: Space) -> Self {
        let [primary, secondary, subordinate, _] = space.read_u32(PRIMARY_BUS).to_le_bytes();
        Self { primary, secondary, subordinate }
    }
}

/// The header of a bridge, as firmware set it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BridgeHeader {
    /// The buses on both sides.
    pub buses: BusNumbers,
    /// Ports that it forwards.
    pub io: BridgeWindow,
    /// Memory below 4 GiB that it forwards.
    pub memory: BridgeWindow,
    /// Prefetchable memory that it forwards.
    pub prefetchable: BridgeWindow,
}

/// A range of addresses that a bridge forwards to what is behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BridgeWindow {
    /// What is forwarded; `None` for a closed window, whose base is above its limit.
    pub range: Option<WindowRange>,
    /// Bits of the addresses that it can be given: 16 or 32 for ports, 32 or 64 for memory.
    pub bits: u8,
    /// Whether the registers hold anything. The ports' and the prefetchable window are optional, and registers that
    /// are not there read zero; so does a window from address 0, which is why only a write can tell for sure.
    pub is_implemented: bool,
}

/// Addresses from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowRange {
    /// The first address.
    pub first: u64,
    /// The last address.
    pub last: u64,
}

impl WindowRange {
    fn new(first: u64, last: u64) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// Whether all of `length` bytes from `address` on are in it.
    #[must_use]
    pub fn contains(self, address: u64, length: u64) -> bool {
        let last = length.checked_sub(1).and_then(|rest| address.checked_add(rest));
        last.is_some_and(|last| self.first <= address && last <= self.last)
    }
}

/// A window that is closed: its base is above its limit.
const CLOSED_BYTES: (u8, u8) = (0xf0, 0x00);
const CLOSED_WORDS: (u16, u16) = (0xfff0, 0x0000);

impl Space {
    /// Writes a bridge's bus numbers, and leaves the latency timer beside them as it is.
    pub(crate) fn write_bus_numbers(self, numbers: BusNumbers) {
        let [.., timer] = self.read_u32(PRIMARY_BUS).to_le_bytes();
        let BusNumbers { primary, secondary, subordinate } = numbers;
        self.write_u32(PRIMARY_BUS, u32::from_le_bytes([primary, secondary, subordinate, timer]));
    }

    /// Has a bridge forward `ports`, in steps of 4 KiB, or none. The window is closed while its halves change.
    pub(crate) fn write_io_window(self, ports: Option<WindowRange>) {
        let write = |(base, limit): (u8, u8)| self.write_u16(IO_BASE, u16::from_le_bytes([base, limit]));
        write(CLOSED_BYTES);
        let Some(WindowRange { first, last }) = ports else { return };
        if self.read_u8(IO_BASE) & 0xf == 1 {
            self.write_u32(IO_BASE_UPPER, (last & 0xffff_0000) as u32 | (first >> 16 & 0xffff) as u32);
        }
        write(((first >> 8 & 0xf0) as u8, (last >> 8 & 0xf0) as u8));
    }

    /// Has a bridge forward memory below 4 GiB, in steps of 1 MiB, or none.
    pub(crate) fn write_memory_window(self, memory: Option<WindowRange>) {
        self.write_pair(MEMORY_BASE, memory);
    }

    /// Has a bridge forward prefetchable memory, in steps of 1 MiB, or none. The window is closed while its halves
    /// change.
    pub(crate) fn write_prefetchable_window(self, memory: Option<WindowRange>) {
        self.write_pair(PREFETCHABLE_BASE, None);
        // Whatever the upper halves are meanwhile, the base must not come below the limit.
        self.write_u32(PREFETCHABLE_LIMIT_UPPER, 0);
        let Some(range) = memory else { return };
        self.write_u32(PREFETCHABLE_BASE_UPPER, (range.first >> 32) as u32);
        self.write_u32(PREFETCHABLE_LIMIT_UPPER, (range.last >> 32) as u32);
        self.write_pair(PREFETCHABLE_BASE, Some(range));
    }

    /// Both ends of a window at once.
    fn write_pair(self, register: u16, memory: Option<WindowRange>) {
        let end = |address: u64| (address >> 16 & 0xfff0) as u16;
        let (base, limit) = memory.map_or(CLOSED_WORDS, |range| (end(range.first), end(range.last)));
        self.write_u32(register, u32::from(limit) << 16 | u32::from(base));
    }
}

impl BridgeHeader {
    /// As [`read`](Self::read), with the optional windows tried where their registers read zero: a closed window is
    /// written, which stays if there is one.
    pub(crate) fn probe(space: Space) -> Self {
        let header = Self::read(space);
        if !header.io.is_implemented {
            space.write_io_window(None);
        }
        if !header.prefetchable.is_implemented {
            space.write_pair(PREFETCHABLE_BASE, None);
        }
        Self::read(space)
    }

    pub(crate) fn read(space: Space) -> Self {
        Self {
            buses: BusNumbers::read(space),
            io: BridgeWindow::io(space),
            memory: BridgeWindow::memory(space),
            prefetchable: BridgeWindow::prefetchable(space),
        }
    }
}

impl BridgeWindow {
    /// 4 KiB steps; bits 12 to 15 are in bits 4 to 7 of the register, whose low bits say how wide it is.
    fn io(space: Space) -> Self {
        let [base, limit] = space.read_u16(IO_BASE).to_le_bytes();
        let is_wide = base & 0xf == 1;
        let (upper_base, upper_limit) = match is_wide {
            true => (space.read_u16(IO_BASE_UPPER), space.read_u16(IO_BASE_UPPER + 2)),
            false => (0, 0),
        };
        let place = |low: u8, upper: u16| u64::from(upper) << 16 | u64::from(low & 0xf0) << 8;
        let range = WindowRange::new(place(base, upper_base), place(limit, upper_limit) | 0xfff);
        Self::new(range, if is_wide { 32 } else { 16 }, (base, limit) != (0, 0))
    }

    /// 1 MiB steps. Every bridge has this one.
    fn memory(space: Space) -> Self {
        let (base, limit) = Self::read_pair(space, MEMORY_BASE);
        Self { range: memory_range(base, limit, 0, 0), bits: 32, is_implemented: true }
    }

    fn prefetchable(space: Space) -> Self {
        let (base, limit) = Self::read_pair(space, PREFETCHABLE_BASE);
        let is_wide = base & 0xf == 1;
        let (upper_base, upper_limit) = match is_wide {
            true => (space.read_u32(PREFETCHABLE_BASE_UPPER), space.read_u32(PREFETCHABLE_LIMIT_UPPER)),
            false => (0, 0),
        };
        let range = memory_range(base, limit, upper_base, upper_limit);
        Self::new(range, if is_wide { 64 } else { 32 }, (base, limit) != (0, 0))
    }

    fn read_pair(space: Space, register: u16) -> (u16, u16) {
        (space.read_u16(register), space.read_u16(register + 2))
    }

    fn new(range: Option<WindowRange>, bits: u8, is_implemented: bool) -> Self {
        Self { range: range.filter(|_| is_implemented), bits, is_implemented }
    }
}

/// What the registers of a memory window mean: bits 20 to 31 of both ends are in their bits 4 to 15.
fn memory_range(base: u16, limit: u16, upper_base: u32, upper_limit: u32) -> Option<WindowRange> {
    let place = |low: u16, upper: u32| u64::from(upper) << 32 | u64::from(low & 0xfff0) << 16;
    WindowRange::new(place(base, upper_base), place(limit, upper_limit) | 0xf_ffff)
}
