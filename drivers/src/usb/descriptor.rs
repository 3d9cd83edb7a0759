//! Descriptors: what a device has (USB 2.0, 9.6).

use alloc::vec::Vec;

/// The most interfaces of a configuration, and endpoints of an interface, that are looked at.
const MAX_INTERFACES: usize = 32;
const MAX_ENDPOINTS: usize = 30;

const CONFIGURATION: u8 = 2;
const INTERFACE: u8 = 4;
const ENDPOINT: u8 = 5;
/// The companion of an endpoint of a SuperSpeed device (USB 3.2, 9.6.7).
const COMPANION: u8 = 48;

/// The speed of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speed {
    /// 1.5 Mbit/s.
    Low,
    /// 12 Mbit/s.
    Full,
    /// 480 Mbit/s.
    High,
    /// 5 Gbit/s.
    Super,
    /// 10 Gbit/s and more.
    SuperPlus,
}

/// How data are transferred (USB 2.0, 4.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the terms of the specification")]
pub enum TransferType {
    Control,
    Isochronous,
    Bulk,
    Interrupt,
}

/// An endpoint (USB 2.0, 9.6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// The number; bit 7 is set for data from the device.
    pub address: u8,
    /// How it transfers.
    pub transfer_type: TransferType,
    /// The most bytes of a packet.
    pub max_packet: u16,
    /// `bInterval`, whose unit depends on the speed.
    pub interval: u8,
    /// The packets beside the first in a burst.
    pub max_burst: u8,
}

impl Endpoint {
    /// Returns whether data go from the device to the host.
    #[must_use]
    pub const fn is_in(&self) -> bool {
        self.address & 0x80 != 0
    }
}

/// An interface in one of its settings (USB 2.0, 9.6.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The number.
    pub number: u8,
    /// The setting.
    pub alternate: u8,
    /// Class, subclass and protocol.
    pub class: [u8; 3],
    /// The endpoints beside the default one.
    pub endpoints: Vec<Endpoint>,
}

impl Interface {
    /// Returns the first endpoint of a kind.
    pub(crate) fn endpoint(&self, transfer_type: TransferType, is_in: bool) -> Option<&Endpoint> {
        self.endpoints.iter().find(|it| it.transfer_type == transfer_type && it.is_in() == is_in)
    }
}

/// A configuration: interfaces that are usable at once (USB 2.0, 9.6.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// The value that selects it.
    pub value: u8,
    /// The interfaces, each setting by itself.
    pub interfaces: Vec<Interface>,
}

impl Configuration {
    /// Reads a configuration with all that belongs to it. What is cut off or invalid is left out.
    #[must_use]
    pub fn parse(mut data: &[u8]) -> Option<Self> {
        let mut this = Self { value: 0, interfaces: Vec::new() };
        let mut is_configuration = false;
        while let [length, kind, ..] = *data {
            let length = usize::from(length);
            if length < 2 || length > data.len() {
                break;
            }
            let (descriptor, rest) = data.split_at(length);
            data = rest;
            match (kind, descriptor) {
                (CONFIGURATION, &[_, _, _, _, _, value, ..]) if !is_configuration => {
                    (this.value, is_configuration) = (value, true);
                }
                (INTERFACE, &[_, _, number, alternate, _, class, subclass, protocol, ..])
                    if this.interfaces.len() < MAX_INTERFACES =>
                {
                    let class = [class, subclass, protocol];
                    this.interfaces.push(Interface { number, alternate, class, endpoints: Vec::new() });
                }
                _ => {
                    if let Some(interface) = this.interfaces.last_mut() {
                        interface.add(kind, descriptor);
                    }
                }
            }
        }
        is_configuration.then_some(this)
    }
}

impl Interface {
    fn add(&mut self, kind: u8, descriptor: &[u8]) {
        match (kind, descriptor) {
            (ENDPOINT, &[_, _, address, attributes, low, high, interval, ..]) => {
                let transfer_type = match attributes & 3 {
                    0 => TransferType::Control,
                    1 => TransferType::Isochronous,
                    2 => TransferType::Bulk,
                    _ => TransferType::Interrupt,
                };
                let sizes = u16::from_le_bytes([low, high]);
                // Bits 12 and 11: further transactions of a high-speed device (USB 2.0, 9.6.6).
                let (max_packet, more) = (sizes & 0x7ff, (sizes >> 11 & 3).to_le_bytes()[0]);
                let is_periodic = matches!(transfer_type, TransferType::Interrupt | TransferType::Isochronous);
                let max_burst = if is_periodic { more } else { 0 };
                let endpoint = Endpoint { address: address & 0x8f, transfer_type, max_packet, interval, max_burst };
                let is_known = self.endpoints.iter().any(|known| known.address == endpoint.address);
                if !is_known && address & 0xf != 0 && max_packet > 0 && self.endpoints.len() < MAX_ENDPOINTS {
                    self.endpoints.push(endpoint);
                }
            }
            (COMPANION, &[_, _, max_burst, ..]) => {
                if let Some(endpoint) = self.endpoints.last_mut() {
                    endpoint.max_burst = max_burst.min(15);
                }
            }
            _ => {}
        }
    }
}

