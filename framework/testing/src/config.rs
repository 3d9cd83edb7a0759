//! Configuration space of the fake machine: bytes, with masks of what can be written.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use switchboard::config::{Address, ConfigAccess, Width};
use switchboard::sync::IrqLock;

use super::device_state::DeviceState;
use super::function::FakeFunction;

/// The configuration spaces of all functions of a machine.
#[derive(Debug)]
pub(super) struct FakeConfig {
    functions: IrqLock<BTreeMap<Address, (FakeFunction, Arc<DeviceState>)>>,
}

impl FakeConfig {
    pub(super) const fn new() -> Self {
        Self { functions: IrqLock::new(BTreeMap::new()) }
    }

    /// Adds a function at an address that has none, or a removed one.
    pub(super) fn insert(&self, function: FakeFunction, state: Arc<DeviceState>) {
        let before = self.functions.lock().insert(function.address, (function, state));
        assert!(before.is_none_or(|(_, state)| state.is_gone()), "two functions at one address");
    }

    /// Returns the state of the function at `address`.
    pub(super) fn state(&self, address: Address) -> Option<Arc<DeviceState>> {
        self.functions.lock().get(&address).map(|(_, state)| state.clone())
    }

    /// Reads as the device itself does: the access is not counted, and a removed function still has its values.
    pub(super) fn peek(&self, address: Address, offset: u16, width: Width) -> u32 {
        let functions = self.functions.lock();
        let range = usize::from(offset)..usize::from(offset) + usize::from(width.bytes());
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
        let is_there = self.state(address).is_some_and(|state| state.admit());
        if is_there { self.peek(address, offset, width) } else { width.ones() }
    }

    fn write(&self, address: Address, offset: u16, width: Width, value: u32) {
        let mut functions = self.functions.lock();
        let Some((function, state)) = functions.get_mut(&address) else { return };
        if !state.admit() {
            return;
        }
        let end = function.bytes.len();
        for (place, byte) in (usize::from(offset)..end).zip(value.to_le_bytes()).take(usize::from(width.bytes())) {
            let (writable, clearable) = (function.writable[place], function.clearable[place]);
            function.bytes[place] = function.bytes[place] & !writable & !(byte & clearable) | byte & writable;
        }
    }

    fn size(&self, address: Address) -> u16 {
        let size = self.functions.lock().get(&address).map_or(256, |(function, _)| function.bytes.len());
        u16::try_from(size).unwrap_or(u16::MAX)
    }
}

/// A configuration space in which each function exists, has 4,096 bytes, and reads the same dword everywhere. Writes have no
/// effect.
///
/// ```
/// use switchboard::config::{Address, ConfigAccess, Width};
/// use switchboard_testing::UniformConfig;
///
/// let host_bridge = UniformConfig(0x29c0_8086);
/// assert_eq!(host_bridge.read(Address::new(0, 0, 0, 0), 0, Width::Dword), 0x29c0_8086);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UniformConfig(pub u32);

impl ConfigAccess for UniformConfig {
    fn read(&self, _: Address, _: u16, _: Width) -> u32 {
        self.0
    }

    fn write(&self, _: Address, _: u16, _: Width, _: u32) {}

    fn size(&self, _: Address) -> u16 {
        4096
    }
}
