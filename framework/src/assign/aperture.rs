//! Apertures: the parts of the address space that the machine leaves to PCI.

use alloc::vec::Vec;
use core::ops::Range;

/// The apertures of a machine: the addresses that its host bridge forwards to PCI.
///
/// `memory` is where new BARs may be placed. An address that firmware assigned may be anywhere outside of `taken`.
///
/// ```
/// use switchboard::assign::Apertures;
/// use switchboard::config::Address;
/// use switchboard_testing::{FakeFunction, FakeMachine};
///
/// let apertures = Apertures { io: vec![], memory: vec![0xc000_0000..0xd000_0000], taken: vec![0..0x8000_0000] };
/// let fake = FakeMachine::builder().apertures(apertures).build();
/// // Firmware put BAR 0 into RAM: the scan moves it.
/// fake.insert(FakeFunction::new(0x1234, 0x11e8).at("00:01.0").bar(0, 0x1000));
/// fake.set_config(Address::new(0, 0, 1, 0), 0x12, 0x0010);
/// fake.machine().scan();
/// assert_eq!(fake.machine().functions()[0].bars[0].address, Ok(0xc000_0000));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Apertures {
    /// I/O ports for new BARs and bridge windows.
    pub io: Vec<Range<u64>>,
    /// Memory for new BARs and bridge windows.
    pub memory: Vec<Range<u64>>,
    /// Addresses that other hardware decodes: RAM, configuration space, interrupt controllers.
    pub taken: Vec<Range<u64>>,
}
