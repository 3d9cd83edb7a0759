//! A PCI function of the fake machine: its configuration space and its BARs.

use alloc::vec;
use alloc::vec::Vec;

use switchboard::config::Address;

/// Bytes of configuration space without its extended part.
const CONVENTIONAL: usize = 0x100;

/// A function of a [`FakeMachine`](crate::FakeMachine): the bytes of its configuration space, which of their bits the
/// framework can write, and the sizes of its BARs.
///
/// [`new`](Self::new) makes an endpoint at 00:01.0 with nothing but its ids; the other methods add to it.
///
/// ```
/// use switchboard::bar::BarKind;
/// use switchboard_testing::{FakeFunction, FakeMachine};
///
/// let card = FakeFunction::new(0x1234, 0x0001)
///     .at("00:03.0")
///     .byte(0x0b, 0x02) // Class Code: a network controller.
///     .bar(0, 0x1000)
///     .bar_64bit(2, 0x10_0000)
///     .io_bar(4, 0x20)
///     .pin(1, 10)
///     .msix(4, 2, 0, 0x800);
/// let fake = FakeMachine::new([card]);
///
/// let report = &fake.machine().functions()[0];
/// assert_eq!(report.bars.len(), 3);
/// assert_eq!(report.bars[1].kind, BarKind::Memory64 { prefetchable: false });
/// assert_eq!(report.bars[2].kind, BarKind::Io);
/// assert_eq!((report.offers.msi, report.offers.msix), (0, 4));
/// ```
#[derive(Debug, Clone)]
pub struct FakeFunction {
    pub(super) address: Address,
    pub(super) bytes: Vec<u8>,
    /// Bits that a write sets and clears.
    pub(super) writable: Vec<u8>,
    /// Bits that are cleared by writing ones.
    pub(super) clearable: Vec<u8>,
    pub(super) next_capability: u8,
    pub(super) next_extended: u16,
    pub(super) last_extended: Option<u16>,
    pub(super) bars: Vec<FakeBar>,
}

/// A BAR of a function.
#[derive(Debug, Clone, Copy)]
pub(super) struct FakeBar {
    pub(super) index: u8,
    pub(super) size: u64,
    pub(super) kind: FakeBarKind,
}

/// The address space of a BAR, which its lowest bits encode (PCI 3.0, 6.2.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FakeBarKind {
    Memory32 = 0b000,
    Memory64 = 0b100,
    Io = 0b001,
}

impl FakeFunction {
    /// Makes an endpoint at 00:01.0 without BARs, interrupt pin or capabilities.
    #[must_use]
    pub fn new(vendor: u16, device: u16) -> Self {
        let mut this = Self {
            address: Address::new(0, 0, 1, 0),
            bytes: vec![0; CONVENTIONAL],
            writable: vec![0; CONVENTIONAL],
            clearable: vec![0; CONVENTIONAL],
            next_capability: 0x40,
            next_extended: 0x100,
            last_extended: None,
            bars: Vec::new(),
        };
        this.bytes[0..2].copy_from_slice(&vendor.to_le_bytes());
        this.bytes[2..4].copy_from_slice(&device.to_le_bytes());
        // I/O, memory, bus master; INTx Disable.
        this.writable[4] = 0x07;
        this.writable[5] = 0x04;
        this
    }

    /// Puts it at `bus:device.function`, in hexadecimal.
    ///
    /// # Panics
    /// When the text is no such address.
    #[must_use]
    pub fn at(mut self, address: &str) -> Self {
        let part = |text: &str| u8::from_str_radix(text, 16).expect("hexadecimal digits");
        let (bus, rest) = address.split_once(':').expect("bus:device.function");
        let (device, function) = rest.split_once('.').expect("bus:device.function");
        self.address = Address::new(0, part(bus), part(device), part(function));
        self
    }

    /// Sets a byte of configuration space, as the device has it after reset.
    #[must_use]
    pub fn byte(mut self, offset: u8, value: u8) -> Self {
        self.bytes[usize::from(offset)] = value;
        self
    }

    /// Sets Interrupt Pin (1 for INTA) and Interrupt Line. The line is the GSI that
    /// [`assert_line`](crate::FakeMachine::assert_line) takes; 0 and 255 mean that the pin has no route.
    #[must_use]
    pub fn pin(self, pin: u8, line: u8) -> Self {
        self.byte(0x3d, pin).byte(0x3c, line)
    }

    /// Adds a 32-bit memory BAR of `size` bytes, a power of two of at least 16. The machine assigns its address.
    #[must_use]
    pub fn bar(self, index: u8, size: u64) -> Self {
        self.add_bar(FakeBar { index, size, kind: FakeBarKind::Memory32 })
    }

    /// Adds a 64-bit memory BAR of `size` bytes, a power of two of at least 16: the registers `index` and `index + 1`.
    /// The machine assigns an address above 4 GiB.
    #[must_use]
    pub fn bar_64bit(self, index: u8, size: u64) -> Self {
        self.add_bar(FakeBar { index, size, kind: FakeBarKind::Memory64 })
    }

    /// Adds a BAR of `size` I/O ports, a power of two of at least 4. The framework sizes it and reports it, but maps no
    /// ports: there is nothing behind them.
    #[must_use]
    pub fn io_bar(self, index: u8, size: u64) -> Self {
        self.add_bar(FakeBar { index, size, kind: FakeBarKind::Io })
    }

    fn add_bar(mut self, bar: FakeBar) -> Self {
        let mask = !(bar.size - 1);
        match bar.kind {
            FakeBarKind::Memory64 => self.writable[bar.bytes()].copy_from_slice(&(mask & !0xf).to_le_bytes()),
            FakeBarKind::Memory32 | FakeBarKind::Io => {
                let low = if bar.kind == FakeBarKind::Io { mask & !0x3 } else { mask & !0xf };
                self.writable[bar.bytes()].copy_from_slice(&low.to_le_bytes()[..4]);
            }
        }
        self.bars.push(bar);
        self
    }

    /// Sets the address of a BAR, as firmware does.
    pub(super) fn assign(&mut self, bar: FakeBar, address: u64) {
        let value = (address | bar.kind as u64).to_le_bytes();
        let bytes = &mut self.bytes[bar.bytes()];
        bytes.copy_from_slice(&value[..bytes.len()]);
    }
}

impl FakeBar {
    /// The bytes of its register, or its two registers.
    fn bytes(self) -> core::ops::Range<usize> {
        let start = 0x10 + 4 * usize::from(self.index);
        start..start + if self.kind == FakeBarKind::Memory64 { 8 } else { 4 }
    }
}
