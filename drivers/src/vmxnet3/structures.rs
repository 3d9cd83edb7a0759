//! The structures in memory by which the driver configures the device (`vmxnet3_defs.h`).

use switchboard::dma::{BusAddress, DmaPort, DmaShared};
use switchboard::driver::ProbeError;
use zerocopy::{Immutable, IntoBytes, KnownLayout};

use super::ring::{RX_COMPLETIONS, RX_FRAMES, RxRing, TX_FRAMES, TxRing};

/// The first word of the shared structure.
const MAGIC: u32 = 0xbabe_fee1;
/// The version of the driver, and the operating system: 64 bits, none of those that are listed.
const DRIVER_VERSION: u32 = 0x0001_0000;
const GUEST: u32 = 0b10;
/// The revisions that the driver supports.
pub(super) const REVISION_1: u32 = 1;
/// Frames to the own address, broadcast frames, and all multicast frames; not promiscuous.
const RX_MODE: u32 = 1 << 0 | 1 << 2 | 1 << 3;
const MTU: u32 = 1500;
/// The bytes of a queue's descriptor.
const QUEUE_BYTES: u32 = 256;

/// `Vmxnet3_DriverShared`, what the driver writes of it.
#[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct DriverShared {
    magic: u32,
    _pad: u32,
    driver_version: u32,
    guest: u32,
    revisions: u32,
    upt_revisions: u32,
    /// Offloads. None.
    upt_features: u64,
    driver_data: u64,
    queues: BusAddress,
    driver_data_length: u32,
    queues_length: u32,
    mtu: u32,
    max_receive_segments: u16,
    transmit_queues: u8,
    receive_queues: u8,
    _reserved: [u32; 4],
    /// The device masks an interrupt when it raises it.
    auto_mask: u8,
    interrupts: u8,
    event_interrupt: u8,
    /// None (`UPT1_IML_NONE`).
    moderation: [u8; 25],
    interrupt_control: u32,
    _reserved_interrupts: [u32; 2],
    rx_mode: u32,
    multicast_length: u16,
    _pad_filter: u16,
    multicast_table: u64,
    vlan_table: [u32; 128],
    /// Receive side scaling, power management, plug-ins. None.
    _more: [u64; 6],
}

/// The rest of `Vmxnet3_DriverShared`: events, which the device writes.
type Events = [u32; 6];

/// `Vmxnet3_TxQueueDesc` without its status.
#[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct TxQueue {
    _control: [u64; 2],
    ring: BusAddress,
    data_ring: BusAddress,
    completions: BusAddress,
    _driver_data: [u64; 2],
    ring_size: u32,
    data_ring_size: u32,
    completions_size: u32,
    _driver_data_length: u32,
    interrupt: u8,
    _pad: [u8; 7],
    _status_and_statistics: [u64; 22],
}

/// `Vmxnet3_RxQueueDesc` without its status.
#[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct RxQueue {
    _control: [u64; 2],
    rings: [BusAddress; 2],
    completions: BusAddress,
    _driver_data: [u64; 2],
    ring_sizes: [u32; 2],
    completions_size: u32,
    _driver_data_length: u32,
    interrupt: u8,
    _pad: [u8; 7],
    _status_and_statistics: [u64; 22],
}

const _: () = assert!(size_of::<DriverShared>() == 696 && size_of::<TxQueue>() == 256 && size_of::<RxQueue>() == 256);

/// The interrupts of the queues and of events, by the entries of their messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct InterruptNumbers {
    pub(super) received: u8,
    pub(super) sent: u8,
    pub(super) event: u8,
    pub(super) count: u8,
}

/// The structures of a device in use.
#[derive(Debug)]
pub(super) struct Structures {
    shared: DmaShared<DriverShared>,
    events: DmaShared<Events>,
    _tx: DmaShared<TxQueue>,
    _rx: DmaShared<RxQueue>,
}

impl Structures {
    /// Allocates and fills them.
    pub(super) fn new(dma: &DmaPort, rx: &RxRing, tx: &TxRing, numbers: InterruptNumbers) -> Result<Self, ProbeError> {
        let mut region = dma.region(4096)?;
        let short = ProbeError::Device("the structures do not fit their region");
        let (Some(mut shared), Some(events)) = (region.carve(1, 512), region.carve(1, 8)) else { return Err(short) };
        // The transmit queues come first.
        let (Some(mut tx_queue), Some(mut rx_queue)) = (region.carve(1, 256), region.carve(1, 256)) else {
            return Err(short);
        };
        tx_queue.write(0, tx_queue_of(tx, numbers.sent));
        rx_queue.write(0, rx_queue_of(rx, numbers.received));
        shared.write(0, shared_of(tx_queue.bus(), numbers));
        Ok(Self { shared, events, _tx: tx_queue, _rx: rx_queue })
    }

    pub(super) fn bus(&self) -> BusAddress {
        self.shared.bus()
    }

    /// Returns the events that the device has reported and that were not cleared.
    pub(super) fn events(&self) -> u32 {
        let [events, ..] = self.events.read(0);
        events
    }
}

fn tx_queue_of(tx: &TxRing, interrupt: u8) -> TxQueue {
    TxQueue {
        _control: [0; 2],
        ring: tx.descriptors(),
        data_ring: tx.data(),
        completions: tx.completions(),
        _driver_data: [0; 2],
        ring_size: TX_FRAMES.into(),
        data_ring_size: TX_FRAMES.into(),
        completions_size: TX_FRAMES.into(),
        _driver_data_length: 0,
        interrupt,
        _pad: [0; 7],
        _status_and_statistics: [0; 22],
    }
}

fn rx_queue_of(rx: &RxRing, interrupt: u8) -> RxQueue {
    RxQueue {
        _control: [0; 2],
        rings: rx.descriptors(),
        completions: rx.completions(),
        _driver_data: [0; 2],
        ring_sizes: [RX_FRAMES.into(), u32::from(RX_COMPLETIONS - RX_FRAMES)],
        completions_size: RX_COMPLETIONS.into(),
        _driver_data_length: 0,
        interrupt,
        _pad: [0; 7],
        _status_and_statistics: [0; 22],
    }
}

fn shared_of(queues: BusAddress, numbers: InterruptNumbers) -> DriverShared {
    DriverShared {
        magic: MAGIC,
        _pad: 0,
        driver_version: DRIVER_VERSION,
        guest: GUEST,
        revisions: REVISION_1,
        upt_revisions: REVISION_1,
        upt_features: 0,
        driver_data: 0,
        queues,
        driver_data_length: 0,
        queues_length: 2 * QUEUE_BYTES,
        mtu: MTU,
        max_receive_segments: 1,
        transmit_queues: 1,
        receive_queues: 1,
        _reserved: [0; 4],
        auto_mask: 1,
        interrupts: numbers.count,
        event_interrupt: numbers.event,
        moderation: [0; 25],
        interrupt_control: 0,
        _reserved_interrupts: [0; 2],
        rx_mode: RX_MODE,
        multicast_length: 0,
        _pad_filter: 0,
        multicast_table: 0,
        vlan_table: [0; 128],
        _more: [0; 6],
    }
}
