//! Decoding of a function's whole configuration space, without a write.

use alloc::vec::Vec;

use super::header::COMMAND;
use super::{
    Address, BarRegister, Capability, CapabilityList, ChainEnd, ConfigAccess, Defect, ExpressCapability,
    ExtendedCapability, ExtendedList, Header, HeaderKind, MsiCapability, MsixCapability, PowerCapability, RomRegister,
    Space,
};

const PIN: u16 = 0x3d;
const SUBSYSTEM: u16 = 0x2c;
const SUBSYSTEM_CARDBUS: u16 = 0x40;
/// Offset in the capability of a bridge that holds its subsystem IDs.
const SUBSYSTEM_BRIDGE: u16 = 4;

/// The decoded configuration space of a function: header, capabilities, and defects.
///
/// ```
/// use switchboard::config::{Address, Facts, Pin};
/// use switchboard_testing::{FakeFunction, FakeMachine};
///
/// let function = FakeFunction::new(0x1234, 0x11e8).at("00:03.0").bar(0, 0x1000).pin(1, 11).msix(4, 0, 0, 0x800);
/// let fake = FakeMachine::new([function]);
/// let facts = Facts::decode(fake.config(), Address::new(0, 0, 3, 0));
/// assert_eq!((facts.header.vendor, facts.header.pin), (0x1234, Some(Pin::A)));
/// let msix = facts.msix.expect("the capability");
/// assert_eq!((msix.count, msix.table.bar, msix.pending.offset), (4, 0, 0x800));
/// assert!(facts.defects.is_empty());
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Facts {
    /// The header.
    pub header: Header,
    /// Subsystem Vendor ID and Subsystem ID. Endpoints and CardBus bridges have them in their header, PCI bridges in a
    /// capability.
    pub subsystem: Option<(u16, u16)>,
    /// The Command register.
    pub command: u16,
    /// The BARs whose registers are not zero.
    pub bars: Vec<BarRegister>,
    /// The expansion ROM, if its register is not zero.
    pub rom: Option<RomRegister>,
    /// The capability list.
    pub capabilities: CapabilityList,
    /// The extended capability list.
    pub extended: ExtendedList,
    /// The MSI capability, unchecked: [`Self::defects`] shows whether it can be used.
    pub msi: Option<MsiCapability>,
    /// The MSI-X capability, unchecked.
    pub msix: Option<MsixCapability>,
    /// The PCI Express capability.
    pub express: Option<ExpressCapability>,
    /// The power management capability.
    pub power: Option<PowerCapability>,
    /// The defects, in the order in which they were found.
    pub defects: Vec<Defect>,
}

impl Facts {
    /// Decodes the configuration space at `address`. Without a function there, the Vendor ID is 0xffff.
    #[must_use]
    pub fn decode(access: &'static dyn ConfigAccess, address: Address) -> Self {
        let space = Space::new(access, address);
        Self::read(space, Header::decode(space))
    }

    pub(crate) fn read(space: Space, header: Header) -> Self {
        let capabilities = CapabilityList::read(space, header.kind);
        let extended = ExtendedList::read(space, &capabilities);
        let mut defects = Vec::new();
        check_header(space, &header, &mut defects);
        if capabilities.end != ChainEnd::Complete {
            defects.push(Defect::CapabilityList(capabilities.end));
        }
        check_extended(space, &capabilities, &extended, &mut defects);
        let msi = capabilities.find(Capability::MSI).map(|offset| MsiCapability::read(space, offset));
        let msix = capabilities.find(Capability::MSIX).map(|offset| MsixCapability::read(space, offset));
        defects.extend(msi.and_then(|msi| Defect::check_msi(msi, &capabilities).err()));
        defects.extend(msix.and_then(|msix| Defect::check_msix(msix, &capabilities).err()));
        let mut whole = |id, length| {
            let offset = capabilities.find(id)?;
            Defect::check_length(id, offset, length).map_err(|defect| defects.push(defect)).ok().map(|()| offset)
        };
        let express = whole(Capability::EXPRESS, ExpressCapability::MIN_BYTES);
        let power = whole(Capability::POWER, PowerCapability::LENGTH);
        let express = express.map(|offset| ExpressCapability::read(space, offset)).and_then(|express| {
            Defect::check_express(express).map_err(|defect| defects.push(defect)).ok().map(|()| express)
        });
        Self {
            header,
            subsystem: subsystem(space, header.kind, &capabilities),
            command: space.read_u16(COMMAND),
            bars: BarRegister::read_set(space, header.kind),
            rom: RomRegister::read(space, header.kind),
            capabilities,
            extended,
            msi,
            msix,
            express,
            power: power.map(|offset| PowerCapability::read(space, offset)),
            defects,
        }
    }

    /// Returns the extended capabilities that can be used.
    pub(crate) fn extended_capabilities(&self) -> Vec<ExtendedCapability> {
        if self.defects.contains(&Defect::Aliased) {
            return Vec::new();
        }
        let usable = self.extended.entries.iter().filter(|entry| Defect::check_extended(**entry).is_ok());
        usable.copied().collect()
    }
}

fn check_header(space: Space, header: &Header, defects: &mut Vec<Defect>) {
    if matches!(header.kind, HeaderKind::Unknown(_)) {
        return;
    }
    let pin = space.read_u8(PIN);
    if header.pin.is_none() && pin != 0 {
        defects.push(Defect::Pin { pin });
    }
    if header.class.is_pci_bridge() && header.kind == HeaderKind::Endpoint {
        defects.push(Defect::Class { class: header.class });
    }
}

fn check_extended(space: Space, capabilities: &CapabilityList, extended: &ExtendedList, defects: &mut Vec<Defect>) {
    let reached = space.size();
    if capabilities.find(Capability::EXPRESS).is_some() && reached < 4096 {
        defects.push(Defect::NoExtendedSpace { reached });
    }
    if extended.end != ChainEnd::Complete {
        defects.push(Defect::ExtendedList(extended.end));
    }
    defects.extend(extended.entries.iter().filter_map(|entry| Defect::check_extended(*entry).err()));
    // Some bridges forward eight bits of an offset and drop the rest.
    if !extended.entries.is_empty() && space.read_u32(ExtendedList::FIRST) == space.read_u32(0) {
        defects.push(Defect::Aliased);
    }
}

fn subsystem(space: Space, kind: HeaderKind, capabilities: &CapabilityList) -> Option<(u16, u16)> {
    let register = match kind {
        HeaderKind::Endpoint => SUBSYSTEM,
        HeaderKind::CardBus(_) => SUBSYSTEM_CARDBUS,
        HeaderKind::Bridge(_) => capabilities.find(Capability::SUBSYSTEM)? + SUBSYSTEM_BRIDGE,
        HeaderKind::Unknown(_) => return None,
    };
    // Of a capability at the end of the first 256 bytes, the rest is missing.
    (register <= 252 && space.reaches(register, 4)).then(|| (space.read_u16(register), space.read_u16(register + 2)))
}
