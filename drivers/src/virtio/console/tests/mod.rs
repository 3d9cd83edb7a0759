//! The driver on a device made of memory, with one port and with several.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};

use switchboard::config::Address;
use switchboard::driver::Driver;
use switchboard_testing::FakeMachine;

use super::VirtioConsole;
use super::port::BUFFER_BYTES;
use crate::interfaces::console::{ConsoleDevice, ConsoleError, ConsoleSize, PortInfo};
use crate::virtio::testing::{self, DeviceQueue, EnabledQueues, OFFERED};

mod multiport;

/// Offers the size of the console, and the emergency write.
const ONE_PORT: u32 = (OFFERED & !2) | 1 | 4;

struct Rig {
    machine: Arc<FakeMachine>,
    address: Address,
    console: VirtioConsole,
    queues: EnabledQueues,
}

impl Rig {
    fn new(features: u32, queues: u16, max_ports: u32) -> Self {
        let (machine, function) = testing::machine(testing::function(0x1043), features, queues);
        let address = function.address();
        machine.write_register(address, 0, testing::DEVICE, 80 | 25 << 16);
        machine.write_register(address, 0, testing::DEVICE + 4, max_ports);
        let queues = EnabledQueues::watch(&machine, address);
        let console = VirtioConsole::probe(function).expect("a good device");
        Self { machine, address, console, queues }
    }

    fn interrupt(&self) {
        for entry in 0..3 {
            self.machine.send(self.address, entry).expect("messages are on");
        }
    }

    fn was_reset(&self) -> bool {
        self.machine.read_register(self.address, 0, testing::COMMON + 20) & 0xff == 0
    }
}

