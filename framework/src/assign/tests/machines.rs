//! Assignments on machines as firmware of real boards leaves them.

use alloc::string::ToString;
use alloc::vec;

use super::super::invariants::check;
use super::super::{AddressSpace, AddressState, Failure, Tree, Unassigned};
use super::{GIB, HIGH, LOW, MIB, apertures, bar, function, port};

/// Returns the BARs of `virtio-net-pci`: I/O, the MSI-X table, the virtio structures.
fn virtio() -> [super::BarRequest; 3] {
    [
        bar(AddressSpace::Io, false, 0x20),
        bar(AddressSpace::Memory, false, 0x1000),
        bar(AddressSpace::Prefetchable, true, 0x4000),
    ]
}

#[test]
fn nothing_assigned_and_a_port_with_a_card() {
    let mut tree = Tree::new();
    let card = tree.add(None, function(&virtio())).unwrap();
    let upstream = tree.add(None, port(false)).unwrap();
    let behind = tree.add(Some(upstream), function(&virtio())).unwrap();
    assert_eq!(tree.assign(&apertures()), []);
    check(&tree, &apertures());
    let bridge = tree.node(upstream).unwrap().bridge.clone().unwrap();
    assert_eq!(bridge.io.range, Some(0x1000..0x2000));
    assert_eq!(bridge.memory.range, Some(LOW.start..LOW.start + MIB));
    // 64-bit BARs are placed below 4 GiB as long as there is room.
    assert_eq!(bridge.prefetchable.range, Some(LOW.start + 2 * MIB..LOW.start + 3 * MIB));
    assert!(tree.node(behind).unwrap().bars.iter().all(|bar| bar.address.is_ok()));
    assert_eq!(tree.node(card).unwrap().bars[1].address, Ok(LOW.start + MIB));
}

#[test]
fn eight_gibibytes_go_above_four() {
    let mut tree = Tree::new();
    let big = [bar(AddressSpace::Prefetchable, true, 8 * GIB)];
    let plain = tree.add(None, function(&big)).unwrap();
    let upstream = tree.add(None, port(true)).unwrap();
    let behind = tree.add(Some(upstream), function(&big)).unwrap();
    assert_eq!(tree.assign(&apertures()), []);
    check(&tree, &apertures());
    let address = |id| tree.node(id).unwrap().bars[0].address;
    assert_eq!((address(plain), address(behind)), (Ok(HIGH.start), Ok(HIGH.start + 8 * GIB)));
}

#[test]
fn a_bar_that_does_not_fit_fails_and_the_others_are_placed() {
    let mut tree = Tree::new();
    let upstream = tree.add(None, port(true)).unwrap();
    // Not prefetchable, so it has to be below 4 GiB behind a bridge.
    let large = tree.add(
        Some(upstream),
        function(&[bar(AddressSpace::Memory, true, 8 * GIB), bar(AddressSpace::Memory, false, 0x1000)]),
    );
    let small = tree.add(Some(upstream), function(&virtio())).unwrap();
    let reason = Unassigned::NoRoom { kind: AddressSpace::Memory, size: 8 * GIB, largest: LOW.end - LOW.start };
    assert_eq!(tree.assign(&apertures()), [Failure { node: large.unwrap(), bar: 0, reason }]);
    assert_eq!(reason.to_string(), "no room: 0x200000000 bytes of memory wanted, the largest hole has 0x20000000");
    check(&tree, &apertures());
    assert!(tree.node(small).unwrap().bars.iter().all(|bar| bar.address.is_ok()));
}

#[test]
fn of_two_at_one_address_the_one_that_decodes_keeps_it() {
    let mut tree = Tree::new();
    let at = |address| super::BarRequest { address: Ok(address), ..bar(AddressSpace::Memory, false, 16 * MIB) };
    let silent = tree.add(None, function(&[at(0xd000_0000)])).unwrap();
    let console =
        tree.add(None, super::Node { state: AddressState::Decoding, ..function(&[at(0xd000_0000)]) }).unwrap();
    let on_ram = tree.add(None, super::Node { state: AddressState::Decoding, ..function(&[at(0x4000_0000)]) }).unwrap();
    // Outside of the apertures for new BARs, and not taken.
    let firmwares = tree.add(None, function(&[at(0xf100_0000)])).unwrap();
    assert_eq!(tree.assign(&apertures()), []);
    check(&tree, &apertures());
    let address = |id| tree.node(id).unwrap().bars[0].address;
    assert_eq!((address(console), address(firmwares)), (Ok(0xd000_0000), Ok(0xf100_0000)));
    assert!(LOW.contains(&address(silent).unwrap()) && LOW.contains(&address(on_ram).unwrap()));
}

