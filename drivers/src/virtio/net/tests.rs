//! Tests of both queues, with good and faulty devices.

use alloc::vec::Vec;

use embassy_net_driver::{RxToken as _, TxToken as _};

use super::receive::ReceiveBuffer;
use super::*;
use crate::virtio::queue::{QueueError, RingFeatures};
use crate::virtio::testing::{self, DeviceQueue, OFFERED, machine, waker};

const FEATURES: RingFeatures = RingFeatures::all();
const SMALL_QUEUE: QueueParameters = QueueParameters { size: 4, max_segments: 1 };
/// The number of buffers, and their size.
const BUFFER_LAYOUT: (usize, usize) = (4, HEADER_BYTES + MAX_FRAME_BYTES);

/// Returns the state of handlers, for a device that is not used otherwise.
fn shared() -> Arc<Shared> {
    let (_machine, function) = machine(testing::function(0x1041), OFFERED, 2);
    let (transport, ..) = Transport::open(function).expect("a good device");
    let (setup, _) = transport.negotiate(NetFeatures::all()).expect("a good device");
    let (queue, ..) = testing::queue::<ReceiveBuffer>(FEATURES, SMALL_QUEUE);
    Arc::new(Shared::new(setup.interrupt_status(), queue.watch(), queue.watch()))
}

fn receiver() -> (Receiver, DeviceQueue, Arc<Shared>, Arc<NetCounters>) {
    receiver_of(SMALL_QUEUE, BUFFER_LAYOUT.0)
}

fn receiver_of(shape: QueueParameters, buffers: usize) -> (Receiver, DeviceQueue, Arc<Shared>, Arc<NetCounters>) {
    let (queue, device_queue, dma) = testing::queue(FEATURES, shape);
    let (shared, counters) = (shared(), Arc::new(NetCounters::default()));
    let receiver =
        Receiver::new(queue, shared.clone(), counters.clone(), &dma, (buffers, BUFFER_LAYOUT.1), None).expect("memory");
    (receiver, device_queue, shared, counters)
}

fn sender() -> (Sender, DeviceQueue, Arc<Shared>) {
    let (queue, device_queue, dma) = testing::queue(FEATURES, SMALL_QUEUE);
    let shared = shared();
    let sender = Sender::new(queue, shared.clone(), Arc::default(), &dma, BUFFER_LAYOUT).expect("memory");
    (sender, device_queue, shared)
}

/// Has the device receive a frame. Returns whether the driver requests an interrupt.
fn deliver(device_queue: &mut DeviceQueue, frame: &[u8]) -> bool {
    let chain = device_queue.take().expect("a buffer");
    let [piece] = chain.segments[..] else { panic!("one buffer for each frame") };
    assert!(piece.is_writable && piece.length as usize == BUFFER_LAYOUT.1);
    device_queue.write(piece.address + HEADER_BYTES as u64, frame);
    device_queue.complete(chain.head.into(), testing::size(HEADER_BYTES + frame.len()))
}

/// Probes a device with this configuration.
fn probed(mac: [u8; 6], status: u16, mtu: u16) -> Result<VirtioNet, ProbeError> {
    let features = OFFERED | 1 << 3 | 1 << 5 | 1 << 16;
    let (machine, function) = machine(testing::function(0x1041), features, 2);
    let (status, mtu) = (status.to_le_bytes(), mtu.to_le_bytes());
    let words = [[mac[0], mac[1], mac[2], mac[3]], [mac[4], mac[5], status[0], status[1]], [0, 0, mtu[0], mtu[1]]];
    for (offset, word) in (0..).step_by(4).zip(words) {
        machine.write_register(function.address(), 0, testing::DEVICE + offset, u32::from_le_bytes(word));
    }
    VirtioNet::probe(function)
}

#[test]
fn the_configuration_is_checked_and_reported() {
    use embassy_net_driver::Driver as _;
    let mac = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
    let (waker, _) = waker();
    for (status, link) in [(1, LinkState::Up), (0, LinkState::Down)] {
        let mut device = probed(mac, status, 1000).expect("a good device");
        assert_eq!(device.hardware_address(), HardwareAddress::Ethernet(mac));
        assert_eq!(device.capabilities().max_transmission_unit, 1014);
        assert!(device.link_state(&mut Context::from_waker(&waker)) == link);
    }
    assert!(probed([0x53, 0, 0, 0, 0, 1], 1, 1500).is_err_and(|error| alloc::format!("{error}").contains("MAC")));
    assert!(probed([0; 6], 1, 1500).is_err_and(|error| alloc::format!("{error}").contains("all zeros")));
    assert!(probed(mac, 1, 67).is_err_and(|error| alloc::format!("{error}").contains("MTU")));
}

#[test]
fn frames_are_received_and_their_buffers_submitted_again() {
    let (mut receiver, mut device_queue, ..) = receiver();
    let (waker, _) = waker();
    let context = Context::from_waker(&waker);
    for round in 0..1000_u32 {
        assert!(receiver.poll(&context).expect("a good device").is_none());
        let frame = round.to_le_bytes().repeat(16);
        assert!(deliver(&mut device_queue, &frame), "the driver requests an interrupt");
        assert!(!deliver(&mut device_queue, &frame), "only for the first frame");
        for _ in 0..2 {
            let token = receiver.poll(&context).expect("a good device").expect("a frame");
            token.consume(|received| assert_eq!(received, frame));
        }
    }
}

