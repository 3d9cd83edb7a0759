//! The header of a bridge: its bus numbers, and the windows that it forwards.

use super::Space;

const PRIMARY_BUS: u16 = 0x18;
const IO_BASE: u16 = 0x1c;
const MEMORY_BASE: u16 = 0x20;
const PREFETCHABLE_BASE: u16 = 0x24;
const PREFETCHABLE_BASE_UPPER: u16 = 0x28;
const PREFETCHABLE_LIMIT_UPPER: u16 = 0x2c;
const IO_BASE_UPPER: u16 = 0x30;

/// The bus numbers of a bridge (PCI-to-PCI bridge architecture 1.2, 3.2.5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BusNumbers {
    /// The bus that the bridge is on. Real bridges are known to hold another number here.
    pub primary: u8,
    /// The bus right behind it; 0 when none was assigned.
    pub secondary: u8,
    /// The highest bus behind it.
    pub subordinate: u8,
}

impl BusNumbers {
    /// Reads the bus numbers; headers of types 1 and 2 have them in the same place.
    pub(crate) fn read(space: Space) -> Self {
        let [primary, secondary, subordinate, _] = space.read_u32(PRIMARY_BUS).to_le_bytes();
        Self { primary, secondary, subordinate }
    }
}

/// The part of a header that only bridges have, as firmware set it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BridgeHeader {
    /// The bus numbers.
    pub buses: BusNumbers,
    /// The I/O window.
    pub io: BridgeWindow,
    /// The memory window, below 4 GiB.
    pub memory: BridgeWindow,
    /// The prefetchable memory window.
    pub prefetchable: BridgeWindow,
}

/// The registers of a bridge window: a range of addresses that the bridge forwards to its secondary bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BridgeWindow {
    /// The addresses that are forwarded; `None` for a closed window, whose base is above its limit.
    pub range: Option<WindowRange>,
    /// The number of address bits: 16 or 32 for I/O, 32 or 64 for memory.
    pub bits: u8,
    /// Whether the registers are not zero. The I/O and the prefetchable window are optional, and registers that are not implemented read
    /// zero. So does an open window at address 0; only a write distinguishes the two.
    pub is_implemented: bool,
}

/// A range of addresses, both ends included.
///
/// ```
/// use switchboard::config::WindowRange;
///
/// let window = WindowRange { first: 0xe000_0000, last: 0xe00f_ffff };
/// assert!(window.contains(0xe00f_f000, 0x1000));
/// assert!(!window.contains(0xe00f_f000, 0x1001));
/// ```
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

    /// Returns whether all of `length` bytes from `address` on are in the range.
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
    /// Writes a bridge's bus numbers; the latency timer in the same dword keeps its value.
    pub(crate) fn write_bus_numbers(self, numbers: BusNumbers) {
        let [.., timer] = self.read_u32(PRIMARY_BUS).to_le_bytes();
        let BusNumbers { primary, secondary, subordinate } = numbers;
        self.write_u32(PRIMARY_BUS, u32::from_le_bytes([primary, secondary, subordinate, timer]));
    }

    /// Sets the I/O window of a bridge, in steps of 4 KiB, or closes it. The window is closed while its registers change.
    pub(crate) fn write_io_window(self, ports: Option<WindowRange>) {
        let write = |(base, limit): (u8, u8)| self.write_u16(IO_BASE, u16::from_le_bytes([base, limit]));
        write(CLOSED_BYTES);
        let Some(WindowRange { first, last }) = ports else { return };
        if self.read_u8(IO_BASE) & 0xf == 1 {
            self.write_u32(IO_BASE_UPPER, (last & 0xffff_0000) as u32 | (first >> 16 & 0xffff) as u32);
        }
        write(((first >> 8 & 0xf0) as u8, (last >> 8 & 0xf0) as u8));
    }

    /// Sets the memory window of a bridge, in steps of 1 MiB, or closes it.
    pub(crate) fn write_memory_window(self, memory: Option<WindowRange>) {
        self.write_pair(MEMORY_BASE, memory);
    }

    /// Sets the prefetchable window of a bridge, in steps of 1 MiB, or closes it. The window is closed while its registers change.
    pub(crate) fn write_prefetchable_window(self, memory: Option<WindowRange>) {
        self.write_pair(PREFETCHABLE_BASE, None);
        // Whatever the upper halves are meanwhile, the base must not come below the limit.
        self.write_u32(PREFETCHABLE_LIMIT_UPPER, 0);
        let Some(range) = memory else { return };
        self.write_u32(PREFETCHABLE_BASE_UPPER, (range.first >> 32) as u32);
        self.write_u32(PREFETCHABLE_LIMIT_UPPER, (range.last >> 32) as u32);
        self.write_pair(PREFETCHABLE_BASE, Some(range));
    }

    /// Writes base and limit of a window by one access.
    fn write_pair(self, register: u16, memory: Option<WindowRange>) {
        let end = |address: u64| (address >> 16 & 0xfff0) as u16;
        let (base, limit) = memory.map_or(CLOSED_WORDS, |range| (end(range.first), end(range.last)));
        self.write_u32(register, u32::from(limit) << 16 | u32::from(base));
    }
}

impl BridgeHeader {
    /// Reads the header, and probes the optional windows whose registers read zero: a closed window is written, which only a window that
    /// is implemented keeps.
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
    /// Steps of 4 KiB: address bits 12 to 15 are in bits 4 to 7 of the register; its low bits encode the width.
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

    /// Steps of 1 MiB. Every bridge implements this window.
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

/// Decodes the registers of a memory window: address bits 20 to 31 of both ends are in bits 4 to 15.
fn memory_range(base: u16, limit: u16, upper_base: u32, upper_limit: u32) -> Option<WindowRange> {
    let place = |low: u16, upper: u32| u64::from(upper) << 32 | u64::from(low & 0xfff0) << 16;
    WindowRange::new(place(base, upper_base), place(limit, upper_limit) | 0xf_ffff)
}
