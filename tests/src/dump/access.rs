//! A dump as the framework sees it: configuration space that is there to read, and drops what is written.

use switchboard::config::{Address, ConfigAccess, Width};

use super::DumpedFunction;

/// The configuration spaces of a dump. Their addresses are their places in it: what a dump calls its functions need not
/// be unique, nor fit an address.
#[derive(Debug)]
pub struct DumpAccess {
    functions: Vec<DumpedFunction>,
}

impl DumpAccess {
    /// Of these functions. Lives for ever, as what the framework reads does.
    #[must_use]
    pub fn leak(functions: Vec<DumpedFunction>) -> &'static Self {
        Box::leak(Box::new(Self { functions }))
    }

    /// The functions, each with the address by which it is read here.
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
