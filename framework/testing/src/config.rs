//! The configuration spaces of the machine.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use switchboard::config::{Address, ConfigAccess, Width};
use switchboard::sync::IrqLock;

use super::function::FakeFunction;
use super::lifetime::Lifetime;

/// The configuration spaces of a machine.
#[derive(Debug)]
pub(super) struct FakeConfig {
    functions: IrqLock<BTreeMap<Address, (FakeFunction, Arc<Lifetime>)>>,
}

impl FakeConfig {
    pub(super) const fn new() -> Self {
        Self { functions: IrqLock::new(BTreeMap::new()) }
    }

    /// Puts a function where none is.
    pub(super) fn insert(&self, function: FakeFunction, lifetime: Arc<Lifetime>) {
        let before = self.functions.lock().insert(function.address, (function, lifetime));
        assert!(before.is_none_or(|(_, lifetime)| lifetime.is_gone()), "two functions at one address");
    }

    /// How long the function stays.
    pub(super) fn lifetime(&self, address: Address) -> Option<Arc<Lifetime>> {
        self.functions.lock().get(&address).map(|(_, lifetime)| lifetime.clone())
    }

    /// Reads as the device itself does: not counted, and also when it is gone.
    pub(super) fn peek(&self, address: Address, offset: u16, width: Width) -> u32 {
        let functions = self.functions.lock();
        let range = usize::from(offset)..usize::from(offset + width.bytes());
        let bytes = functions.get(&address).and_then(|(function, _)| function.bytes.get(range));
        bytes.map_or(width.ones(), |bytes| bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    }

    /// Sets a word, read-only bits included.
    pub(super) fn set(&self, address: Address, offset: u16, value: u16) {
        if let Some((function, _)) = self.functions.lock().get_mut(&address) {
            function.bytes[usize::from(offset)..usize::from(offset) + 2].copy_from_slice(&value.to_le_bytes());
        }
    }
}

impl ConfigAccess for FakeConfig {
    fn read(&self, address: Address, offset: u16, width: Width) -> u32 {
        let is_there = self.lifetime(address).is_some_and(|lifetime| lifetime.admit());
        if is_there { self.peek(address, offset, width) } else { width.ones() }
    }

    fn write(&self, address: Address, offset: u16, width: Width, value: u32) {
        let mut functions = self.functions.lock();
        let Some((function, lifetime)) = functions.get_mut(&address) else { return };
        if !lifetime.admit() {
            return;
        }
        for (place, byte) in (usize::from(offset)..256).zip(value.to_le_bytes()).take(usize::from(width.bytes())) {
            let (writable, clearable) = (function.writable[place], function.clearable[place]);
            function.bytes[place] = function.bytes[place] & !writable & !(byte & clearable) | byte & writable;
        }
    }

    fn size(&self, _address: Address) -> u16 {
        256
    }
}
