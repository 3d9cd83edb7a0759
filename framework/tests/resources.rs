//! Claiming, BARs, DMA memory and the walk on a fake machine.

use switchboard::config::Address;
use switchboard::dma::DmaError;
use switchboard::driver::{Driver, Id, ProbeError, attach};
use switchboard::function::{ClaimError, Function, FunctionState, Resources};
use switchboard::mmio::{MapError, Reg, RegisterBlock};
use switchboard_testing::{FakeFunction, FakeMachine};

struct Block;
impl RegisterBlock for Block {
    const SIZE: u64 = 0x100;
}
const VALUE: Reg<Block, u32> = Reg::at(0xfc);

fn function() -> FakeFunction {
    FakeFunction::new(0x1234, 0x11e8).at("00:03.0").pin(1, 11)
}

fn claim(fake: &FakeMachine) -> Resources {
    fake.machine().take(Address::new(0, 0, 3, 0)).expect("free").claim().expect("claimed")
}

#[test]
fn a_function_is_taken_once_and_is_free_again_when_its_last_part_drops() {
    let fake = FakeMachine::new([function().bar(0, 0x1000)]);
    let address = Address::new(0, 0, 3, 0);
    let Resources { bar0, irq, .. } = claim(&fake);
    assert!(fake.machine().take(address).is_none() && fake.machine().take_all().is_empty());
    drop(irq);
    let bar = bar0.map::<Block>().expect("mapped");
    assert!(fake.machine().take(address).is_none());
    drop(bar);
    assert!(fake.machine().take(address).is_some());
}

#[test]
fn registers_reach_the_device() {
    let fake = FakeMachine::new([function().bar(0, 0x1000)]);
    let bar = claim(&fake).bar0.map::<Block>().expect("mapped");
    bar.write(&VALUE, 0xdead_beef);
    assert_eq!(fake.read_register(Address::new(0, 0, 3, 0), 0, 0xfc), 0xdead_beef);
    fake.write_register(Address::new(0, 0, 3, 0), 0, 0xfc, 7);
    assert_eq!(bar.read(&VALUE), 7);
    assert_eq!((bar.try_read::<u32>(0x100), bar.try_read::<u16>(1), bar.try_read::<u8>(1)), (None, None, Some(0)));
}

#[test]
fn a_bar_that_cannot_be_mapped_is_returned_with_the_reason() {
    let fake = FakeMachine::new([function().bar(0, 0x80).byte(0x14, 1).msix(8, 2, 0x800, 0xc00).bar(2, 0x1000)]);
    let Resources { bar0, bar2, bar3, .. } = claim(&fake);
    let (error, bar0) = bar0.map::<Block>().unwrap_err();
    assert_eq!(error.to_string(), "BAR 0 is too small: 256 bytes wanted, 128 there");
    assert_eq!(bar0.facts().map(|bar| bar.size), Some(0x80), "the BAR is returned");
    assert_eq!(bar3.map::<Block>().unwrap_err().0, MapError::Missing { index: 3 });
    let windows = bar2.windows().expect("memory");
    assert!(windows.map::<Block>(0x700, 0x100).is_ok(), "up to the table");
    for offset in [0x704, 0x800, 0x87c, 0xbff & !3] {
        let refused = windows.map::<Block>(offset, 0x100).unwrap_err();
        assert!(matches!(refused, MapError::MsixTable { index: 2, .. }), "{offset:#x}: {refused}");
    }
    assert!(matches!(
        windows.map::<Block>(0x702, 0x100),
        Err(MapError::MsixTable { .. } | MapError::Misaligned { .. })
    ));
    assert!(matches!(windows.map::<Block>(0x102, 0x100), Err(MapError::Misaligned { align: 4, .. })));
    assert!(matches!(windows.map::<Block>(0xf80, 0x100), Err(MapError::TooSmall { .. })));
    assert!(matches!(windows.map::<Block>(u64::MAX - 8, 0x100), Err(MapError::TooSmall { .. })));
}

