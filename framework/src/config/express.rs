//! The PCI Express capability: port type, function-level reset and slot (PCIe 4.0, 7.5.3).

use super::Space;

const FLAGS: u16 = 0x02;
const DEVICE_CAPABILITIES: u16 = 0x04;
const SLOT_CAPABILITIES: u16 = 0x14;

/// The PCI Express capability, read once when the function was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExpressCapability {
    /// Offset in configuration space.
    pub offset: u16,
    /// Version of its layout: 1 or 2. Registers past those of its port type are implemented from version 2 on.
    pub version: u8,
    /// Device/Port Type.
    pub port: PortType,
    /// Interrupt Message Number: the message that hot-plug events raise when MSI or MSI-X is enabled.
    pub message: u8,
    /// Whether the function has function-level reset (bit 15 of Device Control).
    pub has_flr: bool,
    /// Slot Capabilities of a port with a slot.
    pub slot: Option<SlotCapabilities>,
}

/// The device or port type of a PCI Express function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortType {
    /// An endpoint.
    Endpoint,
    /// An endpoint that may require I/O ports.
    LegacyEndpoint,
    /// A port of the root complex.
    RootPort,
    /// The port of a switch nearer to the CPU.
    UpstreamPort,
    /// A port of a switch further from the CPU.
    DownstreamPort,
    /// A bridge to PCI or PCI-X.
    ToPci,
    /// A bridge from PCI or PCI-X to PCI Express.
    FromPci,
    /// An endpoint integrated in the root complex, without a link.
    IntegratedEndpoint,
    /// A root complex event collector, for errors and events of integrated endpoints.
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

    /// Returns the number in the register.
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

    /// Returns whether a link is right behind the port. The only device on a link is device 0; an answer at another number is an alias
    /// (PCIe 4.0, 7.3.1).
    #[must_use]
    pub const fn leads_to_link(self) -> bool {
        matches!(self, Self::RootPort | Self::DownstreamPort | Self::FromPci)
    }
}

/// The Slot Capabilities register of a port (PCIe 4.0, 7.5.3.9).
///
/// ```
/// use switchboard_testing::{FakeFunction, FakeMachine};
///
/// // A root port to bus 1 with a slot: Hot-Plug Surprise and Hot-Plug Capable.
/// let fake = FakeMachine::new([FakeFunction::new(0x1b36, 0x000c).at("00:02.0").root_port(1, 0x60)]);
/// let port = fake.machine().take_all().remove(0);
/// let slot = port.slot().expect("a port with a slot");
/// assert!(slot.is_hot_plug_capable() && slot.is_surprise_capable());
/// assert!(!slot.has_attention_button());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotCapabilities(u32);

impl SlotCapabilities {
    /// Returns whether there is an attention button.
    #[must_use]
    pub const fn has_attention_button(self) -> bool {
        self.0 & 1 != 0
    }

    /// Returns whether software can switch the slot's power.
    #[must_use]
    pub const fn has_power_controller(self) -> bool {
        self.0 & 1 << 1 != 0
    }

    /// Returns whether there is an attention indicator.
    #[must_use]
    pub const fn has_attention_indicator(self) -> bool {
        self.0 & 1 << 3 != 0
    }

    /// Returns whether there is a power indicator.
    #[must_use]
    pub const fn has_power_indicator(self) -> bool {
        self.0 & 1 << 4 != 0
    }

    /// Returns whether a card may be removed without warning (surprise removal).
    #[must_use]
    pub const fn is_surprise_capable(self) -> bool {
        self.0 & 1 << 5 != 0
    }

    /// Returns whether cards may be added and removed while the machine runs.
    #[must_use]
    pub const fn is_hot_plug_capable(self) -> bool {
        self.0 & 1 << 6 != 0
    }

    /// Returns whether the slot sends no event when a command has completed.
    #[must_use]
    pub const fn has_no_command_completed(self) -> bool {
        self.0 & 1 << 18 != 0
    }

    /// Returns the number on the chassis; 0 for a device that is soldered on.
    #[must_use]
    pub const fn number(self) -> u16 {
        (self.0 >> 19) as u16
    }

    /// Returns the register's value.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl ExpressCapability {
    /// Initiate Function Level Reset in Device Control (PCIe 4.0, 7.5.3.4). Reads as zero.
    pub(crate) const RESET: u16 = 1 << 15;
    /// Transactions Pending in Device Status (7.5.3.5).
    pub(crate) const PENDING: u16 = 1 << 5;
    /// Bytes up to Link Control 2, where the second set of registers is implemented.
    const WITH_CONTROL_2: u16 = 0x2c;

    /// Returns the offset of Device Control.
    pub(crate) const fn control(&self) -> u16 {
        self.offset + 0x08
    }

    /// Returns the offset of Device Status.
    pub(crate) const fn status(&self) -> u16 {
        self.offset + 0x0a
    }

    /// Returns the offset of Device Control 2, if it is implemented.
    pub(crate) fn control_2(&self) -> Option<u16> {
        (self.version >= 2 && self.offset + Self::WITH_CONTROL_2 <= 256).then_some(self.offset + 0x28)
    }

    /// Bytes of the shortest capability: up to the device's registers.
    pub(crate) const MIN_BYTES: u16 = 12;
    /// Bytes up to the slot's registers.
    const WITH_SLOT: u16 = 0x1c;

    /// Reads the capability at `offset`, of which at least [`Self::MIN_BYTES`] bytes are in configuration space.
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
