//! Contexts: what controller and driver share of a device and of its endpoints (xHCI 1.2, 6.2).

use switchboard::dma::{BusAddress, DmaError, DmaPort, DmaShared};
use zerocopy::{Immutable, IntoBytes, KnownLayout};

use crate::usb::{Endpoint, Speed, TransferType};

/// The contexts of a device: that of its slot, and those of 31 endpoints.
pub(super) const CONTEXTS: usize = 32;
/// The number of the default control endpoint (4.5.1).
pub(super) const CONTROL_ENDPOINT: u8 = 1;

/// The words of a context without an address.
type Words = [u64; 4];

/// The context of an endpoint (6.2.3). Its address has cycle state 0: see [`Ring`](super::ring::Ring).
#[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct EndpointContext {
    words: [u32; 2],
    ring: BusAddress,
    lengths: u64,
    reserved: u64,
}

/// Where a device is: its speed, and the way from the controller to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) speed: Speed,
    /// The port of the controller, from 1.
    pub(super) root_port: u8,
    /// The ports of hubs, four bits each, from the controller on (USB 3.2, 8.9).
    pub(super) route: u32,
    /// The hub that translates for a full- or low-speed device behind it, and the port there.
    pub(super) translator: Option<(u8, u8)>,
}

/// What the slot context has of a hub (6.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HubFacts {
    pub(super) ports: u8,
    pub(super) think_time: u8,
}

/// The contexts of one slot: the controller's, and the input of commands.
#[derive(Debug)]
pub(super) struct Contexts {
    device: DmaShared<Words>,
    input: DmaShared<Words>,
    /// A context has 32 bytes, or 64, of which the second half is not used.
    blocks: usize,
}

impl Contexts {
    /// Allocates the contexts, each array on a page of its own, as they may not cross one.
    pub(super) fn new(dma: &DmaPort, are_64_bytes: bool) -> Result<Self, DmaError> {
        let blocks = if are_64_bytes { 2 } else { 1 };
        let allocate = |contexts: usize| {
            let count = contexts * blocks;
            dma.region(count * size_of::<Words>())?.carve(count, 64).ok_or(DmaError::Empty)
        };
        Ok(Self { device: allocate(CONTEXTS)?, input: allocate(CONTEXTS + 1)?, blocks })
    }

    /// Returns the address of the controller's contexts.
    pub(super) fn device(&self) -> BusAddress {
        self.device.bus()
    }

    /// Returns the address of the input of commands.
    pub(super) fn input(&self) -> BusAddress {
        self.input.bus()
    }

    /// Begins an input: the contexts to be added or changed, and to be dropped, each a bit (6.2.5.1).
    pub(super) fn begin_input(&mut self, add: u32, drop: u32) {
        for index in 0..self.input.count() {
            self.input.write(index, [0; 4]);
        }
        self.input.write(0, [u64::from(drop) | u64::from(add) << 32, 0, 0, 0]);
    }

    /// Sets the slot context of the input; `last` is the number of the last endpoint.
    pub(super) fn set_slot(&mut self, place: Place, last: u8, hub: Option<HubFacts>) {
        let hub_flag = u32::from(hub.is_some()) << 26;
        let first = place.route & 0xf_ffff | speed_id(place.speed) << 20 | hub_flag | u32::from(last) << 27;
        let ports = hub.map_or(0, |hub| hub.ports);
        let second = u32::from(place.root_port) << 16 | u32::from(ports) << 24;
        let (slot, port) = place.translator.unwrap_or_default();
        let think_time = hub.map_or(0, |hub| u32::from(hub.think_time & 3));
        let third = u32::from(slot) | u32::from(port) << 8 | think_time << 16;
        self.input.write(self.blocks, [u64::from(first) | u64::from(second) << 32, third.into(), 0, 0]);
    }

    /// Sets the context of the default control endpoint in the input.
    pub(super) fn set_control_endpoint(&mut self, max_packet: u16, ring: BusAddress) {
        let words = [0, error_count(3) | endpoint_type(TransferType::Control, true) | u32::from(max_packet) << 16];
        self.set(CONTROL_ENDPOINT, EndpointContext { words, ring, lengths: 8, reserved: 0 });
    }

    /// Sets the context of another endpoint in the input.
    pub(super) fn set_endpoint(&mut self, endpoint: &Endpoint, speed: Speed, ring: BusAddress) {
        let interval = if endpoint.transfer_type == TransferType::Interrupt { interval(endpoint, speed) } else { 0 };
        let kind = endpoint_type(endpoint.transfer_type, endpoint.is_in());
        let burst = u32::from(endpoint.max_burst.min(15)) << 8;
        let words = [interval << 16, error_count(3) | kind | burst | u32::from(endpoint.max_packet) << 16];
        let per_interval = u64::from(endpoint.max_packet) * (u64::from(endpoint.max_burst) + 1);
        let lengths = match endpoint.transfer_type {
            TransferType::Interrupt => per_interval << 16 | u64::from(endpoint.max_packet),
            _ => 3072,
        };
        self.set(context_number(endpoint), EndpointContext { words, ring, lengths, reserved: 0 });
    }

