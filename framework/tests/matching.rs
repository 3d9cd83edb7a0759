//! Match tables: the functions that an entry matches, and the choice among several drivers.

use switchboard::driver::{Id, best_match};
use switchboard::function::Function;
use switchboard_testing::{FakeFunction, FakeMachine};

/// Returns a function with ids 8086:100e, class 010802, subsystem 15ad:0750.
fn function() -> FakeFunction {
    let class = FakeFunction::new(0x8086, 0x100e).byte(0x0b, 0x01).byte(0x0a, 0x08).byte(0x09, 0x02);
    class.byte(0x2c, 0xad).byte(0x2d, 0x15).byte(0x2e, 0x50).byte(0x2f, 0x07)
}

fn with(function: FakeFunction, test: impl FnOnce(Function)) {
    let fake = FakeMachine::new([function]);
    test(fake.machine().take_all().remove(0));
}

/// Entries that match the function, from the least specific one on.
const FITTING: [Id; 8] = [
    Id::base_class(0x01),
    Id::class(0x01, 0x08),
    Id::class(0x01, 0x08).interface(0x02),
    Id::new(0x8086, 0x100e),
    Id::class(0x01, 0x08).subsystem(0x15ad, 0x0750),
    Id::class(0x01, 0x08).interface(0x02).subsystem(0x15ad, 0x0750),
    Id::new(0x8086, 0x100e).subsystem(0x15ad, 0x0750),
    Id::new(0x8086, 0x100e).subsystem(0x15ad, 0x0750),
];

#[test]
fn an_entry_matches_functions_that_meet_all_its_conditions() {
    with(function(), |function| {
        assert_eq!(function.subsystem(), Some((0x15ad, 0x0750)));
        for id in FITTING {
            assert!(id.matches(&function), "{id:?}");
        }
        let others = [
            Id::base_class(0x02),
            Id::class(0x01, 0x06),
            Id::class(0x02, 0x08),
            Id::class(0x01, 0x08).interface(0x01),
            Id::new(0x8086, 0x100f),
            Id::new(0x8087, 0x100e),
            Id::new(0x8086, 0x100e).subsystem(0x15ad, 0x0751),
            Id::new(0x8086, 0x100f).subsystem(0x15ad, 0x0750),
            Id::class(0x01, 0x06).subsystem(0x15ad, 0x0750),
            Id::hot_plug_port(),
        ];
        for id in others {
            assert!(!id.matches(&function), "{id:?}");
        }
    });
}

#[test]
fn the_most_specific_match_wins_in_any_order() {
    with(function(), |function| {
        for (index, pair) in FITTING.windows(2).enumerate() {
            let [less, more] = [pair[0], pair[1]].map(|id| [Id::class(0xff, 0xff), id]);
            let winner = best_match(&function, [("less", &less[..]), ("more", &more[..])]);
            let reversed = best_match(&function, [("more", &more[..]), ("less", &less[..])]);
            match index {
                // The last two are equal: the first candidate wins.
                6 => assert_eq!((winner, reversed), (Some("less"), Some("more"))),
                _ => assert_eq!((winner, reversed), (Some("more"), Some("more")), "{less:?} {more:?}"),
            }
        }
    });
}

#[test]
fn a_table_counts_by_its_most_specific_entry() {
    const MANY: &[Id] = &[Id::base_class(0x01), Id::new(0x8086, 0x100e), Id::class(0x01, 0x08)];
    const ONE: &[Id] = &[Id::class(0x01, 0x08).interface(0x02)];
    with(function(), |function| {
        assert_eq!(best_match(&function, [(1, ONE), (2, MANY)]), Some(2));
        assert_eq!(best_match(&function, [(1, &[] as &[Id]), (2, &[Id::class(0x03, 0x00)])]), None);
    });
}

#[test]
fn a_hot_plug_port_matches_by_its_capability_alone() {
    let port = FakeFunction::new(0x1b36, 0x000c).at("00:02.0").root_port(1, 0x60);
    with(port, |function| {
        assert!(Id::hot_plug_port().matches(&function));
        const PORTS: &[Id] = &[Id::hot_plug_port()];
        const BRIDGES: &[Id] = &[Id::class(0x06, 0x04)];
        const THIS: &[Id] = &[Id::new(0x1b36, 0x000c)];
        assert_eq!(best_match(&function, [("bridge", BRIDGES), ("port", PORTS)]), Some("port"));
        assert_eq!(best_match(&function, [("port", PORTS), ("this", THIS)]), Some("this"));
    });
}
