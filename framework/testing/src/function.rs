//! One function: its configuration space and the sizes of its BARs.

use alloc::vec::Vec;

use switchboard::config::Address;

/// One function: the bytes of its configuration space, and which of them can be written.
#[derive(Debug, Clone)]
pub struct FakeFunction {
    pub(super) address: Address,
    pub(super) bytes: [u8; 256],
    pub(super) writable: [u8; 256],
    /// Bits that are cleared by writing ones.
    pub(super) clearable: [u8; 256],
    next_capability: u8,
    pub(super) bars: Vec<(u8, u64)>,
}

impl FakeFunction {
    /// A type 0 function at 00:01.0 without BARs, pin or capabilities.
    #[must_use]
    pub fn new(vendor: u16, device: u16) -> Self {
        let address = Address::new(0, 0, 1, 0);
        let mut this = Self {
            address,
            bytes: [0; 256],
            writable: [0; 256],
            clearable: [0; 256],
            next_capability: 0x40,
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

    /// Sets a byte, as the device has it.
    #[must_use]
    pub fn byte(mut self, offset: u8, value: u8) -> Self {
        self.bytes[usize::from(offset)] = value;
        self
    }

    /// Interrupt Pin (1 for INTA) and Interrupt Line.
    #[must_use]
    pub fn pin(self, pin: u8, line: u8) -> Self {
        self.byte(0x3d, pin).byte(0x3c, line)
    }

    /// A 32-bit memory BAR of `size` bytes, a power of two of at least 16. The machine gives it an address.
    #[must_use]
    pub fn bar(mut self, index: u8, size: u64) -> Self {
        let mask = u32::try_from(size).map_or(0, |size| !(size - 1));
        let offset = 0x10 + 4 * usize::from(index);
        self.writable[offset..offset + 4].copy_from_slice(&mask.to_le_bytes());
        self.bars.push((index, size));
        self
    }

    /// A 64-bit MSI capability without mask bits, for `count` messages, a power of two.
    #[must_use]
    pub fn msi(self, count: u8) -> Self {
        self.msi_with(count, true, false)
    }

    /// An MSI capability for `count` messages, a power of two: its address of 32 or 64 bits, and with a mask and a
    /// pending bit for each message or without.
    #[must_use]
    pub fn msi_with(mut self, count: u8, is_64bit: bool, is_maskable: bool) -> Self {
        let data = if is_64bit { 12 } else { 8 };
        let offset = self.capability(0x05, if is_maskable { data + 12 } else { data + 2 });
        self.bytes[offset + 2] = u8::from(is_64bit) << 7 | count.trailing_zeros().to_le_bytes()[0] << 1;
        self.bytes[offset + 3] = u8::from(is_maskable);
        self.writable[offset + 2] = 0x71;
        self.writable[offset + 4..offset + data + 2].fill(0xff);
        // The low bits of an address are zeros.
        self.writable[offset + 4] = 0xfc;
        if is_maskable {
            let implemented = u32::MAX >> (32 - u32::from(count));
            self.writable[offset + data + 4..offset + data + 8].copy_from_slice(&implemented.to_le_bytes());
        }
        self
    }

    /// An MSI-X capability: `count` entries at `table` in BAR `bar`, pending bits at `pending`.
    #[must_use]
    pub fn msix(mut self, count: u16, bar: u8, table: u32, pending: u32) -> Self {
        let offset = self.capability(0x11, 12);
        self.bytes[offset + 2..offset + 4].copy_from_slice(&(count - 1).to_le_bytes());
        self.writable[offset + 3] = 0xc0;
        self.bytes[offset + 4..offset + 8].copy_from_slice(&(table | u32::from(bar)).to_le_bytes());
        self.bytes[offset + 8..offset + 12].copy_from_slice(&(pending | u32::from(bar)).to_le_bytes());
        self
    }

    /// Makes it a PCI Express root port: a bridge to bus `secondary` with a slot, whose Slot Capabilities are
    /// `capabilities`, and which reports its link.
    #[must_use]
    pub fn port(mut self, secondary: u8, capabilities: u32) -> Self {
        self.bytes[0x0a..0x0c].copy_from_slice(&[4, 6]);
        self.bytes[0x0e] = 1;
        self.bytes[0x19..0x1b].fill(secondary);
        let offset = self.capability(0x10, 0x3c);
        // Version 2, a root port, with a slot.
        self.bytes[offset + 2..offset + 4].copy_from_slice(&0x0142_u16.to_le_bytes());
        self.bytes[offset + 0x0e] = 0x10;
        self.bytes[offset + 0x14..offset + 0x18].copy_from_slice(&capabilities.to_le_bytes());
        self.writable[offset + 0x18..offset + 0x1a].copy_from_slice(&0x1fff_u16.to_le_bytes());
        self.clearable[offset + 0x1a..offset + 0x1c].copy_from_slice(&0x011f_u16.to_le_bytes());
        self
    }

    /// Adds a capability of `id` and any `body`.
    #[must_use]
    pub fn vendor_capability(mut self, id: u8, body: &[u8]) -> Self {
        let offset = self.capability(id, 2 + body.len());
        self.bytes[offset + 2..offset + 2 + body.len()].copy_from_slice(body);
        self
    }

    /// Links a capability in at the head of the list and returns its offset.
    fn capability(&mut self, id: u8, length: usize) -> usize {
        let offset = self.next_capability;
        self.bytes[usize::from(offset)] = id;
        self.bytes[usize::from(offset) + 1] = self.bytes[0x34];
        self.bytes[0x34] = offset;
        self.bytes[6] |= 0x10;
        self.next_capability += length.next_multiple_of(4).to_le_bytes()[0];
        usize::from(offset)
    }

    pub(super) fn assign(&mut self, index: u8, address: u32) {
        let offset = 0x10 + 4 * usize::from(index);
        self.bytes[offset..offset + 4].copy_from_slice(&address.to_le_bytes());
    }
}
