//! Registers of the test machine as the device accesses them: any offset in a BAR, and none outside.

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use switchboard::config::Address;
use switchboard_testing::{FakeFunction, FakeMachine};

fn address() -> Address {
    Address::new(0, 0, 3, 0)
}

fn machine() -> FakeMachine {
    FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).at("00:03.0").bar(0, 0x40)])
}

#[test]
fn a_misaligned_register_is_read_and_written_by_its_bytes() {
    let fake = machine();
    fake.write_register(address(), 0, 0x39, 0x4433_2211);
    assert_eq!(fake.read_register(address(), 0, 0x39), 0x4433_2211);
    assert_eq!(fake.read_register(address(), 0, 0x38), 0x3322_1100);
    assert_eq!(fake.read_register_u8(address(), 0, 0x3c), 0x44);
}

#[test]
fn a_register_that_reaches_past_its_bar_is_a_clear_panic() {
    let fake = machine();
    assert_eq!(fake.read_register(address(), 0, 0x3c), 0);
    let past = [0x3d, 0x3e, 0x3f, 0x40, u64::MAX - 2];
    for offset in past {
        let read = catch_unwind(AssertUnwindSafe(|| fake.read_register(address(), 0, offset)));
        let message = *read.expect_err("out of bounds").downcast::<String>().expect("a text");
        assert!(message.contains("are not in BAR 0 of 0000:00:03.0"), "{message}");
        assert!(catch_unwind(AssertUnwindSafe(|| fake.write_register(address(), 0, offset, 1))).is_err());
    }
}
