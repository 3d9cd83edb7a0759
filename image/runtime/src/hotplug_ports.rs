//! HotplugPorts whose functions come and go while the machine runs.

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

/// The slots that are watched.
#[derive(Debug, Default)]
pub(crate) struct HotplugPorts {
    slots: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    port: Address,
    slot: SlotMonitor,
    /// The task that runs the port has a share of it, and ends by it.
    run: Rc<Cancellation>,
}

impl HotplugPorts {
    /// Runs a port from now on. A wish at its attention button can be taken back within `grace` milliseconds.
    pub(crate) fn watch(&mut self, tasks: Tasks, port: Found<HotplugPort>, grace: u32) {
        let (runner, slot) = port.device.split(grace);
        let run = Rc::new(Cancellation::default());
        let task = run.clone();
        tasks.spawn(async move {
            let _ = task.run_until_cancelled(runner.run(Delay)).await;
        });
        self.slots.push(Watched { port: port.function, slot, run });
    }

    /// The next thing that happens at any of them, and behind which port.
    pub(crate) async fn next(&mut self) -> (Address, SlotChange) {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<(Address, SlotChange)> {
        let mut news = Poll::Pending;
        self.slots.retain_mut(|Watched { port, slot, .. }| {
            if news.is_ready() {
                return true;
            }
            match pin!(slot.next()).poll(context) {
                Poll::Ready(Some(change)) => news = Poll::Ready((*port, change)),
                // The port itself is gone.
                Poll::Ready(None) => return false,
                Poll::Pending => {}
            }
            true
        });
        news
    }

    /// The functions behind a port, bridges before what is behind them.
    pub(crate) fn behind(&self, port: Address) -> Vec<Address> {
        let slot = self.slots.iter().find(|watched| watched.port == port);
        slot.map(|watched| watched.slot.bus().functions().iter().map(|function| function.address).collect())
            .unwrap_or_default()
    }

    /// Nobody drives anything behind that port any more: takes its power.
    pub(crate) fn release(&self, port: Address) {
        self.slots.iter().filter(|watched| watched.port == port).for_each(|watched| watched.slot.release());
    }

    /// Stops running a port; when this is ready, its driver is dropped. Says whether it was run.
    pub(crate) async fn remove(&mut self, port: Address) -> bool {
        let Some(place) = self.slots.iter().position(|watched| watched.port == port) else { return false };
        let Watched { slot, run, .. } = self.slots.remove(place);
        drop(slot);
        run.cancel();
        while Rc::strong_count(&run) > 1 {
            yield_now().await;
        }
        true
    }
}
