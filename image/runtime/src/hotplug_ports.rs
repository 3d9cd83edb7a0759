//! Runs the hot-plug ports, and reports the changes at their slots.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::pin::pin;
use core::task::{Context, Poll};

use embassy_futures::yield_now;
use embassy_time::Delay;
use switchboard::config::Address;
use switchboard_drivers::hotplug::{HotplugPort, SlotChange, SlotMonitor};

use crate::devices::Found;
use crate::tasks::{Cancellation, Tasks};

/// The ports that are run.
#[derive(Debug, Default)]
pub(crate) struct HotplugPorts {
    ports: Vec<RunningPort>,
}

#[derive(Debug)]
struct RunningPort {
    address: Address,
    slot: SlotMonitor,
    /// Cancels the task that runs the port. The task has the only other reference.
    cancellation: Rc<Cancellation>,
}

impl HotplugPorts {
    /// Starts to run a port. A request at its attention button can be cancelled within `grace_ms` milliseconds.
    pub(crate) fn start(&mut self, tasks: Tasks, port: Found<HotplugPort>, grace_ms: u32) {
        let (runner, slot) = port.device.split(grace_ms);
        let cancellation = Rc::new(Cancellation::default());
        let task = cancellation.clone();
        tasks.spawn(async move {
            let _ = task.run_until_cancelled(runner.run(Delay)).await;
        });
        self.ports.push(RunningPort { address: port.function, slot, cancellation });
    }

    /// Waits for the next change at any slot; returns the port's address and the change.
    pub(crate) async fn next(&mut self) -> (Address, SlotChange) {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<(Address, SlotChange)> {
        let mut next = Poll::Pending;
        self.ports.retain_mut(|RunningPort { address, slot, .. }| {
            if next.is_ready() {
                return true;
            }
            match pin!(slot.next()).poll(context) {
                Poll::Ready(Some(change)) => next = Poll::Ready((*address, change)),
                // The port itself was removed.
                Poll::Ready(None) => return false,
                Poll::Pending => {}
            }
            true
        });
        next
    }

    /// Returns the functions behind a port, bridges before the functions behind them.
    pub(crate) fn functions_behind(&self, port: Address) -> Vec<Address> {
        let port = self.ports.iter().find(|running| running.address == port);
        port.map(|running| running.slot.bus().functions().iter().map(|function| function.address).collect())
            .unwrap_or_default()
    }

    /// Turns off the power of a slot. The drivers of all functions behind the port must have been dropped.
    pub(crate) fn release(&self, port: Address) {
        self.ports.iter().filter(|running| running.address == port).for_each(|running| running.slot.release());
    }

    /// Stops running a port, and returns once its driver is dropped; returns `false` if the port was not run.
    pub(crate) async fn remove(&mut self, port: Address) -> bool {
        let Some(place) = self.ports.iter().position(|running| running.address == port) else { return false };
        let RunningPort { slot, cancellation, .. } = self.ports.remove(place);
        drop(slot);
        cancellation.cancel();
        while Rc::strong_count(&cancellation) > 1 {
            yield_now().await;
        }
        true
    }
}
