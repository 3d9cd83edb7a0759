//! Configuration spaces of real boards and faulty functions, as the framework reads them.

use switchboard::config::{Address, Capability, ConfigAccess, Defect, Facts, HeaderKind, Width};
use switchboard::sync::IrqLock;
use switchboard_testing::{FakeFunction, FakeMachine};

fn address() -> Address {
    Address::new(0, 0, 3, 0)
}

/// One function of 256 bytes, whose reads beyond its end are faults of the framework. Bytes that are writable hold what
/// is written.
struct Conventional {
    bytes: IrqLock<[u8; 256]>,
    writable: [u8; 256],
}

impl ConfigAccess for Conventional {
    fn read(&self, at: Address, offset: u16, width: Width) -> u32 {
        let range = usize::from(offset)..usize::from(offset + width.bytes());
        assert!(range.end <= 256, "a read of {} bytes at {offset:#x}", width.bytes());
        if at != address() {
            return width.ones();
        }
        self.bytes.lock()[range].iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
    }

    fn write(&self, at: Address, offset: u16, width: Width, value: u32) {
        assert!(offset + width.bytes() <= 256, "a write of {} bytes at {offset:#x}", width.bytes());
        if at == address() {
            let mut bytes = self.bytes.lock();
            for (place, byte) in (usize::from(offset)..).zip(value.to_le_bytes()).take(width.bytes().into()) {
                bytes[place] = bytes[place] & !self.writable[place] | byte & self.writable[place];
            }
        }
    }

    fn size(&self, _: Address) -> u16 {
        256
    }
}

/// Makes a function with this header type, and these bytes of which all bits are writable.
fn function(header_type: u8, bytes: &[(u8, u8)], writable: &[u8]) -> &'static Conventional {
    let mut space = [0; 256];
    space[..4].copy_from_slice(&0x2934_8086_u32.to_le_bytes());
    space[0x0e] = header_type;
    bytes.iter().for_each(|(offset, value)| space[usize::from(*offset)] = *value);
    let mut mask = [0; 256];
    mask[4..6].fill(0xff);
    writable.iter().for_each(|offset| mask[usize::from(*offset)] = 0xff);
    Box::leak(Box::new(Conventional { bytes: IrqLock::new(space), writable: mask }))
}

/// Every capability, at each of the last places of a function with 256 bytes, is found truncated before its registers
/// are read; by decoding and by a scan.
#[test]
fn a_capability_at_the_end_is_not_read_past_it() {
    for (header_type, pointer) in [(0, 0x34), (1, 0x34), (2, 0x14)] {
        for id in 0..0xff {
            for offset in (0xe0..=0xfc).step_by(4) {
                // A class of a bridge, and flags for everything that makes a capability longer.
                let bytes = [(0x06, 0x10), (0x0b, 6), (0x0a, 4), (pointer, offset), (offset, id), (offset + 2, 0xff)];
                let bytes = [&bytes[..], &[(offset + 3, 0x01)]].concat();
                let space = function(header_type, &bytes, &[]);
                let facts = Facts::decode(space, address());
                assert_eq!(facts.capabilities.entries.len(), 1, "{id:#x} at {offset:#x}");
                // The ids that are decoded further: MSI-X is 0x11.
                if id > 0x14 {
                    continue;
                }
                FakeMachine::builder().config(space).build().machine().scan();
            }
        }
    }
}

#[test]
fn an_msix_capability_at_0xfc_is_truncated() {
    let space = function(0, &[(0x06, 0x10), (0x34, 0xfc), (0xfc, Capability::MSIX), (0xfe, 4)], &[]);
    let facts = Facts::decode(space, address());
    assert_eq!(facts.defects, [Defect::Truncated { id: Capability::MSIX, offset: 0xfc, wanted: 12 }]);
}

#[test]
fn bars_are_sized_by_the_header_and_not_by_the_class() {
    // A root port with the class of a host bridge, as some have: its MSI-X table is in a BAR of its own.
    let port = FakeFunction::new(0x13b5, 0x0100).root_port(1, 0).byte(0x0a, 0).bar(0, 0x1000).msix(4, 0, 0, 0x800);
    let fake = FakeMachine::new([port.at("00:03.0")]);
    let report = &fake.machine().functions()[0];
    assert_eq!((report.bars.len(), report.bars[0].size, report.offers.msix), (1, 0x1000, 4));
    // A host bridge with the header of an endpoint may decode memory by its BARs, which stay as they are.
    let bridge = FakeFunction::new(0x8086, 0x29c0).byte(0x0b, 6).bar(0, 0x1000);
    assert!(FakeMachine::new([bridge.at("00:00.0")]).machine().functions()[0].bars.is_empty());
}

#[test]
fn a_cardbus_bridge_is_found_numbered_and_left_alone() {
    let bytes = [(0x0b, 6), (0x0a, 7), (0x3d, 1)];
    let space = function(2, &bytes, &[0x18, 0x19, 0x1a]);
    let fake = FakeMachine::builder().config(space).build();
    let machine = fake.machine();
    machine.scan();
    assert!(machine.refusals().is_empty(), "{:?}", machine.refusals());
    let HeaderKind::CardBus(buses) = Facts::decode(space, address()).header.kind else { panic!("a CardBus bridge") };
    assert_eq!((buses.primary, buses.secondary, buses.subordinate), (0, 1, 1));
    let function = machine.take_all().remove(0);
    assert!(function.claim().is_err(), "no driver gets it");
}

#[test]
fn an_expansion_rom_that_is_decoded_is_switched_off() {
    let rom = [0x30, 0x31, 0x32, 0x33];
    let space = function(0, &[(0x30, 1), (0x33, 0xfe), (0x04, 2)], &rom);
    let fake = FakeMachine::builder().config(space).build();
    fake.machine().scan();
    assert_eq!(fake.machine().functions().len(), 1);
    assert_eq!(space.read(address(), 0x30, Width::Dword), 0xfe00_0000, "the address, without the enable bit");
}
