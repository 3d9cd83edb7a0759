//! Builds configuration spaces for functions of which there is no dump.

use super::space::Space;

/// Base of the initial addresses of memory BARs, to which their size is added; the firmware assigns others.
const INITIAL_BASE: u32 = 0xe000_0000;

/// A valid configuration space, built part by part.
#[derive(Debug, Clone)]
pub struct ConfigBuilder {
    bytes: [u8; 256],
    bars: Vec<(usize, u32)>,
    /// Offset of the next capability, and of the pointer to it.
    free: usize,
    pointer: usize,
}

impl ConfigBuilder {
    /// Creates a function with these ids and this class, with pin A.
    #[must_use]
    pub fn new(vendor: u16, device: u16, class: u32) -> Self {
        let mut this = Self { bytes: [0; 256], bars: Vec::new(), free: 0x40, pointer: 0x34 };
        this.put(0x00, &vendor.to_le_bytes());
        this.put(0x02, &device.to_le_bytes());
        this.put(0x08, &(class << 8 | 1).to_le_bytes());
        this.put(0x3d, &[1]);
        this
    }

    /// Adds a memory BAR of `size` bytes, below 4 GiB.
    #[must_use]
    pub fn memory(mut self, index: usize, size: u32) -> Self {
        self.put(0x10 + 4 * index, &(INITIAL_BASE | size).to_le_bytes());
        self.bars.push((index, !(size - 1)));
        self
    }

    /// Adds a prefetchable 64-bit memory BAR of `size` bytes, which takes two registers.
    #[must_use]
    pub fn memory64(mut self, index: usize, size: u32) -> Self {
        self.put(0x10 + 4 * index, &(INITIAL_BASE | size | 0xc).to_le_bytes());
        self.bars.extend([(index, !(size - 1) | 0xc), (index + 1, u32::MAX)]);
        self
    }

    /// Adds a BAR of `count` I/O ports.
    #[must_use]
    pub fn ports(mut self, index: usize, count: u32) -> Self {
        self.put(0x10 + 4 * index, &(0xc001 | count).to_le_bytes());
        self.bars.push((index, !(count - 1) | 1));
        self
    }

    /// Adds a capability: its id, and the bytes after the pointer to the next one.
    #[must_use]
    pub fn capability(mut self, id: u8, body: &[u8]) -> Self {
        let at = self.free;
        self.put(self.pointer, &[u8::try_from(at).expect("room for a capability")]);
        self.put(at, &[id, 0]);
        self.put(at + 2, body);
        self.put(0x06, &[0x10]);
        self.pointer = at + 1;
        self.free = (at + 2 + body.len()).next_multiple_of(4);
        self
    }

    /// Adds an MSI capability with a power of two of messages, 64-bit addresses and masks.
    #[must_use]
    pub fn msi(self, messages: u16) -> Self {
        let [low, high] = (u16::try_from(messages.ilog2()).unwrap_or(0) << 1 | 0x180).to_le_bytes();
        let mut body = [0; 22];
        body[..2].copy_from_slice(&[low, high]);
        self.capability(0x05, &body)
    }

    /// Adds an MSI-X capability, with the table at the start of a BAR and the pending bits at offset `pending`.
    #[must_use]
    pub fn msix(self, entries: u16, bar: u8, pending: u32) -> Self {
        let mut body = [0; 10];
        body[..2].copy_from_slice(&(entries - 1).to_le_bytes());
        body[2] = bar;
        body[6..].copy_from_slice(&(pending | u32::from(bar)).to_le_bytes());
        self.capability(0x11, &body)
    }

    /// Adds the PCI Express capability of an endpoint.
    #[must_use]
    pub fn express(self) -> Self {
        let mut body = [0; 58];
        body[0] = 0x02;
        self.capability(0x10, &body)
    }

    /// Returns the bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the configuration space.
    #[must_use]
    pub fn space(&self) -> Space {
        self.bars.iter().fold(Space::new(&self.bytes), |space, &(index, readback)| space.bar(index, readback))
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }
}