#[test]
fn dma_memory_is_released_only_with_the_function() {
    let fake = FakeMachine::new([function()]);
    let Resources { dma, irq, .. } = claim(&fake);
    let buffers = dma.buffers(100, 1_500).expect("memory");
    let addresses: Vec<_> = buffers.iter().map(|buffer| buffer.bus().get()).collect();
    assert!(addresses.iter().all(|address| address % 64 == 0));
    assert!(addresses.windows(2).all(|pair| pair[1] - pair[0] >= 1_500 || pair[1] < pair[0]), "disjoint");
    let lent = fake.dma_pages();
    assert!(lent >= 100 * 1_500 / 4_096);
    drop(buffers);
    assert_eq!(fake.dma_pages(), lent, "the function still masters the bus");
    drop(dma.buffers(100, 1_500).expect("the same again"));
    assert_eq!(fake.dma_pages(), lent, "used again");
    drop((dma, irq));
    assert_eq!(fake.dma_pages(), 0);
}

#[test]
fn dma_is_seen_by_the_device_at_its_bus_address() {
    let fake = FakeMachine::new([function()]);
    let Resources { dma, .. } = claim(&fake);
    let mut buffer = dma.buffer(16).expect("memory");
    buffer.copy_from_slice(b"from the driver!");
    assert_eq!(fake.dma_read(buffer.bus().get(), 16).as_deref(), Some(&b"from the driver!"[..]));
    fake.dma_write(buffer.bus().get(), b"from the device!").expect("lent out");
    assert_eq!(&buffer[..], b"from the device!");
    let mut region = dma.region(64).expect("memory");
    let mut words = region.carve::<u16>(3, 4).expect("room");
    let quads = region.carve::<u64>(7, 8).expect("room");
    assert!(region.carve::<u8>(1, 1).is_none(), "used up");
    words.write(2, 0x1234);
    assert_eq!(fake.dma_read(words.bus_of(2).get(), 2), Some(vec![0x34, 0x12]));
    assert_eq!(quads.bus().get(), words.bus().get() + 8);
    assert_eq!((buffer.bus_at(0), buffer.bus_at(16)), (Some(buffer.bus()), None));
    assert_eq!(buffer.bus_at(15).map(|bus| bus.get() - buffer.bus().get()), Some(15));
    assert_eq!(dma.buffer(0).unwrap_err(), DmaError::Empty);
}

#[test]
fn memory_beyond_a_devices_address_limit_is_an_error() {
    let fake = FakeMachine::new([function()]);
    let Resources { dma, .. } = claim(&fake);
    assert!(matches!(dma.limit_address_bits(28).buffer(16), Err(DmaError::OutOfReach { bits: 28, .. })));
}

struct Picky;
impl Driver for Picky {
    const NAME: &'static str = "picky";
    const MATCHES: &'static [Id] = &[Id::new(0x1234, 0x11e8)];
    fn probe(function: Function) -> Result<Self, ProbeError> {
        let bar = function.claim()?.bar0.map::<Block>()?;
        match bar.read(&VALUE) {
            7 => Ok(Self),
            found => Err(ProbeError::Unexpected { what: "the lucky number", wanted: 7, found: found.into() }),
        }
    }
}

#[test]
fn a_failed_probe_leaves_the_function_quiesced_with_the_reason() {
    let fake = FakeMachine::new([function().bar(0, 0x1000)]);
    let function = fake.machine().take_all().remove(0);
    assert!(Picky::MATCHES[0].matches(&function));
    let error = attach::<Picky>(function).err().expect("refused");
    assert_eq!(error.to_string(), "the lucky number: 0x7 wanted, 0x0 found");
    let report = &fake.machine().functions()[0];
    assert_eq!(report.state, FunctionState::Failed("picky: the lucky number: 0x7 wanted, 0x0 found".into()));
    assert_eq!((report.driver, report.mode), (None, None));
    // It can be probed again.
    fake.write_register(Address::new(0, 0, 3, 0), 0, 0xfc, 7);
    assert!(attach::<Picky>(fake.machine().take_all().remove(0)).is_ok());
}

#[test]
fn a_removed_function_is_not_claimed() {
    let fake = FakeMachine::new([function()]);
    let address = Address::new(0, 0, 3, 0);
    let taken = fake.machine().take(address).expect("free");
    fake.remove(address);
    assert!(matches!(taken.claim(), Err(ClaimError::Gone(gone)) if gone.address == address));
    assert!(fake.machine().functions().is_empty());
}

