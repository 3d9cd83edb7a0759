//! The configuration of a network device (virtio 1.2, 5.1.3 and 5.1.4).

use bitflags::bitflags;
use switchboard::config::Address;
use switchboard::driver::ProbeError;
use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock};

/// Bytes of an Ethernet header.
const ETHERNET_HEADER: usize = 14;
/// The largest frame without a VLAN tag.
pub(super) const LARGEST_FRAME: usize = 1514;
/// What every device must take (5.1.4.1).
const SMALLEST_MTU: u16 = 68;

bitflags! {
    /// The features that this driver makes use of.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct NetFeatures: u64 {
        /// The device reports how large packets may be.
        const MTU = 1 << 3;
        /// The device has an address.
        const MAC = 1 << 5;
        /// The device reports whether its link is up.
        const STATUS = 1 << 16;
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

/// In the status: the link is up.
const LINK_UP: u16 = 1;

/// The device's address; where it has none, one made from its place on the bus and marked as locally administered.
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
    // The lowest bit of the first byte makes it a group address; all zeros is no address.
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

/// The largest frame, header included.
pub(super) fn read_largest_frame(config: &Bar<NetConfig>, features: NetFeatures) -> Result<usize, ProbeError> {
    if !features.contains(NetFeatures::MTU) {
        return Ok(LARGEST_FRAME);
    }
    let mtu = config.read(&MTU);
    if mtu < SMALLEST_MTU {
        let (wanted, found) = (SMALLEST_MTU.into(), mtu.into());
        return Err(ProbeError::Unexpected { what: "MTU of a virtio network device", wanted, found });
    }
    Ok(LARGEST_FRAME.min(usize::from(mtu) + ETHERNET_HEADER))
}

/// Whether the link is up; a device that does not say has one that always is.
pub(super) fn read_link(config: &Bar<NetConfig>, features: NetFeatures) -> bool {
    !features.contains(NetFeatures::STATUS) || config.read(&STATUS) & LINK_UP != 0
}