fn poll<R>(poll: impl FnOnce(&mut Context<'_>) -> Poll<R>) -> Poll<R> {
    poll(&mut Context::from_waker(Waker::noop()))
}

/// Puts bytes into the next buffer for receiving.
fn deliver(queue: &mut DeviceQueue, bytes: &[u8]) {
    let chain = queue.take().expect("a buffer");
    assert!(chain.segments[0].is_writable);
    queue.write(chain.segments[0].address, bytes);
    queue.complete(chain.head.into(), testing::size(bytes.len()));
}

/// Takes what the driver has sent.
fn taken(queue: &mut DeviceQueue) -> Option<Vec<u8>> {
    let chain = queue.take()?;
    let segment = chain.segments[0];
    assert!(!segment.is_writable);
    let bytes = queue.read(segment.address, segment.length as usize);
    queue.complete(chain.head.into(), 0);
    Some(bytes)
}

async fn read(console: &VirtioConsole, port: u32, count: usize) -> Result<Vec<u8>, ConsoleError> {
    let mut bytes = [0; 2000];
    let read = poll_fn(|context| console.poll_read(port, &mut bytes[..count], context)).await?;
    Ok(bytes[..read].to_vec())
}

async fn write(console: &VirtioConsole, port: u32, bytes: &[u8]) -> Result<usize, ConsoleError> {
    poll_fn(|context| console.poll_write(port, bytes, context)).await
}

#[test]
fn a_console_with_one_port_reads_and_writes() {
    let rig = Rig::new(ONE_PORT, 2, 9);
    let (mut receive, mut transmit) = (rig.queues.take(0), rig.queues.take(1));
    assert!(poll(|context| rig.console.poll_change(context)).is_ready());
    let size = Some(ConsoleSize { columns: 80, rows: 25 });
    let port = PortInfo { id: 0, name: "".into(), is_console: true, is_open: true, size };
    assert_eq!(rig.console.ports(), [port]);
    for round in 0..100_u8 {
        let bytes = testing::run(read(&rig.console, 0, 3), || {
            deliver(&mut receive, &[round; 5]);
            rig.interrupt();
        });
        assert_eq!(bytes.as_deref(), Ok([round; 3].as_slice()));
        let rest = testing::run(read(&rig.console, 0, 9), || panic!("the bytes are there"));
        assert_eq!(rest.as_deref(), Ok([round; 2].as_slice()));
        let written = testing::run(write(&rig.console, 0, &[round; 2000]), || panic!("there is room"));
        assert_eq!(written, Ok(BUFFER_BYTES));
        assert_eq!(taken(&mut transmit).as_deref(), Some([round; BUFFER_BYTES].as_slice()));
    }
    let none = poll(|context| rig.console.poll_read(1, &mut [0], context));
    assert_eq!(none, Poll::Ready(Err(ConsoleError::NoPort { port: 1 })));
}

#[test]
fn writes_wait_for_a_host_that_does_not_read() {
    let rig = Rig::new(ONE_PORT, 2, 9);
    let mut transmit = rig.queues.take(1);
    for round in 0..4_u8 {
        assert_eq!(testing::run(write(&rig.console, 0, &[round]), || panic!("there is room")), Ok(1));
    }
    let written = testing::run(write(&rig.console, 0, b"later"), || {
        assert_eq!(taken(&mut transmit).as_deref(), Some([0].as_slice()));
        rig.interrupt();
    });
    assert_eq!(written, Ok(5));
    let mut sent = Vec::new();
    let flush = poll_fn(|context| rig.console.poll_flush(0, context));
    let flushed = testing::run(flush, || {
        sent.extend(core::iter::from_fn(|| taken(&mut transmit)).flatten());
        rig.interrupt();
    });
    assert_eq!((flushed, sent.as_slice()), (Ok(()), b"\x01\x02\x03later".as_slice()));
}

#[test]
fn the_emergency_write_is_a_register() {
    let rig = Rig::new(ONE_PORT, 2, 9);
    let writer = rig.console.emergency_writer().expect("it is offered");
    writer.write_byte(b'!');
    assert_eq!(rig.machine.read_register(rig.address, 0, testing::DEVICE + 8), u32::from(b'!'));
    assert!(Rig::new(OFFERED & !6, 2, 0).console.emergency_writer().is_none());
}

#[test]
fn a_change_of_the_size_is_noticed() {
    let rig = Rig::new(ONE_PORT, 2, 9);
    assert!(poll(|context| rig.console.poll_change(context)).is_ready());
    let changed = testing::run(poll_fn(|context| rig.console.poll_change(context)), || {
        rig.machine.write_register(rig.address, 0, testing::DEVICE, 132 | 50 << 16);
        rig.interrupt();
    });
    assert_eq!(changed, Ok(()));
    assert_eq!(rig.console.ports()[0].size, Some(ConsoleSize { columns: 132, rows: 50 }));
}

#[test]
fn a_device_that_violates_the_protocol_is_quarantined() {
    // More bytes than the buffer has, and a chain that the device does not have.
    for is_overlong in [true, false] {
        let rig = Rig::new(ONE_PORT, 2, 9);
        let mut receive = rig.queues.take(0);
        let outcome = testing::run(read(&rig.console, 0, 9), || {
            if is_overlong {
                let chain = receive.take().expect("a buffer");
                receive.complete(chain.head.into(), testing::size(BUFFER_BYTES + 1));
            } else {
                receive.complete(77, 1);
            }
            rig.interrupt();
        });
        assert_eq!(outcome, Err(ConsoleError::Quarantined));
        assert!(rig.was_reset());
        assert_eq!(testing::run(write(&rig.console, 0, b"x"), || ()), Err(ConsoleError::Quarantined));
    }
}

#[test]
fn buffers_without_a_byte_are_no_end_of_the_stream() {
    let rig = Rig::new(ONE_PORT, 2, 9);
    let mut receive = rig.queues.take(0);
    let mut round = 0;
    let bytes = testing::run(read(&rig.console, 0, 9), || {
        round += 1;
        deliver(&mut receive, if round < 10 { b"" } else { b"text" });
        rig.interrupt();
    });
    assert_eq!(bytes.as_deref(), Ok(b"text".as_slice()));
}

#[test]
fn a_closed_console_ends_its_tasks() {
    let rig = Rig::new(ONE_PORT, 2, 9);
    assert_eq!(testing::run(read(&rig.console, 0, 9), || rig.console.close()), Err(ConsoleError::Gone));
    let change = poll(|context| rig.console.poll_change(context));
    assert_eq!(change, Poll::Ready(Err(ConsoleError::Gone)));
}
