//! Tests of both queues, with good and faulty devices.

use alloc::vec::Vec;

use embassy_net_driver::{HardwareAddress, LinkState, RxToken as _, TxToken as _};

use super::receive::ReceiveBuffer;
use super::*;
use crate::interfaces::network::Segmentation;
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
    receiver_with(shape, buffers, false)
}

fn receiver_with(
    shape: QueueParameters,
    buffers: usize,
    is_merging: bool,
) -> (Receiver, DeviceQueue, Arc<Shared>, Arc<NetCounters>) {
    let (queue, device_queue, dma) = testing::queue(FEATURES, shape);
    let (shared, counters) = (shared(), Arc::new(NetCounters::default()));
    let receiver =
        Receiver::new(queue, shared.clone(), counters.clone(), &dma, (buffers, BUFFER_LAYOUT.1), None, is_merging)
            .expect("memory");
    (receiver, device_queue, shared, counters)
}

fn sender() -> (Sender, DeviceQueue, Arc<Shared>) {
    let (queue, device_queue, dma) = testing::queue(FEATURES, SMALL_QUEUE);
    let shared = shared();
    let sender = Sender::new(queue, shared.clone(), Arc::default(), &dma, BUFFER_LAYOUT, false).expect("memory");
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

/// Has the device receive a frame with this header, in buffers of 1,000 bytes.
fn deliver_merged(device_queue: &mut DeviceQueue, header: [u8; HEADER_BYTES], frame: &[u8]) {
    for part in [&header, frame].concat().chunks(1000) {
        let chain = device_queue.take().expect("a buffer");
        device_queue.write(chain.segments[0].address, part);
        device_queue.complete(chain.head.into(), testing::size(part.len()));
    }
}

/// Returns a frame with a TCP segment over IPv4 of `length` bytes, whose sequence number is 1.
fn tcp_frame(length: usize) -> Vec<u8> {
    let mut frame = alloc::vec![0; 54];
    frame.extend((0..length).map(|at| (at % 253).to_le_bytes()[0]));
    (frame[12], frame[14], frame[23], frame[41], frame[46], frame[47]) = (8, 0x45, 6, 1, 0x50, 0x18);
    frame
}

/// Returns the received frames, and whether each is verified.
fn received(receiver: &mut Receiver) -> Vec<(Vec<u8>, bool)> {
    let (waker, _) = waker();
    core::iter::from_fn(|| {
        let token = receiver.poll(&Context::from_waker(&waker)).expect("a good device")?;
        let is_verified = token.is_verified();
        Some((token.consume(|frame| frame.to_vec()), is_verified))
    })
    .collect()
}

#[test]
fn merged_frames_are_handed_over_buffer_by_buffer() {
    let (mut receiver, mut device_queue, _, counters) =
        receiver_with(QueueParameters { size: 8, max_segments: 1 }, 8, true);
    // The checksum is left to the driver, in a long segment in three buffers.
    let header = |buffers, flags| [flags, 1, 54, 0, 0xb4, 5, 34, 0, 16, 0, buffers, 0];
    for round in 1..50 {
        let frame = tcp_frame(2500);
        deliver_merged(&mut device_queue, header(3, 1), &frame);
        deliver_merged(&mut device_queue, header(1, 0), &tcp_frame(10));
        let frames = received(&mut receiver);
        assert_eq!(frames.iter().map(|(_, is_verified)| *is_verified).collect::<Vec<_>>(), [true, true, true, false]);
        let data: Vec<u8> = frames[..3].iter().flat_map(|(frame, _)| frame[54..].to_vec()).collect();
        assert_eq!((data, counters.received.get()), (frame[54..].to_vec(), 4 * round));
    }
    assert_eq!(counters.dropped.get(), 0);
    // Without TCP, buffers that belong together are dropped together; the next frame is received.
    let mut other = tcp_frame(2500);
    other[23] = 47;
    deliver_merged(&mut device_queue, header(3, 1), &other);
    deliver_merged(&mut device_queue, header(1, 2), b"good");
    assert_eq!(received(&mut receiver), [(b"good".to_vec(), true)]);
    assert_eq!(counters.dropped.get(), 3);
    // A segment that ends early.
    deliver_merged(&mut device_queue, header(7, 1), &tcp_frame(2500));
    assert_eq!(received(&mut receiver).len(), 3);
    for _ in 0..4 {
        let head = device_queue.take().expect("a buffer").head;
        device_queue.complete(head.into(), 0);
    }
    deliver_merged(&mut device_queue, header(1, 2), b"good");
    assert_eq!(received(&mut receiver), [(b"good".to_vec(), true)]);
    assert_eq!(core::iter::from_fn(|| device_queue.take()).count(), 8, "all buffers are with the device");
}

#[test]
fn checksums_of_datagrams_are_completed() {
    let (mut receiver, mut device_queue, ..) = receiver_with(QueueParameters { size: 4, max_segments: 1 }, 4, true);
    let mut datagram = tcp_frame(20);
    (datagram[23], datagram[40], datagram[41]) = (17, 0x12, 0x34);
    deliver_merged(&mut device_queue, [1, 0, 0, 0, 0, 0, 34, 0, 6, 0, 1, 0], &datagram);
    let [(frame, is_verified)] = &received(&mut receiver)[..] else { panic!("one frame") };
    assert!(!is_verified && frame[40..42] != [0x12, 0x34]);
    // With the pseudo header's sum, that of all words is zero.
    let words = frame[34..].chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let sum = words.sum::<u32>() + 0x1234;
    assert_eq!((sum >> 16) + (sum & 0xffff), 0xffff);
}

#[test]
fn long_segments_are_sent_with_the_header_of_their_offloads() {
    let (queue, mut device_queue, dma) = testing::queue(FEATURES, QueueParameters { size: 8, max_segments: 1 });
    let mut sender = Sender::new(queue, shared(), Arc::default(), &dma, (8, BUFFER_LAYOUT.1), true).expect("memory");
    let (waker, _) = waker();
    let how =
        Segmentation { is_ipv6: true, header_bytes: 74, checksum_start: 54, checksum_offset: 16, segment_bytes: 1440 };
    for round in 0..100_usize {
        assert_eq!(sender.poll(&Context::from_waker(&waker)), Ok(true));
        let length = 2000 + round * 600;
        sender.send_large(length, &mut |frame| {
            frame.fill(7);
            how
        });
        assert_eq!(sender.poll(&Context::from_waker(&waker)), Ok(true));
        TxToken { sender: &mut sender }.consume(60, |frame| frame.fill(1));
        let (chain, small) = (device_queue.take().expect("a frame"), device_queue.take().expect("a frame"));
        let sent = device_queue.read(chain.segments[0].address, chain.segments[0].length as usize);
        assert_eq!(sent[..HEADER_BYTES], [1, 4, 74, 0, 0xa0, 5, 54, 0, 16, 0, 0, 0]);
        assert_eq!(sent.len(), HEADER_BYTES + length);
        assert_eq!(device_queue.read(small.segments[0].address, HEADER_BYTES), [0; HEADER_BYTES]);
        device_queue.complete(chain.head.into(), 0);
        device_queue.complete(small.head.into(), 0);
    }
    // What is longer than the buffers is dropped.
    assert_eq!(sender.poll(&Context::from_waker(&waker)), Ok(true));
    sender.send_large(70_000, &mut |_| unreachable!("there is no room"));
    assert!(device_queue.take().is_none());
}
