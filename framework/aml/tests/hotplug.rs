//! Hot-plug registers by a table that was compiled from the source beside it.

#[expect(dead_code, reason = "for the tests of routing, too")]
mod support;

use support::{Fields, NoFields};
use switchboard_aml::{Function, HotplugBus, pci_hotplug};

const HOTPLUG: &[u8] = include_bytes!("tables/hotplug.aml");
const MODES: &[u8] = include_bytes!("tables/modes.aml");

#[test]
fn registers_buses_and_the_event_are_found() {
    let bridge = Function { device: 4, ..Function::default() };
    let nested = Function { bus: 7, device: 3, ..Function::default() };
    let fields = Fields::default().config(bridge, 0x18, &[0, 7, 9, 0]);
    let found = pci_hotplug(&[HOTPLUG], &fields).expect("registers");
    assert_eq!((found.port, found.event), (0xae00, 0x13));
    let bus = |selector, bridge| HotplugBus { selector, bridge, root: (0, 0) };
    assert_eq!(found.buses, [bus(0, None), bus(5, Some(bridge)), bus(6, Some(nested))]);
}

#[test]
fn a_bus_whose_bridge_cannot_be_reached_is_left_out() {
    let found = pci_hotplug(&[HOTPLUG], &NoFields).expect("registers");
    assert_eq!(found.buses.iter().map(|bus| bus.selector).collect::<Vec<_>>(), [0, 5]);
}

#[test]
fn tables_without_registers_have_none() {
    assert_eq!(pci_hotplug(&[MODES], &NoFields), None);
    assert_eq!(pci_hotplug(&[], &NoFields), None);
}
