//! The scan on machines with any contents in their registers: afterwards each address leads to the one function that decodes it.

mod wired;

use core::ops::Range;

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use switchboard::assign::Apertures;
use switchboard::bar::BarKind;
use switchboard::config::Address;
use switchboard::machine::Machine;
use switchboard_testing::FakeMachine;
use wired::{Bar, Part, Wired};

const PORTS: Range<u64> = 0x1000..0x1_0000;
const LOW: Range<u64> = 0x8000_0000..0xb000_0000;
const HIGH: Range<u64> = 1 << 38..1 << 40;
const RAM: Range<u64> = 0..0x8000_0000;

fn machine(wired: &'static Wired) -> &'static Machine {
    let apertures = Apertures { io: vec![PORTS], memory: vec![LOW, HIGH], taken: vec![RAM] };
    FakeMachine::builder().config(wired).apertures(apertures).build().machine()
}

fn bar(index: usize) -> impl Strategy<Value = Bar> {
    (any::<bool>(), any::<bool>(), any::<bool>(), 4..20_u32).prop_map(move |(io, wide, prefetchable, order)| Bar {
        index,
        io,
        wide: wide && !io,
        prefetchable: prefetchable && !io,
        size: if io { 4 << (order % 6) } else { 1 << order },
    })
}

/// Generates the contents of a register as firmware left them.
fn junk() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(0), 2 => LOW, 1 => HIGH, 1 => PORTS, 1 => any::<u64>()]
}

/// A function: whether it is a bridge and has a slot; its BARs; the contents of the BARs, of Command, and of a bridge's bus numbers
/// and windows.
type Made = ((bool, bool), (Bar, Bar), (u64, u64), u8, [u8; 3], u64);

fn made() -> impl Strategy<Value = (usize, Made)> {
    let numbers = prop_oneof![3 => Just([0; 3]), 1 => any::<[u8; 3]>(), 1 => [0..4_u8, 0..8_u8, 0..12_u8]];
    let kind = (any::<bool>(), any::<bool>());
    (any::<usize>(), (kind, (bar(0), bar(2)), (junk(), junk()), 0..8_u8, numbers, any::<u64>()))
}

fn part(parts: &[Part], choice: usize, made: Made) -> Option<Part> {
    let ((is_bridge, has_slot), (first, second), left, command, numbers, windows) = made;
    let bridges: Vec<_> = (0..parts.len()).filter(|index| parts[*index].is_bridge()).collect();
    let parent = bridges.get(choice % (bridges.len() + 1)).copied();
    let device = u8::try_from(parts.iter().filter(|part| part.parent == parent).count()).ok()?;
    let places = if parent.is_some_and(|parent| parts[parent].has_slot()) { 1 } else { 32 };
    if device >= places {
        return None;
    }
    if is_bridge {
        let bridge =
            Part::bridge(parent, device, has_slot).left(0x18, &numbers).left(0x1c, &windows.to_le_bytes()[..2]);
        return Some(bridge.left(0x20, &windows.to_le_bytes()).left(4, &[command]));
    }
    let endpoint = Part::endpoint(parent, device).with(first).with(second);
    let endpoint = endpoint.left(0x10, &left.0.to_le_bytes()).left(0x18, &left.1.to_le_bytes());
    Some(endpoint.left(4, &[command]))
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    vec(made(), 0..16).prop_map(|all| {
        let mut parts = Vec::new();
        for (choice, made) in all {
            parts.extend(part(&parts, choice, made));
        }
        parts
    })
}

/// Returns every BAR that has an address, with its part.
fn decoded(machine: &Machine, parts: &[Part]) -> Vec<(usize, usize, bool, Range<u64>)> {
    let mut all = Vec::new();
    for function in machine.functions() {
        let is_it =
            |index: &usize| Wired::is_numbered(parts, *index) && Wired::address(parts, *index) == function.address;
        let index = (0..parts.len()).find(is_it).expect("a part");
        for bar in function.bars {
            let Ok(start) = bar.address else { continue };
            all.push((index, usize::from(bar.index), bar.kind == BarKind::Io, start..start + bar.size));
        }
    }
    all
}

