//! Cards come and go: what happens at each slot is printed, and a virtio disk that comes is read until it goes.

use alloc::boxed::Box;

use embassy_futures::select::{Either, select};
use embassy_time::Delay;
use switchboard::driver::{Driver, attach, best_match};
use switchboard::function::Function;
use switchboard::machine::Machine;
use switchboard_drivers::hotplug::{HotplugPort, SlotChange, SlotMonitor};
use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, SECTOR_SIZE};
use switchboard_drivers::virtio::VirtioBlk;

use switchboard_runtime::devices::Found;
use switchboard_runtime::say;
use switchboard_runtime::system::{Outcome, System};

/// Nobody presses a button here: who asks for a removal means it.
const GRACE: u32 = 0;

#[derive(Debug, thiserror::Error)]
#[error("no slot: no function is a port at which others come and go")]
struct NoSlot;

pub(super) async fn run(mut system: System) -> Outcome {
    let ports = system.devices.take_all::<HotplugPort>();
    if ports.is_empty() {
        return Err(Box::new(NoSlot));
    }
    let count = ports.len();
    for Found { function, device: port, .. } in ports {
        say!("{function}: hotplug by {}", port.mode());
        let (runner, slot) = port.split(GRACE);
        system.tasks.spawn(runner.run(Delay));
        // What is there from the start has come up with the others, and is driven here instead.
        for report in slot.bus().functions() {
            system.detach(report.address).await;
        }
        system.tasks.spawn(follow(system.machine, slot));
    }
    say!("hotplug: {count} slots");
    core::future::pending().await
}

/// Follows what happens at one slot, and works meanwhile.
async fn follow(machine: &'static Machine, mut slot: SlotMonitor) {
    let number = slot.number();
    let mut disk = bring_up(machine, &slot);
    loop {
        let mut reads = 0;
        let change = match select(slot.next(), work(disk.as_ref(), &mut reads)).await {
            Either::First(change) => change,
            Either::Second(error) => {
                say!("hotplug: slot {number}: disk: {error}");
                slot.next().await
            }
        };
        let Some(change) = change else { return };
        match change {
            SlotChange::Added => {
                machine.scan();
                disk = bring_up(machine, &slot);
            }
            SlotChange::RemovalRequested => {
                disk = None;
                slot.release();
            }
            SlotChange::Gone => disk = None,
        }
        let free = machine.free_vectors();
        say!("hotplug: slot {number}: {change:?}, {free} vectors free, after {reads} reads");
    }
}

/// Drives what is there, when it is a virtio disk.
fn bring_up(machine: &'static Machine, slot: &SlotMonitor) -> Option<VirtioBlk> {
    let is_ours = |function: &Function| {
        slot.bus().contains(function.address()) && best_match(function, [((), VirtioBlk::MATCHES)]).is_some()
    };
    let function = machine.take_all().into_iter().find(is_ours)?;
    let address = function.address();
    let outcome = attach::<VirtioBlk>(function);
    match &outcome {
        Ok(disk) => say!("hotplug: slot {}: {address}: {} sectors", slot.number(), disk.capacity()),
        Err(error) => say!("hotplug: slot {}: {address}: {error}", slot.number()),
    }
    outcome.ok()
}

/// Reads for as long as there is a device.
async fn work(disk: Option<&VirtioBlk>, reads: &mut u64) -> BlockError {
    let Some(disk) = disk else { core::future::pending().await };
    let mut buffer = [0; SECTOR_SIZE];
    loop {
        match disk.read(0, &mut buffer).await {
            Ok(()) => *reads += 1,
            Err(error) => return error,
        }
    }
}