    fn set(&mut self, number: u8, context: EndpointContext) {
        self.input.write_as((usize::from(number) + 1) * self.blocks, context);
    }
}

/// Returns the number of an endpoint's context, which is also what its doorbell takes (4.5.1).
pub(super) const fn context_number(endpoint: &Endpoint) -> u8 {
    number_of(endpoint.address)
}

/// The same, by the address in the endpoint's descriptor.
pub(super) const fn number_of(address: u8) -> u8 {
    (address & 0xf) * 2 + (address >> 7)
}

/// Returns the protocol speed ID, by the default mapping (7.2.2.1.1).
const fn speed_id(speed: Speed) -> u32 {
    match speed {
        Speed::Full => 1,
        Speed::Low => 2,
        Speed::High => 3,
        Speed::Super => 4,
        Speed::SuperPlus => 5,
    }
}

/// Returns the speed that a port reports.
pub(super) const fn speed_of(id: u32) -> Option<Speed> {
    Some(match id {
        1 => Speed::Full,
        2 => Speed::Low,
        3 => Speed::High,
        4 => Speed::Super,
        5..=7 => Speed::SuperPlus,
        _ => return None,
    })
}

const fn error_count(count: u32) -> u32 {
    count << 1
}

const fn endpoint_type(transfer_type: TransferType, is_in: bool) -> u32 {
    let direction = if is_in { 4 } else { 0 };
    let kind = match transfer_type {
        TransferType::Control => 0,
        TransferType::Isochronous => 1,
        TransferType::Bulk => 2,
        TransferType::Interrupt => 3,
    };
    (kind + direction) << 3
}

/// Returns the interval of an interrupt endpoint, as the exponent of a power of two of 125 µs (6.2.3.6).
fn interval(endpoint: &Endpoint, speed: Speed) -> u32 {
    match speed {
        // Frames of 1 ms.
        Speed::Low | Speed::Full => (u32::from(endpoint.interval.max(1)) * 8).ilog2().clamp(3, 10),
        _ => u32::from(endpoint.interval.clamp(1, 16)) - 1,
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use switchboard_testing::{FakeFunction, FakeMachine};

    use super::*;

    const KEYBOARD: Endpoint =
        Endpoint { address: 0x81, transfer_type: TransferType::Interrupt, max_packet: 8, interval: 10, max_burst: 0 };

    #[test]
    fn contexts_of_both_sizes_have_the_same_content() {
        for (are_64_bytes, bytes) in [(false, 32), (true, 64)] {
            let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8)]);
            let dma = fake.machine().take_all().remove(0).claim().expect("a function").dma;
            let mut contexts = Contexts::new(&dma, are_64_bytes).expect("memory");
            let ring = dma.buffer(64).expect("memory");
            contexts.begin_input(0b1011, 0);
            let place = Place { speed: Speed::Full, root_port: 5, route: 0x3, translator: Some((2, 3)) };
            contexts.set_slot(place, 3, Some(HubFacts { ports: 4, think_time: 2 }));
            contexts.set_control_endpoint(8, ring.bus());
            contexts.set_endpoint(&KEYBOARD, Speed::Full, ring.bus());
            let dwords = |context: u64| {
                let data = fake.dma_read(contexts.input().get() + context * bytes, 32).expect("memory in use");
                data.chunks(4).map(|dword| u32::from_le_bytes(dword.try_into().unwrap())).collect::<Vec<_>>()
            };
            assert_eq!(dwords(0)[..2], [0, 0b1011]);
            assert_eq!(dwords(1)[..3], [3 | 1 << 20 | 1 << 26 | 3 << 27, 5 << 16 | 4 << 24, 2 | 3 << 8 | 2 << 16]);
            let [low, high] =
                [ring.bus().get() & 0xffff_ffff, ring.bus().get() >> 32].map(|half| u32::try_from(half).unwrap());
            assert_eq!(dwords(2)[..5], [0, 3 << 1 | 4 << 3 | 8 << 16, low, high, 8]);
            // An interval of 10 ms is rounded down to 8, which is 64 times 125 µs.
            assert_eq!(dwords(4)[..5], [6 << 16, 3 << 1 | 7 << 3 | 8 << 16, low, high, 8 << 16 | 8]);
            assert_eq!(contexts.device().get() % 4096, 0);
        }
    }

    #[test]
    fn numbers_and_intervals_are_those_of_the_specification() {
        assert_eq!((context_number(&KEYBOARD), number_of(0x02), number_of(0)), (3, 4, 0));
        let interval = |value, speed| interval(&Endpoint { interval: value, ..KEYBOARD }, speed);
        assert_eq!((interval(1, Speed::Low), interval(255, Speed::Full), interval(0, Speed::Full)), (3, 10, 3));
        assert_eq!((interval(4, Speed::High), interval(16, Speed::Super), interval(0, Speed::High)), (3, 15, 0));
    }
}
