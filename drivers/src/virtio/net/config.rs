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
        /// The device completes the checksums of frames that are sent.
        const CSUM = 1;
        /// The driver receives frames whose checksum was verified, or is not complete.
        const GUEST_CSUM = 1 << 1;
        /// The device reports its MTU.
        const MTU = 1 << 3;
        /// The device has an address.
        const MAC = 1 << 5;
        /// The driver receives long TCP segments over IPv4, and over IPv6.
        const GUEST_TSO4 = 1 << 7;
        const GUEST_TSO6 = 1 << 8;
        /// The device splits long TCP segments over IPv4, and over IPv6.
        const HOST_TSO4 = 1 << 11;
        const HOST_TSO6 = 1 << 12;
        /// A received frame may be in several buffers.
        const MRG_RXBUF = 1 << 15;
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
    /// Returns whether long segments are sent.
    pub(super) fn has_segmentation(self) -> bool {
        self.contains(Self::HOST_TSO4)
    }

    /// Returns whether long segments are received.
    pub(super) fn has_merged_frames(self) -> bool {
        self.contains(Self::MRG_RXBUF)
    }

    /// Returns the features of those offered that the driver uses: with those that they require (5.1.3.1).
    pub(super) fn choose(offered: Self) -> Self {
        let of_control = Self::CTRL_RX | Self::CTRL_VLAN | Self::GUEST_ANNOUNCE;
        let unusable = if offered.contains(Self::CTRL_VQ) { Self::empty() } else { of_control };
        let without_status = if offered.contains(Self::STATUS) { Self::empty() } else { Self::GUEST_ANNOUNCE };
        // Long segments are sent and received for both protocols, or for none.
        let of_send = Self::CSUM | Self::HOST_TSO4 | Self::HOST_TSO6;
        let of_receive = Self::GUEST_CSUM | Self::GUEST_TSO4 | Self::GUEST_TSO6 | Self::MRG_RXBUF;
        let incomplete = [of_send, of_receive].into_iter().filter(|whole| !offered.contains(*whole));
        incomplete.fold(offered - unusable - without_status, |chosen, whole| chosen - whole)
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