#[test]
fn a_switch_below_a_port_and_a_card_that_comes_later() {
    let mut tree = Tree::new();
    let root_port = tree.add(None, port(true)).unwrap();
    let upstream = tree.add(Some(root_port), port(false)).unwrap();
    let [first, second] = [(); 2].map(|()| tree.add(Some(upstream), port(true)).unwrap());
    let early = tree.add(Some(first), function(&virtio())).unwrap();
    assert_eq!(tree.assign(&apertures()), []);
    check(&tree, &apertures());
    let before = tree.clone();
    let late = tree.add(Some(second), function(&virtio()[1..])).unwrap();
    assert_eq!(tree.assign(&apertures()), []);
    check(&tree, &apertures());
    assert!(tree.node(late).unwrap().bars.iter().all(|bar| bar.address.is_ok()));
    for id in [root_port, upstream, first, second, early] {
        assert_eq!(tree.node(id), before.node(id));
    }
}

#[test]
fn a_bridge_that_forwards_no_ports() {
    let mut tree = Tree::new();
    let mut bridge = port(false);
    bridge.bridge.as_mut().unwrap().io.ceiling = 0;
    let upstream = tree.add(None, bridge).unwrap();
    let behind = tree.add(Some(upstream), function(&virtio())).unwrap();
    let reason = Unassigned::NotForwarded { kind: AddressSpace::Io };
    assert_eq!(tree.assign(&apertures()), vec![Failure { node: behind, bar: 0, reason }]);
    check(&tree, &apertures());
    assert!(tree.node(behind).unwrap().bars[1..].iter().all(|bar| bar.address.is_ok()));
}

#[test]
fn a_window_that_is_empty_and_too_small_is_opened_elsewhere() {
    let mut tree = Tree::new();
    let mut bridge = port(true);
    bridge.bridge.as_mut().unwrap().prefetchable.range = Some(0xc800_0000..0xc820_0000);
    let slot = tree.add(None, bridge).unwrap();
    let card = tree.add(Some(slot), function(&[bar(AddressSpace::Prefetchable, true, 256 * MIB)])).unwrap();
    assert_eq!(tree.assign(&apertures()), []);
    check(&tree, &apertures());
    assert!(tree.node(card).unwrap().bars[0].address.is_ok());
}

#[test]
fn a_prefetchable_bar_goes_to_the_memory_window_when_its_own_is_full() {
    let mut tree = Tree::new();
    let mut bridge = port(false);
    let windows = bridge.bridge.as_mut().unwrap();
    windows.memory.range = Some(0xc800_0000..0xc810_0000);
    windows.prefetchable.range = Some(0xd000_0000..0xd010_0000);
    let slot = tree.add(None, bridge).unwrap();
    let at = |address| super::BarRequest { address: Ok(address), ..bar(AddressSpace::Prefetchable, true, MIB) };
    tree.add(Some(slot), function(&[at(0xd000_0000)])).unwrap();
    let late = tree.add(Some(slot), function(&[bar(AddressSpace::Prefetchable, true, 0x1000)])).unwrap();
    assert_eq!(tree.assign(&apertures()), []);
    check(&tree, &apertures());
    assert_eq!(tree.node(late).unwrap().bars[0].address, Ok(0xc800_0000));
}

#[test]
fn invalid_sizes_get_no_address() {
    let mut tree = Tree::new();
    let odd = [
        bar(AddressSpace::Memory, true, 0),
        bar(AddressSpace::Memory, true, 3),
        bar(AddressSpace::Memory, true, 1 << 63),
    ];
    let id = tree.add(None, function(&odd)).unwrap();
    assert_eq!(tree.assign(&apertures()).len(), 3);
    assert!(tree.node(id).unwrap().bars.iter().all(|bar| bar.address.is_err()));
    assert_eq!(tree.add(Some(id), function(&[])), None);
}

/// Firmware opened a window over all memory below 4 GiB on a bridge with nothing behind it, whatever the bridge decodes.
#[test]
fn an_empty_window_over_everything_gives_way() {
    for state in [AddressState::Inactive, AddressState::Decoding] {
        let mut tree = Tree::new();
        let mut greedy = port(false);
        greedy.state = state;
        greedy.bridge.as_mut().unwrap().prefetchable.range = Some(LOW);
        let empty = tree.add(None, greedy).unwrap();
        let card = tree.add(None, function(&[bar(AddressSpace::Memory, false, 0x1000)])).unwrap();
        assert_eq!(tree.assign(&apertures()), []);
        check(&tree, &apertures());
        assert_eq!(tree.node(card).unwrap().bars[0].address, Ok(LOW.start));
        assert_eq!(tree.node(empty).unwrap().bridge.as_ref().unwrap().prefetchable.range, None);
    }
}

#[test]
fn an_empty_window_stays_where_there_is_room() {
    let mut tree = Tree::new();
    let mut spare = port(true);
    let window = LOW.start..LOW.start + 16 * MIB;
    spare.bridge.as_mut().unwrap().memory.range = Some(window.clone());
    let slot = tree.add(None, spare).unwrap();
    tree.add(None, function(&virtio())).unwrap();
    assert_eq!(tree.assign(&apertures()), []);
    assert_eq!(tree.node(slot).unwrap().bridge.as_ref().unwrap().memory.range, Some(window));
}
