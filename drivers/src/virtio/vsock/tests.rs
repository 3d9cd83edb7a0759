//! Two tables that talk to each other, and the driver on a device made of memory.

use core::pin::pin;
use core::task::Waker;

use embedded_io_async::{Read, Write};
use switchboard_testing::FakeMachine;

use super::packet::{NO_RECEIVE, NO_SEND, Operation};
use super::*;
use crate::virtio::testing::{self, DeviceQueue, EnabledQueues, OFFERED};

const GUEST: u64 = 3;

fn vsock(cid: u64) -> Vsock {
    Vsock(Arc::new(Sockets { table: Mutex::new(Table::new(cid)), work: AtomicWaker::new() }))
}

/// Carries packets between two machines until there are none; returns how many.
fn carry(one: &Vsock, other: &Vsock) -> usize {
    let (mut data, mut count) = ([0; DATA_BYTES], 0);
    loop {
        let before = count;
        for (from, to) in [(one, other), (other, one)] {
            let header = from.0.table.lock().next_packet(&mut data);
            if let Some(header) = header {
                to.0.table.lock().receive(&Header::parse(&header.to_bytes()), &data[..header.length as usize]);
                count += 1;
            }
        }
        if count == before {
            return count;
        }
    }
}

fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Returns both ends of a stream.
fn pair(guest: &Vsock, host: &Vsock) -> (VsockStream, VsockStream) {
    let listener = host.listen(1024).expect("a free port");
    let mut connect = pin!(guest.connect(VsockAddress { cid: HOST, port: 1024 }));
    assert!(poll(connect.as_mut()).is_pending());
    carry(guest, host);
    let Poll::Ready(Ok(stream)) = poll(connect) else { panic!("no stream") };
    let Poll::Ready(Ok(accepted)) = poll(listener.accept()) else { panic!("no stream") };
    assert_eq!((stream.peer().cid, accepted.peer().cid), (HOST, GUEST));
    (stream, accepted)
}

#[test]
fn bytes_go_either_way_within_the_credit() {
    let (guest, host) = (vsock(GUEST), vsock(HOST));
    let (mut stream, mut accepted) = pair(&guest, &host);
    let all: Vec<u8> = (0..=u8::MAX).cycle().take(200_000).collect();
    let (mut sent, mut received, mut bytes) = (0, Vec::new(), [0; 3000]);
    while received.len() < all.len() {
        while let Poll::Ready(count) = poll(stream.write(&all[sent..])) {
            sent += count.expect("no error");
            if sent == all.len() {
                break;
            }
        }
        carry(&guest, &host);
        // The peer has no more than its buffer, and the rest waits here.
        let waiting: usize = host.0.table.lock().connections.values().map(|connection| connection.received.len()).sum();
        assert!(waiting <= 16 << 10, "{waiting}");
        if let Poll::Ready(count) = poll(accepted.read(&mut bytes)) {
            received.extend_from_slice(&bytes[..count.expect("no error")]);
        }
    }
    assert!(received == all);
    assert_eq!(poll(accepted.write(b"back")), Poll::Ready(Ok(4)));
    carry(&guest, &host);
    assert_eq!(poll(stream.read(&mut bytes)), Poll::Ready(Ok(4)));
}

#[test]
fn the_end_of_a_stream_is_behind_its_bytes() {
    let (guest, host) = (vsock(GUEST), vsock(HOST));
    let (mut stream, mut accepted) = pair(&guest, &host);
    let mut bytes = [0; 64];
    assert_eq!(poll(stream.write(b"last")), Poll::Ready(Ok(4)));
    stream.shutdown();
    assert_eq!(poll(stream.write(b"x")), Poll::Ready(Err(VsockError::Closed)));
    carry(&guest, &host);
    assert_eq!(poll(accepted.read(&mut bytes)), Poll::Ready(Ok(4)));
    assert_eq!(poll(accepted.read(&mut bytes)), Poll::Ready(Ok(0)));
    // The other direction is open.
    assert_eq!(poll(accepted.write(b"answer")), Poll::Ready(Ok(6)));
    drop(accepted);
    carry(&guest, &host);
    assert_eq!(poll(stream.read(&mut bytes)), Poll::Ready(Ok(6)));
    assert_eq!(poll(stream.read(&mut bytes)), Poll::Ready(Ok(0)));
    drop(stream);
    carry(&guest, &host);
    assert!(guest.0.table.lock().connections.is_empty() && host.0.table.lock().connections.is_empty());
}

#[test]
fn a_port_without_a_listener_refuses_and_streams_are_bounded() {
    let (guest, host) = (vsock(GUEST), vsock(HOST));
    {
        let mut refused = pin!(guest.connect(VsockAddress { cid: HOST, port: 9 }));
        assert!(poll(refused.as_mut()).is_pending());
        carry(&guest, &host);
        assert_eq!(poll(refused).map_ok(drop), Poll::Ready(Err(VsockError::Refused)));
    }
    // One more than are accepted is refused, and one more than there may be is an error here.
    let _listener = host.listen(1).expect("a free port");
    assert_eq!(host.listen(1).map(drop), Err(VsockError::PortInUse));
    let mut connects: Vec<_> =
        (0..65).map(|_| alloc::boxed::Box::pin(guest.connect(VsockAddress { cid: HOST, port: 1 }))).collect();
    let first: Vec<_> = connects.iter_mut().map(|connect| poll(connect.as_mut()).map_ok(drop)).collect();
    assert_eq!(first.iter().filter(|poll| **poll == Poll::Ready(Err(VsockError::TooMany))).count(), 1);
    carry(&guest, &host);
    let mut open = 0;
    for connect in connects.iter_mut().take(64) {
        open += usize::from(matches!(poll(connect.as_mut()), Poll::Ready(Ok(_))));
    }
    assert_eq!(open, 8);
    drop(connects);
    carry(&guest, &host);
    assert!(guest.0.table.lock().connections.is_empty());
}