/// Checks that every part was found that is not behind a bridge without a number, and that both ends of every BAR lead through
/// the bridges to that BAR alone.
fn check(machine: &Machine, wired: &Wired) {
    let parts = wired.parts();
    let mut found: Vec<Address> = machine.functions().iter().map(|function| function.address).collect();
    let reachable = (0..parts.len()).filter(|index| Wired::is_numbered(&parts, *index));
    let mut there: Vec<Address> = reachable.map(|index| Wired::address(&parts, index)).collect();
    found.sort_unstable();
    there.sort_unstable();
    assert_eq!(found, there);
    let bars = decoded(machine, &parts);
    for (index, bar, io, range) in &bars {
        for at in [range.start, range.end - 1] {
            assert_eq!(Wired::follow(&parts, &bars, *io, at), [(*index, *bar)], "{at:#x} of {range:x?}");
        }
        assert!(*io || RAM.end <= range.start, "{range:x?} in RAM");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Every function is found when firmware numbered no bus, however deep and wide the tree.
    #[test]
    fn every_bus_gets_a_number(choices in vec((any::<usize>(), any::<bool>()), 0..60)) {
        let mut parts: Vec<Part> = Vec::new();
        for (choice, has_slot) in choices {
            let wide = Bar { index: 0, io: false, wide: false, prefetchable: false, size: 16 };
            parts.extend(part(&parts, choice, ((true, has_slot), (wide, wide), (0, 0), 0, [0; 3], 0)));
        }
        let wired: &Wired = Box::leak(Box::new(Wired::new(parts)));
        let machine = machine(wired);
        machine.scan();
        prop_assert_eq!(machine.functions().len(), wired.parts().len());
        check(machine, wired);
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_address_leads_to_one_function(parts in parts()) {
        let wired: &Wired = Box::leak(Box::new(Wired::new(parts)));
        let machine = machine(wired);
        machine.scan();
        check(machine, wired);
        let failed = machine.functions().iter().flat_map(|function| function.bars.clone()).filter(|bar| {
            bar.kind != BarKind::Io && bar.address.is_err()
        }).count();
        prop_assert_eq!(failed, 0, "no room for {} BARs, though there are few", failed);
    }

    /// A second machine's scan keeps the addresses that the first one assigned; a second scan of the same machine writes nothing.
    #[test]
    fn assigned_addresses_are_kept(parts in parts()) {
        let wired: &Wired = Box::leak(Box::new(Wired::new(parts)));
        let first = machine(wired);
        first.scan();
        let before = wired.parts();
        // Where the space ran out, the remainder may suffice for other BARs the next time.
        if first.functions().iter().flat_map(|function| &function.bars).any(|bar| bar.address.is_err()) {
            return Ok(());
        }
        if (0..before.len()).any(|index| before[index].is_bridge() && Wired::secondary(&before, index) == 0) {
            return Ok(());
        }
        wired.take_writes();
        first.scan();
        prop_assert_eq!(wired.take_writes(), []);
        let second = machine(wired);
        second.scan();
        check(second, wired);
        for (was, is) in before.iter().zip(wired.parts()) {
            prop_assert_eq!(was.bytes, is.bytes);
        }
    }

    /// A function that is inserted later is reached, and no other function moves.
    #[test]
    fn a_function_inserted_later_is_reached(parts in parts(), (choice, made) in made()) {
        let wired: &Wired = Box::leak(Box::new(Wired::new(parts)));
        let machine = machine(wired);
        machine.scan();
        let before = decoded(machine, &wired.parts());
        let Some(late) = part(&wired.parts(), choice, made) else { return Ok(()) };
        wired.add(late);
        machine.scan();
        let after = decoded(machine, &wired.parts());
        for bar in &before {
            assert!(after.contains(bar), "{bar:x?} moved");
        }
        let parts = wired.parts();
        for (index, bar, io, range) in &after {
            assert_eq!(Wired::follow(&parts, &after, *io, range.start), [(*index, *bar)], "{range:x?}");
        }
    }
}

/// A driver that has not released its removed function may still write to that function's addresses.
#[test]
fn addresses_of_a_removed_function_are_not_reused_while_a_driver_owns_it() {
    let card = Bar { index: 0, io: false, wide: true, prefetchable: true, size: 0x8_0000 };
    let parts = vec![
        Part::bridge(None, 0, false),
        Part::bridge(Some(0), 0, false),
        Part::endpoint(Some(1), 0).with(card),
        Part::endpoint(Some(0), 1).with(card),
    ];
    let wired: &Wired = Box::leak(Box::new(Wired::new(parts)));
    let machine = machine(wired);
    machine.scan();
    let before = decoded(machine, &wired.parts());
    let held: Vec<_> = machine.take_all().into_iter().filter_map(|function| function.claim().ok()).collect();
    assert_eq!(held.len(), 2);
    // The inner bridge and what is behind it, and another one in its parent's place.
    (1..3).for_each(|index| wired.remove(index));
    assert_eq!(machine.check_presence(), 2);
    wired.add(Part::endpoint(Some(0), 2).with(Bar { size: 0x1_0000, ..card }));
    machine.scan();
    let late = machine.functions().into_iter().find(|function| function.address.device() == 2).expect("the new one");
    let start = late.bars[0].address.expect("a place");
    for (.., range) in before {
        assert!(start + 0x1_0000 <= range.start || range.end <= start, "{start:#x} in {range:x?}");
    }
    drop(held);
}