/// The descriptor of a device (USB 2.0, 9.6.1), as far as it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeviceDescriptor {
    pub(crate) class: u8,
    pub(crate) protocol: u8,
    pub(crate) vendor: u16,
    pub(crate) product: u16,
}

impl DeviceDescriptor {
    pub(crate) fn parse(data: &[u8]) -> Option<Self> {
        let &[_, 1, _, _, class, _, protocol, _, v0, v1, p0, p1, ..] = data else { return None };
        let (vendor, product) = (u16::from_le_bytes([v0, v1]), u16::from_le_bytes([p0, p1]));
        Some(Self { class, protocol, vendor, product })
    }
}

/// Returns `bMaxPacketSize0` from the first eight bytes of the device's descriptor, in bytes, if it is valid for the speed.
pub(crate) fn control_packet_bytes(data: &[u8], speed: Speed) -> Option<u16> {
    let &[_, 1, _, _, _, _, _, size, ..] = data else { return None };
    match (speed, size) {
        (Speed::Super | Speed::SuperPlus, 9) => Some(512),
        (Speed::High, 64) | (Speed::Low, 8) | (Speed::Full, 8 | 16 | 32 | 64) => Some(size.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A configuration with a keyboard, and with a stick of two settings.
    const BYTES: [u8; 80] = [
        9, 2, 80, 0, 2, 7, 0, 0xa0, 50, // Configuration 7.
        9, 4, 0, 0, 1, 3, 1, 1, 0, // A boot keyboard.
        9, 0x21, 0x11, 1, 0, 1, 0x22, 63, 0, // Its HID descriptor.
        7, 5, 0x81, 3, 8, 0, 10, //
        9, 4, 1, 0, 2, 8, 6, 0x50, 0, // A stick.
        7, 5, 0x82, 2, 0, 4, 0, //
        6, 48, 15, 0, 0, 0, //
        7, 5, 0x02, 2, 0, 4, 0, //
        9, 4, 1, 1, 0, 8, 6, 0x62, 0, // Its other setting.
        8, 5, 0x83, 2, 0, 4, 0, 0,
    ];

    #[test]
    fn a_configuration_is_read_with_interfaces_and_endpoints() {
        let found = Configuration::parse(&BYTES).expect("a configuration");
        assert_eq!((found.value, found.interfaces.len()), (7, 3));
        let [keyboard, stick, other] = &found.interfaces[..] else { panic!("{found:?}") };
        assert_eq!((keyboard.class, stick.class, other.alternate), ([3, 1, 1], [8, 6, 0x50], 1));
        let endpoint = keyboard.endpoint(TransferType::Interrupt, true).expect("an endpoint");
        assert_eq!((endpoint.address, endpoint.max_packet, endpoint.interval), (0x81, 8, 10));
        let bulk = [true, false].map(|is_in| stick.endpoint(TransferType::Bulk, is_in).expect("an endpoint"));
        assert_eq!(bulk.map(|it| (it.address, it.max_packet, it.max_burst)), [(0x82, 1024, 15), (2, 1024, 0)]);
    }

    #[test]
    fn packets_of_the_control_endpoint_have_the_size_of_the_speed() {
        let data = |size| [18, 1, 0, 2, 0, 0, 0, size];
        assert_eq!(control_packet_bytes(&data(9), Speed::Super), Some(512));
        assert_eq!(control_packet_bytes(&data(32), Speed::Full), Some(32));
        assert_eq!(control_packet_bytes(&data(32), Speed::High), None);
        assert_eq!(control_packet_bytes(&data(0), Speed::Full), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_within_bounds(mut data in prop::collection::vec(any::<u8>(), 0..200), at in 0..80_usize) {
            prop_assert!(DeviceDescriptor::parse(&data).is_none_or(|_| data.len() >= 12));
            prop_assert!(Configuration::parse(&data).is_none_or(|it| it.interfaces.len() <= 32));
            let mut changed = BYTES;
            changed[at] = data.pop().unwrap_or(0);
            let found = Configuration::parse(&changed);
            prop_assert!(found.is_none_or(|it| it.interfaces.iter().all(|it| it.endpoints.len() <= 30)));
        }
    }
}
