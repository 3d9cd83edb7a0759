//! All that a function's configuration space says, read without a write.

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
/// In a bridge's capability for it.
const SUBSYSTEM_BRIDGE: u16 = 4;

/// What a function says of itself: its header, its capabilities, and what is wrong with them.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The header.
    pub header: Header,
    /// The subsystem's vendor and device. Endpoints and CardBus bridges have it in their header, PCI bridges in a
    /// capability.
    pub subsystem: Option<(u16, u16)>,
    /// The Command register.
    pub command: u16,
    /// The BARs whose registers hold anything.
    pub bars: Vec<BarRegister>,
    /// The expansion ROM, if its register holds anything.
    pub rom: Option<RomRegister>,
    /// The capability list.
    pub capabilities: CapabilityList,
    /// The extended capability list.
    pub extended: ExtendedList,
    /// The MSI capability, as it is: see [`Self::defects`] for whether it can be used.
    pub msi: Option<MsiCapability>,
    /// The MSI-X capability, as it is.
    pub msix: Option<MsixCapability>,
    /// The PCI Express capability.
    pub express: Option<ExpressCapability>,
    /// The power management capability.
    pub power: Option<PowerCapability>,
    /// What is not believed.
    pub defects: Vec<Defect>,
}

impl Facts {
    /// Reads the function at `address`, whether or not one answers there: a function that is not there says that its
    /// vendor is 0xffff.
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
        let express = whole(Capability::EXPRESS, ExpressCapability::LEAST);
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

    /// The extended capabilities that can be used.
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
    // Some bridges pass on eight bits of an offset and drop the rest.
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
    space.reaches(register, 4).then(|| (space.read_u16(register), space.read_u16(register + 2)))
}
