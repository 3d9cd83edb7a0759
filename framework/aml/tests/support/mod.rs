//! What stands behind the fields of tables in tests.

use std::collections::BTreeMap;

use switchboard_aml::{Function, Hardware, PciRouting};

/// Nothing can be read.
#[derive(Debug)]
pub(crate) struct NoFields;

impl Hardware for NoFields {
    fn read_memory(&self, _: u64, _: u8) -> Option<u64> {
        None
    }

    fn read_config(&self, _: Function, _: u16, _: u8) -> Option<u64> {
        None
    }
}

/// Bytes of memory and of configuration spaces.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    memory: BTreeMap<u64, u8>,
    config: Vec<(Function, BTreeMap<u64, u8>)>,
}

impl Fields {
    pub(crate) fn memory(mut self, address: u64, bytes: &[u8]) -> Self {
        self.memory.extend((address..).zip(bytes.iter().copied()));
        self
    }

    pub(crate) fn config(mut self, function: Function, offset: u64, bytes: &[u8]) -> Self {
        self.config.push((function, (offset..).zip(bytes.iter().copied()).collect()));
        self
    }
}

/// Reads bytes, of which all have to be there.
fn read(bytes: &BTreeMap<u64, u8>, address: u64, width: u8) -> Option<u64> {
    let bytes = (0..u64::from(width)).map(|index| bytes.get(&(address + index)).copied());
    bytes.rev().try_fold(0, |value, byte| Some(value << 8 | u64::from(byte?)))
}

impl Hardware for Fields {
    fn read_memory(&self, address: u64, width: u8) -> Option<u64> {
        read(&self.memory, address, width)
    }

    fn read_config(&self, function: Function, offset: u16, width: u8) -> Option<u64> {
        let (_, bytes) = self.config.iter().find(|(other, _)| *other == function)?;
        read(bytes, offset.into(), width)
    }
}

/// Returns the routes as segment, bus, device, pin and GSI.
pub(crate) fn routes(routing: &PciRouting) -> Vec<(u16, u8, u8, u8, u32)> {
    let routes = routing.routes.iter();
    routes.map(|route| (route.segment, route.bus, route.device, route.pin, route.gsi)).collect()
}
