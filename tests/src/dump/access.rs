//! A dump as configuration space for the framework: reads return its bytes, writes are ignored.

use switchboard::config::{Address, ConfigAccess, Width};

use super::DumpedFunction;

/// The configuration spaces of a dump. A function's address is derived from its index, because the names in a dump need
/// not be unique, nor fit an [`Address`].
#[derive(Debug)]
pub struct DumpAccess {
    functions: Vec<DumpedFunction>,
}

impl DumpAccess {
    /// Creates access to these functions, leaked because the framework takes a `&'static`.
    #[must_use]
    pub fn leak(functions: Vec<DumpedFunction>) -> &'static Self {
        Box::leak(Box::new(Self { functions }))
    }

    /// Returns the functions with the addresses by which this access reads them.
    pub fn functions(&self) -> impl Iterator<Item = (Address, &DumpedFunction)> {
        let addresses = (0..=u16::MAX).flat_map(|segment| {
            (0..=u16::MAX).map(move |place| {
                let [slot, bus] = place.to_le_bytes();
                Address::new(segment, bus, slot >> 3, slot & 7)
            })
        });
        addresses.zip(&self.functions)
    }

    fn bytes(&self, address: Address) -> &[u8] {
        let slot = u32::from(address.device()) << 3 | u32::from(address.function());
        let place = u32::from(address.segment()) << 16 | u32::from(address.bus()) << 8 | slot;
        let function = usize::try_from(place).ok().and_then(|place| self.functions.get(place));
        function.map_or(&[], |function| &function.bytes)
    }
}

impl ConfigAccess for DumpAccess {
    fn read(&self, address: Address, offset: u16, width: Width) -> u32 {
        let range = usize::from(offset)..usize::from(offset) + usize::from(width.bytes());
        let bytes = self.bytes(address).get(range);
        bytes.map_or(width.ones(), |bytes| bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    }

    fn write(&self, _: Address, _: u16, _: Width, _: u32) {}

    fn size(&self, address: Address) -> u16 {
        self.bytes(address).len().try_into().unwrap_or(4096)
    }
}
