//! The configuration of a network device (virtio 1.2, 5.1.3 and 5.1.4).

use bitflags::bitflags;
use switchboard::config::Address;
use switchboard::driver::ProbeError;
use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock};

/// The size of an Ethernet header.
const ETHERNET_HEADER_BYTES: usize = 14;
/// The size of the largest frame without a VLAN tag.
pub(super) const MAX_FRAME_BYTES: usize = 1514;
/// The smallest MTU of a device (5.1.4.1).
const MIN_MTU: u16 = 68;

bitflags! {
    /// The features that the driver uses.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct NetFeatures: u64 {
        /// The device reports its MTU.
        const MTU = 1 << 3;
        /// The device has an address.
        const MAC = 1 << 5;
        /// The device reports its link state.
        const STATUS = 1 << 16;
        /// The device has a control queue.
        const CTRL_VQ = 1 << 17;
        /// The control queue selects what is received.
        const CTRL_RX = 1 << 18;
        /// The control queue selects VLANs. Frames of others are not received.
        const CTRL_VLAN = 1 << 19;
        /// The device asks for announcements of the addresses.
        const GUEST_ANNOUNCE = 1 << 21;
    }
}

impl NetFeatures {
    /// Returns the features of those offered that the driver uses: with those that they require (5.1.3.1).
    pub(super) fn choose(offered: Self) -> Self {
        let of_control = Self::CTRL_RX | Self::CTRL_VLAN | Self::GUEST_ANNOUNCE;
        let unusable = if offered.contains(Self::CTRL_VQ) { Self::empty() } else { of_control };
        let without_status = if offered.contains(Self::STATUS) { Self::empty() } else { Self::GUEST_ANNOUNCE };
        offered - unusable - without_status
    }
}

/// The device configuration.
pub(super) struct NetConfig;

impl RegisterBlock for NetConfig {
    const SIZE: u64 = 12;
}

const MAC: [Reg<NetConfig, u8, ReadOnly>; 6] = [Reg::at(0), Reg::at(1), Reg::at(2), Reg::at(3), Reg::at(4), Reg::at(5)];
const STATUS: Reg<NetConfig, u16, ReadOnly> = Reg::at(6);
const MTU: Reg<NetConfig, u16, ReadOnly> = Reg::at(10);

bitflags! {
    /// The status of the card.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct NetStatus: u16 {
        const LINK_UP = 1;
        /// The driver is asked to announce the addresses of this machine (5.1.6.5.4).
        const ANNOUNCE = 2;
    }
}

/// Reads the Ethernet address. Without one, returns a locally administered address made from the PCI address.
pub(super) fn read_mac(
    config: &Bar<NetConfig>,
    features: NetFeatures,
    address: Address,
) -> Result<[u8; 6], ProbeError> {
    if !features.contains(NetFeatures::MAC) {
        let function = (address.device() << 3) | address.function();
        return Ok([0x02, b'v', b'n', b'e', address.bus(), function]);
    }
    let mac = MAC.map(|register| config.read(&register));
    // The lowest bit of the first byte marks a group address.
    match mac[0] & 1 {
        0 if mac != [0; 6] => Ok(mac),
        0 => Err(ProbeError::Device("the MAC address of a virtio network device is all zeros")),
        _ => Err(ProbeError::Unexpected {
            what: "first byte of the MAC address of a virtio network device",
            wanted: (mac[0] & !1).into(),
            found: mac[0].into(),
        }),
    }
}

/// Returns the size of the largest frame, header included.
pub(super) fn read_max_frame_bytes(config: &Bar<NetConfig>, features: NetFeatures) -> Result<usize, ProbeError> {
    if !features.contains(NetFeatures::MTU) {
        return Ok(MAX_FRAME_BYTES);
    }
    let mtu = config.read(&MTU);
    if mtu < MIN_MTU {
        let (wanted, found) = (MIN_MTU.into(), mtu.into());
        return Err(ProbeError::Unexpected { what: "MTU of a virtio network device", wanted, found });
    }
    Ok(MAX_FRAME_BYTES.min(usize::from(mtu) + ETHERNET_HEADER_BYTES))
}

/// Returns the status. The link is always up on a device without the feature.
pub(super) fn read_status(config: &Bar<NetConfig>, features: NetFeatures) -> NetStatus {
    match features.contains(NetFeatures::STATUS) {
        true => NetStatus::from_bits_truncate(config.read(&STATUS)),
        false => NetStatus::LINK_UP,
    }
}
