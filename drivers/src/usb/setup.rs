//! Requests to the default control endpoint (USB 2.0, 9.3 and 9.4), and those of classes that the drivers send.

/// The eight bytes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// Direction, type and recipient (9.3.1).
    pub request_type: u8,
    /// The request.
    pub request: u8,
    /// Depends on the request.
    pub value: u16,
    /// Depends on the request: often an interface or an endpoint.
    pub index: u16,
    /// The bytes of data.
    pub length: u16,
}

const FROM_DEVICE: u8 = 0x80;
const CLASS: u8 = 0x20;
const INTERFACE: u8 = 0x01;
const ENDPOINT: u8 = 0x02;

/// Types of descriptors (9.4, table 9-5).
pub(crate) const DEVICE: u8 = 1;
pub(crate) const CONFIGURATION: u8 = 2;

impl Setup {
    /// Returns whether data go from the device to the host.
    #[must_use]
    pub const fn is_in(&self) -> bool {
        self.request_type & FROM_DEVICE != 0
    }

    /// Returns the bytes as they are sent, as one number in the order of memory.
    pub(crate) const fn bits(self) -> u64 {
        self.request_type as u64
            | (self.request as u64) << 8
            | (self.value as u64) << 16
            | (self.index as u64) << 32
            | (self.length as u64) << 48
    }

    /// GET_DESCRIPTOR.
    pub(crate) const fn get_descriptor(kind: u8, length: u16) -> Self {
        Self { request_type: FROM_DEVICE, request: 6, value: (kind as u16) << 8, index: 0, length }
    }

    /// SET_CONFIGURATION.
    pub(crate) const fn set_configuration(value: u8) -> Self {
        Self { request_type: 0, request: 9, value: value as u16, index: 0, length: 0 }
    }

    /// SET_INTERFACE: selects an alternate setting.
    pub(crate) const fn set_interface(interface: u8, alternate: u8) -> Self {
        Self { request_type: INTERFACE, request: 11, value: alternate as u16, index: interface as u16, length: 0 }
    }

    /// CLEAR_FEATURE of the feature ENDPOINT_HALT.
    pub(crate) const fn clear_halt(endpoint: u8) -> Self {
        Self { request_type: ENDPOINT, request: 1, value: 0, index: endpoint as u16, length: 0 }
    }

    /// A request of the interface's class without data, or with `length` bytes of data to the device.
    pub(crate) const fn class_out(interface: u8, request: u8, value: u16, length: u16) -> Self {
        Self { request_type: CLASS | INTERFACE, request, value, index: interface as u16, length }
    }

    /// A request of the interface's class, with data from the device.
    pub(crate) const fn class_in(interface: u8, request: u8, length: u16) -> Self {
        Self { request_type: FROM_DEVICE | CLASS | INTERFACE, request, value: 0, index: interface as u16, length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_sent_as_specified() {
        let bytes = Setup::get_descriptor(DEVICE, 18).bits().to_le_bytes();
        assert_eq!(bytes, [0x80, 6, 0, 1, 0, 0, 18, 0]);
        assert_eq!(Setup::clear_halt(0x82).bits().to_le_bytes(), [2, 1, 0, 0, 0x82, 0, 0, 0]);
        assert_eq!(Setup::class_out(3, 0x0b, 0, 0).bits().to_le_bytes(), [0x21, 0x0b, 0, 0, 3, 0, 0, 0]);
        assert!(Setup::class_in(0, 0xfe, 1).is_in() && !Setup::set_configuration(1).is_in());
    }
}
