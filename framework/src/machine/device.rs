//! The functions of a device by its place, and those behind it.

use alloc::vec::Vec;

use super::Machine;
use crate::config::{Address, HeaderKind};
use crate::inventory::Inventory;
use crate::platform::HotplugBus;

/// Returns the segment and the number of a bus.
fn number(inventory: &Inventory, bus: HotplugBus) -> Option<(u16, u8)> {
    match bus {
        HotplugBus::Root(segment, number) => Some((segment, number)),
        HotplugBus::Behind(bridge) => match inventory.find(bridge)?.header().kind {
            HeaderKind::Bridge(kind) if kind.buses.secondary != 0 => Some((bridge.segment(), kind.buses.secondary)),
            _ => None,
        },
    }
}

impl Machine {
    /// Returns the addresses of a device's functions, and of those behind it if it is a bridge; bridges before the functions behind them.
    ///
    /// ```
    /// use switchboard::config::Address;
    /// use switchboard::platform::HotplugBus;
    /// # use switchboard_testing::{FakeFunction, FakeMachine};
    /// # let port = FakeFunction::new(0x1b36, 0x000c).at("00:02.0").root_port(1, 0x5b);
    /// # let fake = FakeMachine::new([port, FakeFunction::new(0x1af4, 0x1041).at("01:00.0")]);
    /// # let machine = fake.machine();
    /// let (port, card) = (Address::new(0, 0, 2, 0), Address::new(0, 1, 0, 0));
    /// assert_eq!(machine.functions_of(HotplugBus::Root(0, 0), 2), [port, card]);
    /// assert_eq!(machine.functions_of(HotplugBus::Behind(port), 0), [card]);
    /// assert!(machine.functions_of(HotplugBus::Behind(card), 0).is_empty());
    /// ```
    #[must_use]
    pub fn functions_of(&self, bus: HotplugBus, device: u8) -> Vec<Address> {
        let Some((segment, number)) = number(&self.inventory, bus) else { return Vec::new() };
        let records = self.inventory.records();
        let is_own =
            |address: Address| (address.segment(), address.bus(), address.device()) == (segment, number, device);
        let behind = records.iter().filter_map(|record| match record.header().kind {
            HeaderKind::Bridge(kind) if is_own(record.address()) && kind.buses.secondary > number => {
                Some(kind.buses.secondary..=kind.buses.subordinate)
            }
            _ => None,
        });
        let behind: Vec<_> = behind.collect();
        let is_behind = |address: Address| {
            address.segment() == segment && behind.iter().any(|buses| buses.contains(&address.bus()))
        };
        // The records are in order of address, and buses are numbered from the root on.
        let addresses = records.iter().map(|record| record.address());
        addresses.filter(|address| is_own(*address) || is_behind(*address)).collect()
    }
}
