//! The PCI Express capability: what kind of port a function is, and what it can do (PCIe 4.0, 7.5.3).

use super::Space;

const FLAGS: u16 = 0x02;
const DEVICE_CAPABILITIES: u16 = 0x04;
const SLOT_CAPABILITIES: u16 = 0x14;

/// What the PCI Express capability says. Read once, when the function was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpressCapability {
    /// Where it is in configuration space.
    pub offset: u16,
    /// Version of its layout: 1 or 2. Registers past those of its kind of port are there from version 2 on.
    pub version: u8,
    /// What kind of port it is.
    pub port: PortType,
    /// The message that hot-plug events arrive by, when messages are on.
    pub message: u8,
    /// Whether it can be reset alone, by bit 15 of Device Control (function-level reset).
    pub has_flr: bool,
    /// What its slot can do, for a port that has one.
    pub slot: Option<SlotCapabilities>,
}

/// What kind of device or port a PCI Express function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortType {
    /// An endpoint.
    Endpoint,
    /// An endpoint that may still want ports.
    LegacyEndpoint,
    /// A port of the root complex.
    RootPort,
    /// The side of a switch that is nearer to the CPU.
    UpstreamPort,
    /// A side of a switch that is further from the CPU.
    DownstreamPort,
    /// A bridge to PCI or PCI-X.
    ToPci,
    /// A bridge from PCI or PCI-X to PCI Express.
    FromPci,
    /// An endpoint in the root complex, with no link.
    IntegratedEndpoint,
    /// Collects the errors and events of integrated endpoints.
    EventCollector,
    /// A reserved number.
    Reserved(u8),
}

impl PortType {
    const fn from_register(value: u8) -> Self {
        match value {
            0 => Self::Endpoint,
            1 => Self::LegacyEndpoint,
            4 => Self::RootPort,
            5 => Self::UpstreamPort,
            6 => Self::DownstreamPort,
            7 => Self::ToPci,
            8 => Self::FromPci,
            9 => Self::IntegratedEndpoint,
            10 => Self::EventCollector,
            other => Self::Reserved(other),
        }
    }

    /// The number in the register.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Endpoint => 0,
            Self::LegacyEndpoint => 1,
            Self::RootPort => 4,
            Self::UpstreamPort => 5,
            Self::DownstreamPort => 6,
            Self::ToPci => 7,
            Self::FromPci => 8,
            Self::IntegratedEndpoint => 9,
            Self::EventCollector => 10,
            Self::Reserved(number) => number,
        }
    }

    /// Whether a link is right behind it. What is behind a link is device 0, whatever answers elsewhere (PCIe 4.0, 7.3.1).
    #[must_use]
    pub const fn leads_to_link(self) -> bool {
        matches!(self, Self::RootPort | Self::DownstreamPort | Self::FromPci)
    }
}

/// What a slot can do: the Slot Capabilities register (PCIe 4.0, 7.5.3.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotCapabilities(u32);

impl SlotCapabilities {
    /// There is an attention button.
    #[must_use]
    pub const fn has_attention_button(self) -> bool {
        self.0 & 1 != 0
    }

    /// Its power can be switched.
    #[must_use]
    pub const fn has_power_controller(self) -> bool {
        self.0 & 1 << 1 != 0
    }

    /// There is an attention indicator.
    #[must_use]
    pub const fn has_attention_indicator(self) -> bool {
        self.0 & 1 << 3 != 0
    }

    /// There is a power indicator.
    #[must_use]
    pub const fn has_power_indicator(self) -> bool {
        self.0 & 1 << 4 != 0
    }

    /// What is in it may be pulled without warning.
    #[must_use]
    pub const fn is_surprise_capable(self) -> bool {
        self.0 & 1 << 5 != 0
    }

    /// Functions may come and go while the machine runs.
    #[must_use]
    pub const fn is_hot_plug_capable(self) -> bool {
        self.0 & 1 << 6 != 0
    }

    /// The slot tells nobody when a command is done.
    #[must_use]
    pub const fn has_no_command_completed(self) -> bool {
        self.0 & 1 << 18 != 0
    }

    /// The number on the chassis; 0 for a device that is soldered on.
    #[must_use]
    pub const fn number(self) -> u16 {
        (self.0 >> 19) as u16
    }

    /// The register as it is.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl ExpressCapability {
    /// In Device Control: reset the function (PCIe 4.0, 7.5.3.4). Reads as zero.
    pub(crate) const RESET: u16 = 1 << 15;
    /// In Device Status: requests of the function are not answered yet (7.5.3.5).
    pub(crate) const PENDING: u16 = 1 << 5;
    /// Bytes up to Link Control 2, of those that have a second set of registers.
    const WITH_CONTROL_2: u16 = 0x2c;

    /// Where Device Control is.
    pub(crate) const fn control(&self) -> u16 {
        self.offset + 0x08
    }

    /// Where Device Status is.
    pub(crate) const fn status(&self) -> u16 {
        self.offset + 0x0a
    }

    /// Where Device Control 2 is, when there is one.
    pub(crate) fn control_2(&self) -> Option<u16> {
        (self.version >= 2 && self.offset + Self::WITH_CONTROL_2 <= 256).then_some(self.offset + 0x28)
    }

    /// Bytes that every function's has: up to the device's registers.
    pub(crate) const LEAST: u16 = 12;
    /// Bytes up to the slot's registers.
    const WITH_SLOT: u16 = 0x1c;

    /// Reads the capability at `offset`, of which [`Self::LEAST`] bytes are there.
    pub(crate) fn read(space: Space, offset: u16) -> Self {
        let flags = space.read_u16(offset + FLAGS);
        let [version_and_port, _] = flags.to_le_bytes();
        let port = PortType::from_register(version_and_port >> 4);
        // Only these may have a slot; elsewhere the bit is reserved.
        let has_slot = flags & 1 << 8 != 0
            && matches!(port, PortType::RootPort | PortType::DownstreamPort)
            && offset + Self::WITH_SLOT <= 256;
        Self {
            offset,
            version: version_and_port & 0xf,
            port,
            message: (flags >> 9 & 0x1f) as u8,
            has_flr: space.read_u32(offset + DEVICE_CAPABILITIES) & 1 << 28 != 0,
            slot: has_slot.then(|| SlotCapabilities(space.read_u32(offset + SLOT_CAPABILITIES))),
        }
    }
}