#[test]
fn a_peer_beyond_its_credit_or_its_protocol_is_reset() {
    let (guest, host) = (vsock(GUEST), vsock(HOST));
    for operation in [Operation::Data, Operation::Response, Operation::Request] {
        let (mut stream, accepted) = pair(&guest, &host);
        let mut header = Header {
            source: accepted_address(&stream),
            destination: VsockAddress { cid: GUEST, port: guest_port(&accepted) },
            length: 4096,
            is_stream: true,
            operation: Some(operation),
            flags: 0,
            buffer_bytes: u32::MAX,
            taken: 77,
        };
        for _ in 0..5 {
            guest.0.table.lock().receive(&header, &[0; 4096]);
        }
        let mut bytes = [0; 20_000];
        if operation == Operation::Data {
            assert_eq!(poll(stream.read(&mut bytes)), Poll::Ready(Ok(16 << 10)));
        }
        assert_eq!(poll(stream.read(&mut bytes)), Poll::Ready(Err(VsockError::Reset)));
        // What belongs to no stream is answered, up to a bound.
        header.source.port = 5;
        header.operation = Some(Operation::Shutdown);
        header.flags = NO_RECEIVE | NO_SEND;
        for _ in 0..100 {
            guest.0.table.lock().receive(&header, &[]);
        }
        assert!(carry(&guest, &host) < 40);
    }
}

fn accepted_address(stream: &VsockStream) -> VsockAddress {
    stream.peer()
}

fn guest_port(accepted: &VsockStream) -> u32 {
    accepted.peer().port
}

struct Rig {
    machine: Arc<FakeMachine>,
    address: switchboard::config::Address,
    receive: DeviceQueue,
    transmit: DeviceQueue,
}

fn rig() -> (Rig, VirtioVsock) {
    let (machine, function) = testing::machine(testing::function(0x1053), OFFERED & !2, 3);
    let address = function.address();
    machine.write_register(address, 0, testing::DEVICE, 3);
    let queues = EnabledQueues::watch(&machine, address);
    let vsock = VirtioVsock::probe(function).expect("a good device");
    let (receive, transmit) = (queues.take(0), queues.take(1));
    (Rig { machine, address, receive, transmit }, vsock)
}

impl Rig {
    fn deliver(&mut self, bytes: &[u8], length: usize) {
        let chain = self.receive.take().expect("a buffer");
        self.receive.write(chain.segments[0].address, &bytes[..HEADER_BYTES]);
        self.receive.write(chain.segments[1].address, &bytes[HEADER_BYTES..]);
        self.receive.complete(chain.head.into(), testing::size(length));
        self.machine.send(self.address, 0).expect("messages are on");
    }
}

#[test]
fn the_driver_carries_packets() {
    let (mut rig, driver) = rig();
    let sockets = driver.sockets();
    assert_eq!(sockets.cid(), GUEST);
    let mut run = pin!(driver.run());
    assert!(poll(run.as_mut()).is_pending());
    let mut connect = pin!(sockets.connect(VsockAddress { cid: HOST, port: 7 }));
    assert!(poll(connect.as_mut()).is_pending());
    assert!(poll(run.as_mut()).is_pending());
    let chain = rig.transmit.take().expect("a request");
    let header = rig.transmit.read(chain.segments[0].address, HEADER_BYTES);
    let request = Header::parse(header.first_chunk().expect("a header"));
    assert_eq!((request.operation, request.destination.port), (Some(Operation::Request), 7));
    rig.transmit.complete(chain.head.into(), 0);
    let response = Header {
        source: request.destination,
        destination: request.source,
        operation: Some(Operation::Response),
        buffer_bytes: 100,
        ..request
    };
    rig.deliver(&response.to_bytes(), HEADER_BYTES);
    assert!(poll(run.as_mut()).is_pending());
    let Poll::Ready(Ok(mut stream)) = poll(connect) else { panic!("no stream") };
    let data = Header { operation: Some(Operation::Data), length: 5, ..response };
    rig.deliver(&[&data.to_bytes()[..], b"hello"].concat(), HEADER_BYTES + 5);
    assert!(poll(run.as_mut()).is_pending());
    let mut bytes = [0; 9];
    assert_eq!((poll(stream.read(&mut bytes)), &bytes[..5]), (Poll::Ready(Ok(5)), b"hello".as_slice()));
}

#[test]
fn a_device_that_reports_a_wrong_length_is_quarantined() {
    let (mut rig, driver) = rig();
    let sockets = driver.sockets();
    let mut run = pin!(driver.run());
    assert!(poll(run.as_mut()).is_pending());
    let mut bytes = [0; HEADER_BYTES];
    bytes[24..28].copy_from_slice(&u32::MAX.to_le_bytes());
    rig.deliver(&bytes, HEADER_BYTES);
    assert_eq!(poll(run), Poll::Ready(VsockError::Gone));
    assert_eq!(rig.machine.read_register(rig.address, 0, testing::COMMON + 20) & 0xff, 0, "it was reset");
    assert_eq!(sockets.listen(1).map(drop), Err(VsockError::Gone));
}