#[test]
fn buffers_without_a_frame_are_dropped_and_counted() {
    let (mut receiver, mut device_queue, _, counters) = receiver();
    let (waker, _) = waker();
    for length in [0, testing::size(HEADER_BYTES) - 1, testing::size(HEADER_BYTES)] {
        let head = device_queue.take().expect("a buffer").head;
        device_queue.complete(head.into(), length);
    }
    deliver(&mut device_queue, b"good");
    let token = receiver.poll(&Context::from_waker(&waker)).expect("a good device").expect("a frame");
    token.consume(|received| assert_eq!(received, b"good"));
    assert_eq!((counters.received.get(), counters.dropped.get()), (1, 3));
    // A frame that is not consumed is submitted again as well.
    deliver(&mut device_queue, b"unwanted");
    drop(receiver.poll(&Context::from_waker(&waker)));
    assert_eq!(counters.dropped.get(), 4);
    assert_eq!(core::iter::from_fn(|| device_queue.take()).count(), 4, "all buffers are with the device");
}

#[test]
fn a_polled_card_requests_no_interrupt_and_wakes_no_task() {
    let (mut receiver, mut device_queue, shared, _) = receiver();
    let (waker, wakes) = waker();
    for round in 0..10 {
        receiver.set_polled(true);
        for _ in 0..10 {
            assert!(receiver.poll(&Context::from_waker(&waker)).expect("a good device").is_none());
            assert!(!deliver(&mut device_queue, b"polled"), "no interrupt is requested");
            let frame = receiver.poll(&Context::from_waker(&waker)).expect("a good device").expect("a frame");
            frame.consume(|received| assert_eq!(received, b"polled"));
        }
        shared.receive.wake();
        assert_eq!(wakes.count(), round, "no task is registered");
        receiver.set_polled(false);
        assert!(receiver.poll(&Context::from_waker(&waker)).expect("a good device").is_none());
        assert!(deliver(&mut device_queue, b"awaited"), "an interrupt is requested");
        shared.receive.wake();
        assert_eq!(wakes.count(), round + 1);
        let frame = receiver.poll(&Context::from_waker(&waker)).expect("a good device").expect("a frame");
        frame.consume(|received| assert_eq!(received, b"awaited"));
    }
}

#[test]
fn empty_buffers_without_end_do_not_starve_other_tasks() {
    let (mut receiver, mut device_queue, _, counters) =
        receiver_of(QueueParameters { size: 128, max_segments: 1 }, 128);
    let (waker, wakes) = waker();
    for round in 1..100 {
        // More than the retries.
        while let Some(chain) = device_queue.take() {
            device_queue.complete(chain.head.into(), 0);
        }
        assert!(receiver.poll(&Context::from_waker(&waker)).expect("a good device").is_none());
        assert_eq!(
            (counters.dropped.get(), wakes.count()),
            (64 * round, usize::try_from(round).expect("few")),
            "the task is polled again"
        );
    }
}

#[test]
fn a_frame_longer_than_its_buffer_is_an_error() {
    let (mut receiver, mut device_queue, ..) = receiver();
    let (waker, _) = waker();
    let head = device_queue.take().expect("a buffer").head;
    device_queue.complete(head.into(), testing::size(BUFFER_LAYOUT.1) + 1);
    let result = receiver.poll(&Context::from_waker(&waker)).map(|frame| frame.is_some());
    assert!(matches!(result, Err(QueueError::Overlong { .. })), "{result:?}");
}

#[test]
fn frames_are_sent_behind_an_empty_header() {
    let (mut sender, mut device_queue, _) = sender();
    let (waker, _) = waker();
    for round in 0..1000_u32 {
        assert_eq!(sender.poll(&Context::from_waker(&waker)), Ok(true));
        let length = 1 + round as usize % MAX_FRAME_BYTES;
        TxToken { sender: &mut sender }.consume(length, |frame| frame.fill(round.to_le_bytes()[0]));
        let chain = device_queue.take().expect("a frame");
        let [piece] = chain.segments[..] else { panic!("one buffer for each frame") };
        let sent = device_queue.read(piece.address, piece.length as usize);
        let wanted: Vec<_> = [0; HEADER_BYTES].into_iter().chain((0..length).map(|_| round.to_le_bytes()[0])).collect();
        assert_eq!(sent, wanted);
        assert!(!device_queue.complete(chain.head.into(), 0), "no interrupt is requested");
    }
}

#[test]
fn a_full_queue_wakes_the_task_when_half_of_it_is_free() {
    let (mut sender, mut device_queue, shared) = sender();
    let (waker, wakes) = waker();
    for round in 0..100 {
        for _ in 0..SMALL_QUEUE.size {
            assert_eq!(sender.poll(&Context::from_waker(&waker)), Ok(true));
            TxToken { sender: &mut sender }.consume(60, |frame| frame.fill(1));
        }
        assert_eq!(sender.poll(&Context::from_waker(&waker)), Ok(false));
        let taken: Vec<_> = core::iter::from_fn(|| device_queue.take()).collect();
        let interrupts: Vec<_> = taken.iter().map(|chain| device_queue.complete(chain.head.into(), 0)).collect();
        assert_eq!(interrupts, [false, true, false, false]);
        shared.send.wake();
        assert_eq!(wakes.count(), round + 1);
    }
}
