//! Virtio functions made of memory, and an executor of one future.

extern crate std;

mod device_queue;

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};
use std::task::Wake;

use switchboard::config::Address;
use switchboard::dma::DmaPort;
use switchboard::function::{Function, Resources};
use switchboard_testing::{FakeFunction, FakeMachine};

pub(super) use self::device_queue::{DeviceQueue, TakenChain};
use super::VENDOR;
use super::queue::{Chain, Queue, QueueParameters, RingFeatures, SplitQueue};
use super::structures::Structures;

/// The offset of the common configuration in BAR 0 of [`function`]. The others are those of the ISR status and of the device
/// configuration.
pub(super) const COMMON: u64 = 0;
pub(super) const ISR: u32 = 0x1000;
pub(super) const DEVICE: u64 = 0x2000;

/// The features that the device offers: those of [`RingFeatures`], and bit 0. In the upper half this is `VERSION_1`; registers made of
/// memory read the same in both halves.
pub(super) const OFFERED: u32 = 1 | 1 << 28 | 1 << 29;

/// Returns a size as a device writes it.
pub(super) fn size(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a size that fits")
}

/// Returns the body of a virtio capability, behind ID and next pointer.
pub(super) fn capability(kind: u8, bar: u8, offset: u32, length: u32) -> Vec<u8> {
    let mut body = vec![16, kind, bar, 0, 0, 0];
    body.extend(offset.to_le_bytes());
    body.extend(length.to_le_bytes());
    body
}

/// As [`capability`], for the notification structure.
pub(super) fn notify_capability(offset: u32, length: u32, multiplier: u32) -> Vec<u8> {
    let mut body = capability(2, 0, offset, length);
    body[0] = 20;
    body.extend(multiplier.to_le_bytes());
    body
}

/// Returns a virtio function: the structures in BAR 0, an MSI-X table of four in BAR 1, and a pin.
pub(super) fn function(device: u16) -> FakeFunction {
    FakeFunction::new(VENDOR, device)
        .pin(1, 11)
        .bar(0, 0x4000)
        .bar(1, 0x1000)
        .msix(4, 1, 0, 0x800)
        .capability(9, &capability(1, 0, 0, 56))
        .capability(9, &notify_capability(0x3000, 0x1000, 4))
        .capability(9, &capability(3, 0, 0x1000, 1))
        .capability(9, &capability(4, 0, 0x2000, 0x100))
}

/// Returns a machine with one such function, whose registers offer `features` and `queues` queues of 256.
pub(super) fn machine(function: FakeFunction, features: u32, queues: u16) -> (Arc<FakeMachine>, Function) {
    let machine = Arc::new(FakeMachine::new([function]));
    let found = machine.machine().take_all().into_iter().next().expect("the function");
    for (offset, value) in [(4, features), (16, u32::from(queues) << 16), (24, 256)] {
        machine.write_register(found.address(), 0, COMMON + offset, value);
    }
    (machine, found)
}

/// The device's sides of the queues that a driver enables, by their numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct EnabledQueues(Arc<std::sync::Mutex<std::collections::BTreeMap<u16, DeviceQueue>>>);

impl EnabledQueues {
    /// Watches the registers of a device; to be called before the probe.
    pub(super) fn watch(machine: &Arc<FakeMachine>, address: Address) -> Self {
        let (this, fake) = (Self::default(), Arc::downgrade(machine));
        let queues = this.0.clone();
        machine.on_write(address, 0, move |write| {
            if write.offset == COMMON + 28
                && let Some(machine) = fake.upgrade()
            {
                let index = machine.read_register_u16(address, 0, COMMON + 22);
                let queue = DeviceQueue::from_registers(&machine, address);
                queues.lock().expect("no panic").insert(index, queue);
                // The next one is as large as the device can have it.
                machine.write_register_u16(address, 0, COMMON + 24, 256);
            }
            write.value
        });
        this
    }

    /// Takes the device's side of a queue.
    pub(super) fn take(&self, index: u16) -> DeviceQueue {
        self.0.lock().expect("no panic").remove(&index).expect("a queue that was enabled")
    }
}

/// Returns DMA memory for queues, without a driver.
pub(super) fn dma() -> (Arc<FakeMachine>, DmaPort) {
    let (machine, function) = machine(function(0x1044), OFFERED, 1);
    (machine, function.claim().expect("a claim").dma)
}

/// Returns a queue with a doorbell, and the device's side of it.
pub(super) fn queue<C: Chain>(features: RingFeatures, shape: QueueParameters) -> (Queue<C>, DeviceQueue, DmaPort) {
    let (machine, function) = machine(function(0x1044), OFFERED, 1);
    let Resources { bar0, bar1, bar2, bar3, bar4, bar5, dma, config, .. } = function.claim().expect("a claim");
    let structures = Structures::find(&config, [bar0, bar1, bar2, bar3, bar4, bar5]).expect("structures");
    let split = SplitQueue::new(&dma, features, shape).expect("memory");
    let device_queue = DeviceQueue::new(&machine, split.addresses(), shape.size, features);
    (Queue::new(split, structures.doorbell(0, 0).expect("a doorbell")), device_queue, dma)
}

/// A waker that counts its wakes.
#[derive(Debug, Default)]
pub(super) struct Wakes(AtomicUsize);

impl Wakes {
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Returns a waker and its count.
pub(super) fn waker() -> (Waker, Arc<Wakes>) {
    let wakes = Arc::new(Wakes::default());
    (Waker::from(wakes.clone()), wakes)
}

/// Polls a future until it is ready, and calls `act` as the device each time that it is pending. It must be woken each time.
pub(super) fn run<R>(future: impl Future<Output = R>, mut act: impl FnMut()) -> R {
    let (waker, wakes) = waker();
    let mut future = pin!(future);
    for round in 0..10_000 {
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        act();
        assert!(wakes.count() > round, "the device has acted, and no task was woken");
    }
    panic!("the future does not complete");
}
