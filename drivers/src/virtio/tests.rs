//! Tests of the transport, with good and faulty functions.

use alloc::format;
use alloc::string::{String, ToString};

use switchboard::driver::{Driver, ProbeError};
use switchboard_testing::FakeFunction;

use super::testing::{COMMON, ISR, OFFERED, capability, function, machine, notify_capability};
use super::{VENDOR, VirtioRng};

/// Returns the error of probing a function.
fn refusal(function: FakeFunction) -> String {
    let (_machine, function) = machine(function, OFFERED, 1);
    VirtioRng::probe(function).expect_err("a refusal").to_string()
}

/// Returns a function with a good capability of each structure but `kind`, which has `body` instead.
fn with(kind: u8, body: &[u8]) -> FakeFunction {
    let good = [
        (1, capability(1, 0, 0, 56)),
        (2, notify_capability(0x3000, 0x1000, 4)),
        (3, capability(3, 0, 0x1000, 1)),
        (4, capability(4, 0, 0x2000, 0x100)),
    ];
    let function = FakeFunction::new(VENDOR, 0x1044).pin(1, 11).bar(0, 0x4000).bar(1, 0x1000).msix(4, 1, 0, 0x800);
    good.into_iter().fold(function, |function, (each, good)| match each == kind {
        true => function.capability(9, body),
        false => function.capability(9, &good),
    })
}

#[test]
fn a_probed_device_is_running_and_dropping_resets_it() {
    let (machine, function) = machine(function(0x1044), OFFERED, 1);
    let address = function.address();
    let status = || machine.read_register(address, 0, COMMON + 20) & 0xff;
    let rng = VirtioRng::probe(function).expect("a good device");
    assert_eq!(status(), 1 | 2 | 8 | 4);
    assert_eq!(machine.read_register(address, 0, COMMON + 12), 1, "the upper features: VERSION_1");
    assert_eq!(machine.read_register(address, 0, COMMON + 28) & 0xffff, 1, "the queue is enabled");
    assert!(machine.dma_pages() > 0);
    drop(rng);
    assert_eq!(status(), 0);
    assert_eq!((machine.dma_pages(), machine.mode(address)), (0, None));
    assert!(machine.machine().take_all().into_iter().any(|function| function.address() == address));
}

#[test]
fn invalid_capabilities_are_named() {
    let cases: &[(&str, FakeFunction)] = &[
        ("BAR of a virtio capability, 0 to 5: 0x5 wanted, 0x6 found", with(1, &capability(1, 6, 0, 56))),
        ("BAR of a virtio capability, 0 to 5: 0x5 wanted, 0xff found", with(3, &capability(3, 0xff, 0, 1))),
        ("BAR 5 is missing", with(1, &capability(1, 5, 0, 56))),
        ("BAR 0 is too small: 16385 bytes wanted, 16384 there", with(3, &capability(3, 0, 0x4000, 1))),
        ("BAR 0 is too small: 8589934590 bytes wanted", with(2, &notify_capability(u32::MAX, u32::MAX, 4))),
        ("length of a virtio structure: 0x38 wanted, 0x37 found", with(1, &capability(1, 0, 0, 55))),
        ("length of a virtio structure: 0x1 wanted, 0x0 found", with(3, &capability(3, 0, 0x1000, 0))),
        ("length of a virtio capability: 0x10 wanted, 0xf found", {
            let mut body = capability(1, 0, 0, 56);
            body[0] = 15;
            with(1, &body)
        }),
        ("length of a virtio capability: 0x14 wanted, 0x10 found", with(2, &capability(2, 0, 0x3000, 0x1000))),
        ("multiplier, an even power of two: 0x4 wanted, 0x3 found", with(2, &notify_capability(0x3000, 0x1000, 3))),
        (
            "end of a virtio doorbell, within its structure: 0x0 wanted, 0x2 found",
            with(2, &notify_capability(0x3000, 0, 4)),
        ),
        ("is not aligned to 2 bytes", with(2, &notify_capability(0x3001, 0x100, 4))),
        ("is not aligned to 4 bytes", with(1, &capability(1, 0, 2, 56))),
        ("BAR 1 holds the MSI-X table or pending bits", with(1, &capability(1, 1, 0, 56))),
        ("capability for the common configuration is missing", with(1, &capability(9, 0, 0, 56))),
        ("notifications is missing", with(2, &capability(0, 0, 0, 56))),
        ("only the legacy interface", FakeFunction::new(VENDOR, 0x1005).pin(1, 11).bar(0, 0x4000)),
    ];
    for (words, function) in cases {
        let error = refusal(function.clone());
        assert!(error.contains(words), "expected `{words}`, got `{error}`");
    }
}

#[test]
fn the_first_usable_capability_of_a_structure_counts() {
    let function = with(3, &capability(3, 7, 0, 1)).capability(9, &capability(3, 0, ISR, 1));
    let (_machine, function) = machine(function, OFFERED, 1);
    assert!(VirtioRng::probe(function).is_ok());
}

#[test]
fn the_queue_registers_are_checked() {
    let error = |offset: u64, value: u32| {
        let (machine, function) = machine(function(0x1044), OFFERED, 1);
        machine.write_register(function.address(), 0, COMMON + offset, value);
        VirtioRng::probe(function).expect_err("a refusal").to_string()
    };
    assert!(error(4, 0).contains("virtio features: 0x100000000 wanted, 0x0 found"));
    assert!(error(16, 0).contains("number of virtio queues: 0x1 wanted, 0x0 found"));
    assert!(error(24, 0).contains("size of a virtio queue, a power of two: 0x4 wanted, 0x0 found"));
    assert!(error(24, 6).contains("a power of two: 0x4 wanted, 0x6 found"));
    assert!(
        error(28, 0xffff << 16)
            .contains("end of a virtio doorbell, within its structure: 0x1000 wanted, 0x3fffe found")
    );
}

#[test]
fn a_removed_device_is_refused() {
    let (machine, function) = machine(function(0x1044), OFFERED, 1);
    let address = function.address();
    machine.remove(address);
    assert!(matches!(VirtioRng::probe(function), Err(ProbeError::Claim(_))), "{}", format!("{address} was probed"));
}
