//! The driver on a device made of memory.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::pin::pin;
use core::task::Context;

use switchboard::config::Address;
use switchboard::driver::Driver;
use switchboard_testing::FakeMachine;

use super::{LIMITS, Virtio9p};
use crate::interfaces::share::{Exchange, ShareDevice, ShareError};
use crate::virtio::testing::{self, DeviceQueue, OFFERED, TakenChain};

struct Rig {
    machine: Arc<FakeMachine>,
    address: Address,
    share: Virtio9p,
    queue: DeviceQueue,
}

impl Rig {
    fn new() -> Self {
        let (machine, function) = testing::machine(testing::function(0x1049), OFFERED, 1);
        let address = function.address();
        // A name of five bytes, after its length.
        machine.write_register(address, 0, testing::DEVICE, u32::from_le_bytes([5, 0, b'h', b'o']));
        machine.write_register(address, 0, testing::DEVICE + 4, u32::from_le_bytes([b's', b't', b's', 0]));
        let share = Virtio9p::probe(function).expect("a good device");
        let queue = DeviceQueue::from_registers(&machine, address);
        Self { machine, address, share, queue }
    }

    /// Answers the request that the device has.
    fn reply(&mut self, chain: &TakenChain, reply: &[u8]) {
        self.queue.write(chain.segments[1].address, reply);
        assert!(self.queue.complete(chain.head.into(), testing::size(reply.len())));
        self.machine.send(self.address, 0).expect("messages are on");
    }
}

async fn exchange(share: &Virtio9p, request: &[u8]) -> Result<Vec<u8>, ShareError> {
    let (mut exchange, mut reply) = (Exchange::default(), Vec::new());
    let mut take = |bytes: &[u8]| reply.extend_from_slice(bytes);
    poll_fn(|context| share.poll_exchange(&mut exchange, request, &mut take, context)).await?;
    Ok(reply)
}

#[test]
fn a_request_has_its_reply() {
    let Rig { machine, address, share, mut queue } = Rig::new();
    assert_eq!(share.tag(), "hosts");
    for round in 0..10_u8 {
        let reply = testing::run(exchange(&share, &[round; 20]), || {
            let chain = queue.take().expect("a request");
            let lengths: Vec<_> = chain.segments.iter().map(|segment| segment.length).collect();
            assert_eq!(lengths, [20, testing::size(LIMITS.reply_bytes)]);
            queue.write(chain.segments[1].address, &[round + 1; 7]);
            assert!(queue.complete(chain.head.into(), 7));
            machine.send(address, 0).expect("messages are on");
        });
        assert_eq!(reply, Ok([round + 1; 7].to_vec()));
    }
}

#[test]
fn the_reply_of_a_dropped_exchange_is_discarded() {
    let mut rig = Rig::new();
    {
        let (waker, _) = testing::waker();
        let dropped = pin!(exchange(&rig.share, b"first"));
        assert!(Future::poll(dropped, &mut Context::from_waker(&waker)).is_pending());
    }
    let first = rig.queue.take().expect("the first request");
    let (waker, wakes) = testing::waker();
    let mut context = Context::from_waker(&waker);
    let (mut state, mut reply) = (Exchange::default(), Vec::new());
    let mut poll = |rig: &Rig, context: &mut Context<'_>| {
        rig.share.poll_exchange(&mut state, b"second", &mut |bytes| reply.extend_from_slice(bytes), context)
    };
    assert!(poll(&rig, &mut context).is_pending());
    assert!(rig.queue.take().is_none(), "one request at a time");
    rig.reply(&first, b"one");
    assert_eq!(wakes.count(), 1);
    assert!(poll(&rig, &mut context).is_pending());
    let second = rig.queue.take().expect("the second request");
    rig.reply(&second, b"two");
    assert!(poll(&rig, &mut context).is_ready());
    assert_eq!(reply, b"two");
}

#[test]
fn a_closed_device_ends_its_exchange() {
    let Rig { share, .. } = Rig::new();
    assert_eq!(testing::run(exchange(&share, b"late"), || share.close()), Err(ShareError::Gone));
    let too_long = ShareError::TooLong { bytes: LIMITS.request_bytes + 1, limit: LIMITS.request_bytes };
    let request = [0; LIMITS.request_bytes + 1];
    assert_eq!(testing::run(exchange(&share, &request), || unreachable!("no request")), Err(too_long));
}

#[test]
fn a_device_that_lies_is_quarantined() {
    let Rig { machine, address, share, mut queue } = Rig::new();
    let outcome = testing::run(exchange(&share, b"how long?"), || {
        let chain = queue.take().expect("a request");
        queue.complete(chain.head.into(), testing::size(LIMITS.reply_bytes + 1));
        machine.send(address, 0).expect("messages are on");
    });
    assert_eq!(outcome, Err(ShareError::Quarantined));
    assert_eq!(machine.read_register(address, 0, testing::COMMON + 20) & 0xff, 0, "it was reset");
    assert_eq!(testing::run(exchange(&share, b"again"), || unreachable!("asleep")), Err(ShareError::Quarantined));
}
