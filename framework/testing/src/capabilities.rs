//! The capabilities of a fake function: interrupts, PCI Express, and any others.

use super::function::FakeFunction;

/// Bytes of configuration space with its extended part (PCIe 4.0, 7.2).
const EXTENDED: usize = 0x1000;
/// Capability ID of PCI Express.
const EXPRESS: u8 = 0x10;

impl FakeFunction {
    /// Adds a 64-bit MSI capability without mask bits, for `count` messages, a power of two.
    #[must_use]
    pub fn msi(self, count: u8) -> Self {
        self.msi_with(count, true, false)
    }

    /// Adds an MSI capability for `count` messages, a power of two: with an address of 64 or 32 bits, and with a mask
    /// bit and a pending bit for each message or without.
    #[must_use]
    pub fn msi_with(mut self, count: u8, is_64bit: bool, is_maskable: bool) -> Self {
        let data = if is_64bit { 12 } else { 8 };
        let offset = self.link_capability(0x05, if is_maskable { data + 12 } else { data + 2 });
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

    /// Adds an MSI-X capability: `count` entries at offset `table` of BAR `bar`, pending bits at offset `pending` of
    /// the same BAR.
    #[must_use]
    pub fn msix(mut self, count: u16, bar: u8, table: u32, pending: u32) -> Self {
        let offset = self.link_capability(0x11, 12);
        self.bytes[offset + 2..offset + 4].copy_from_slice(&(count - 1).to_le_bytes());
        self.writable[offset + 3] = 0xc0;
        self.bytes[offset + 4..offset + 8].copy_from_slice(&(table | u32::from(bar)).to_le_bytes());
        self.bytes[offset + 8..offset + 12].copy_from_slice(&(pending | u32::from(bar)).to_le_bytes());
        self
    }

    /// Makes it a PCI Express root port: a bridge to bus `secondary` with a slot, whose Slot Capabilities register is
    /// `capabilities`, and which reports its link.
    #[must_use]
    pub fn root_port(mut self, secondary: u8, capabilities: u32) -> Self {
        self.bytes[0x0a..0x0c].copy_from_slice(&[4, 6]);
        self.bytes[0x0e] = 1;
        self.bytes[0x19..0x1b].fill(secondary);
        let offset = self.link_capability(EXPRESS, 0x3c);
        // Version 2, a root port, with a slot.
        self.bytes[offset + 2..offset + 4].copy_from_slice(&0x0142_u16.to_le_bytes());
        self.bytes[offset + 0x0e] = 0x10;
        self.bytes[offset + 0x14..offset + 0x18].copy_from_slice(&capabilities.to_le_bytes());
        self.writable[offset + 0x18..offset + 0x1a].copy_from_slice(&0x1fff_u16.to_le_bytes());
        self.clearable[offset + 0x1a..offset + 0x1c].copy_from_slice(&0x011f_u16.to_le_bytes());
        self
    }

    /// Adds a read-only capability with this id: `body` follows the id and the pointer to the next one.
    #[must_use]
    pub fn capability(mut self, id: u8, body: &[u8]) -> Self {
        let offset = self.link_capability(id, 2 + body.len());
        self.bytes[offset + 2..offset + 2 + body.len()].copy_from_slice(body);
        self
    }

    /// Adds a read-only extended capability (PCIe 4.0, 7.6.3): `body` follows the header of four bytes. The function
    /// has 4,096 bytes of configuration space from then on, and a PCI Express capability if it had none.
    ///
    /// ```
    /// use switchboard_testing::{FakeFunction, FakeMachine};
    ///
    /// // A device serial number.
    /// let card = FakeFunction::new(0x1234, 0x0001).extended_capability(0x03, 1, &[1, 2, 3, 4, 5, 6, 7, 8]);
    /// let fake = FakeMachine::new([card]);
    /// let config = fake.machine().take_all().remove(0).claim().unwrap().config;
    /// let serial = config.extended_capabilities()[0];
    /// assert_eq!((serial.id, serial.offset), (0x03, 0x100));
    /// ```
    ///
    /// # Panics
    /// When there is no room for it.
    #[must_use]
    pub fn extended_capability(mut self, id: u16, version: u8, body: &[u8]) -> Self {
        if self.bytes.len() < EXTENDED {
            for bytes in [&mut self.bytes, &mut self.writable, &mut self.clearable] {
                bytes.resize(EXTENDED, 0);
            }
            // Version 2, an endpoint.
            let offset = self.link_capability(EXPRESS, 0x3c);
            self.bytes[offset + 2] = 0x02;
        }
        let offset = self.next_extended;
        let at = usize::from(offset);
        let header = u32::from(id) | u32::from(version & 0xf) << 16;
        self.bytes[at..at + 4].copy_from_slice(&header.to_le_bytes());
        self.bytes[at + 4..at + 4 + body.len()].copy_from_slice(body);
        if let Some(last) = self.last_extended.replace(offset) {
            // Bits 4 to 15 of the upper half are where the next one is.
            let next = u16::from(self.bytes[usize::from(last) + 2] & 0xf) | offset << 4;
            self.bytes[usize::from(last) + 2..usize::from(last) + 4].copy_from_slice(&next.to_le_bytes());
        }
        self.next_extended = u16::try_from((at + 4 + body.len()).next_multiple_of(4)).expect("room for a capability");
        self
    }

    /// Makes it a physical function with up to `total` virtual functions at the function numbers that follow, with this Device ID
    /// and a BAR 0 of `size` bytes. A virtual function is a function of its own, with all ones as its IDs, which a scan does not
    /// find.
    #[must_use]
    pub fn virtual_functions(self, total: u16, device: u16, size: u32) -> Self {
        let mut body = [0; 60];
        // From the second dword on: InitialVFs, TotalVFs, First VF Offset, VF Stride, VF Device ID, supported and used pages.
        for (offset, value) in
            [(0x0c, total), (0x0e, total), (0x14, 1), (0x16, 1), (0x1a, device), (0x1c, 0x553), (0x20, 1)]
        {
            body[offset - 4..offset - 2].copy_from_slice(&u16::to_le_bytes(value));
        }
        let mut this = self.extended_capability(0x10, 1, &body);
        let at = usize::from(this.last_extended.expect("it was added"));
        this.writable[at + 0x08] = 0x19;
        this.writable[at + 0x10..at + 0x12].fill(0xff);
        this.writable[at + 0x24..at + 0x28].copy_from_slice(&(!(size - 1)).to_le_bytes());
        this
    }

    /// Links a capability in at the head of the list and returns its offset.
    fn link_capability(&mut self, id: u8, length: usize) -> usize {
        let offset = self.next_capability;
        self.bytes[usize::from(offset)] = id;
        self.bytes[usize::from(offset) + 1] = self.bytes[0x34];
        self.bytes[0x34] = offset;
        self.bytes[6] |= 0x10;
        self.next_capability += length.next_multiple_of(4).to_le_bytes()[0];
        usize::from(offset)
    }
}