fn bridge(at: &str, secondary: u8, subordinate: u8) -> FakeFunction {
    let bridge = FakeFunction::new(0x1b36, 0x000c).at(at).byte(0x0e, 1).byte(0x0b, 6).byte(0x0a, 4);
    bridge.byte(0x19, secondary).byte(0x1a, subordinate)
}

fn addresses(fake: &FakeMachine) -> Vec<String> {
    fake.machine().functions().iter().map(|function| function.address.to_string()).collect()
}

#[test]
fn the_walk_goes_behind_bridges_and_into_functions() {
    let fake = FakeMachine::new([
        bridge("00:02.0", 1, 7),
        bridge("01:00.0", 5, 5),
        FakeFunction::new(1, 1).at("05:1f.0").byte(0x0e, 0x80),
        FakeFunction::new(1, 2).at("05:1f.7"),
        // Not multifunction: an answer as function 3 is an alias.
        FakeFunction::new(1, 3).at("00:04.0"),
        FakeFunction::new(1, 4).at("00:04.3"),
        // In the range of a bridge, and no bridge leads here.
        FakeFunction::new(1, 5).at("06:00.0"),
        // No bridge leads here: another root bus, and a function behind it.
        bridge("80:00.0", 0x81, 0x81),
        FakeFunction::new(1, 6).at("81:03.0"),
    ]);
    let (below, beside) = (["0000:01:00.0", "0000:05:1f.0", "0000:05:1f.7"], ["0000:80:00.0", "0000:81:03.0"]);
    assert_eq!(addresses(&fake), [&["0000:00:02.0", "0000:00:04.0"][..], &below, &beside].concat());
    let taken = fake.machine().take(Address::new(0, 0, 2, 0)).expect("there");
    assert!(matches!(taken.claim(), Err(ClaimError::NotAnEndpoint { .. })));
}

#[test]
fn bridges_with_invalid_bus_numbers_are_left_out_with_the_functions_behind_them() {
    let fake = FakeMachine::new([
        bridge("00:02.0", 1, 4),
        bridge("00:03.0", 1, 1),
        bridge("00:04.0", 0, 0),
        bridge("00:05.0", 6, 5),
        bridge("01:00.0", 0, 0),
        bridge("01:01.0", 1, 1),
        bridge("01:02.0", 2, 2),
        bridge("01:03.0", 3, 5),
        bridge("02:00.0", 1, 1),
        FakeFunction::new(1, 1).at("03:00.0"),
    ]);
    assert_eq!(addresses(&fake), ["0000:00:02.0", "0000:01:02.0"]);
    let refusals: Vec<_> = fake.machine().refusals().iter().map(ToString::to_string).collect();
    let reasons = [
        "0000:00:03.0: left out: a bridge to buses 0x01 to 0x01, some of which are behind another bridge",
        "0000:00:04.0: left out: a bridge without a bus behind it",
        "0000:00:05.0: left out: a bridge from bus 0x00 to buses 0x06 to 0x05, where 0xff is the last",
        "0000:01:00.0: left out: a bridge without a bus behind it",
        "0000:01:01.0: left out: a bridge from bus 0x01 to buses 0x01 to 0x01, where 0x04 is the last",
        "0000:01:03.0: left out: a bridge from bus 0x01 to buses 0x03 to 0x05, where 0x04 is the last",
        "0000:02:00.0: left out: a bridge from bus 0x02 to buses 0x01 to 0x01, where 0x02 is the last",
    ];
    assert_eq!(refusals.len(), reasons.len(), "{refusals:#?}");
    for (refusal, reason) in refusals.iter().zip(reasons) {
        assert!(refusal.starts_with(reason), "{refusal}, not {reason}");
    }
}

#[test]
fn a_second_scan_leaves_known_functions_as_they_are() {
    let fake = FakeMachine::new([function()]);
    let _held = claim(&fake);
    fake.machine().scan();
    assert_eq!(addresses(&fake).len(), 1);
    assert!(fake.machine().take_all().is_empty());
}

#[test]
fn the_walk_of_a_looped_capability_list_ends() {
    let looped =
        function().byte(6, 0x10).byte(0x34, 0x40).byte(0x40, 9).byte(0x41, 0x44).byte(0x44, 9).byte(0x45, 0x40);
    let fake = FakeMachine::new([looped]);
    assert_eq!(claim(&fake).config.capabilities().len(), 2);
}
