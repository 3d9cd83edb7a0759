//! Tests of a proxied function, accessed as QEMU accesses it.

use super::{Behaviour, ConfigBuilder, Space};

/// Returns a function with a BAR of each type, MSI and MSI-X.
fn config() -> ConfigBuilder {
    ConfigBuilder::new(0x1234, 0x5678, 0x02_00_00)
        .ports(0, 0x20)
        .memory(1, 0x1000)
        .memory64(4, 0x4000)
        .msi(4)
        .msix(8, 1, 0x800)
}

fn handed_over(mut space: Space) -> Space {
    space.hand_over();
    space
}

/// Returns what a BAR register reads after all ones were written.
fn sized(space: &mut Space, index: usize) -> u32 {
    space.write(0x10 + 4 * index, 4, u32::MAX);
    space.read(0x10 + 4 * index, 4)
}

#[test]
fn the_builder_makes_a_valid_function() {
    let mut space = config().space();
    assert_eq!(space.read(0, 4), 0x5678_1234);
    assert_eq!(space.read(8, 4) >> 8, 0x02_0000);
    assert_eq!((space.read(0x34, 1), space.read(0x40, 2), space.read(0x58, 2)), (0x40, 0x5805, 0x0011));
    assert_eq!((space.read(0x42, 2), space.read(0x5a, 2)), (0x184, 7));
    assert_eq!((space.read(0x5c, 4), space.read(0x60, 4)), (1, 0x801));
}

#[test]
fn bars_read_back_their_size_and_type() {
    let mut space = config().space();
    assert_eq!(sized(&mut space, 0), 0xffff_ffe1);
    assert_eq!(sized(&mut space, 1), 0xffff_f000);
    assert_eq!(sized(&mut space, 2), 0, "no BAR");
    assert_eq!((sized(&mut space, 4), sized(&mut space, 5)), (0xffff_c00c, u32::MAX));
    let mut malformed = config().space().bar(1, 0xffff_0ff0).bar(4, u32::MAX);
    assert_eq!((sized(&mut malformed, 1), sized(&mut malformed, 4)), (0xffff_0ff0, u32::MAX));
    space.write(0x14, 2, 0xabcd);
    assert_eq!(space.read(0x14, 4), 0xffff_a000, "half of it written");
}

#[test]
fn only_defined_bits_are_writable() {
    let mut space = config().space();
    for offset in (0..256).step_by(4) {
        space.write(offset, 4, 0);
        space.write(offset, 4, u32::MAX);
    }
    assert_eq!(space.read(0, 4), 0x5678_1234);
    assert_eq!(space.read(4, 4), 0x0010_07ff, "Command is writable, Status is not");
    assert_eq!(space.read(0x3c, 2), 0x01ff, "Interrupt Line is writable, Interrupt Pin is not");
    assert_eq!(space.read(0x42, 2), 0x01f5, "MSI: enable and the number granted");
    assert_eq!(space.read(0x5a, 2), 0xc007, "MSI-X: enable and the mask");
    space.reset();
    assert_eq!(space.read(4, 2), 0);
}

#[test]
fn deviations_begin_at_hand_over() {
    let change = Behaviour::SecondRead { offset: 0, width: 4, value: 0xdead_beef };
    let mut space = config().space().deviation(change).deviation(Behaviour::GoneAfterReads(3));
    assert_eq!([0; 5].map(|_| space.read(0, 4)), [0x5678_1234; 5]);
    let mut space = handed_over(space);
    assert_eq!(space.read(0, 4), 0x5678_1234);
    assert_eq!(space.read(2, 2), 0xdead);
    assert_eq!(space.read(8, 1), 1);
    assert_eq!((space.read(8, 1), space.read(0, 2), space.read(0, 4)), (0xff, 0xffff, u32::MAX));
}

#[test]
fn removed_functions_and_read_only_registers_ignore_writes() {
    let mut fixed =
        config().space().deviation(Behaviour::ReadOnly { offset: 4 }).deviation(Behaviour::ReadOnly { offset: 0x14 });
    fixed.write(4, 2, 7);
    let before = fixed.read(0x14, 4);
    assert_eq!((fixed.read(4, 2), sized(&mut fixed, 1)), (0, before));
    let mut leaving = handed_over(config().space().deviation(Behaviour::GoneAfterWrites(1)));
    assert_eq!(sized(&mut leaving, 1), u32::MAX);
    assert!(leaving.is_gone());
}

#[test]
fn the_firmware_finds_an_unknown_device_or_none() {
    let mut space = config().space();
    assert_eq!((space.read_by_firmware(0, 4), space.read_by_firmware(8, 4)), (0xfffe_1234, 0xff00_0001));
    let mut hidden = config().space().hidden();
    assert_eq!((hidden.read_by_firmware(0, 2), hidden.read(0, 2)), (0xffff, 0x1234));
}

#[test]
fn offsets_outside_read_ones() {
    let mut space = config().space();
    assert_eq!((space.read(0xfe, 4), space.read(0x100, 2)), (u32::MAX, 0xffff));
    space.write(0xfe, 4, 0);
}
