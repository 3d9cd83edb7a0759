//! Prints the changes at each hot-plug slot, and reads any virtio disk that is added until it is removed.

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

/// No grace period: the removal requests of a management interface are final, unlike presses of a button.
const GRACE_MS: u32 = 0;

#[derive(Debug, thiserror::Error)]
#[error("no slot: no function is a hot-plug port")]
struct NoSlot;

pub(super) async fn run(mut system: System) -> Outcome {
    let ports = system.devices.take_all::<HotplugPort>();
    if ports.is_empty() {
        return Err(Box::new(NoSlot));
    }
    let count = ports.len();
    for Found { function, device: port, .. } in ports {
        say!("{function}: hotplug by {}", port.mode());
        let (runner, slot) = port.split(GRACE_MS);
        system.tasks.spawn(runner.run(Delay));
        // Drivers were attached to the functions that were there at boot. They are driven by this app instead.
        for report in slot.bus().functions() {
            system.detach(report.address).await;
        }
        system.tasks.spawn(run_slot(system.machine, slot));
    }
    say!("hotplug: {count} slots");
    core::future::pending().await
}

/// Prints the changes at one slot, and reads its disk meanwhile.
async fn run_slot(machine: &'static Machine, mut slot: SlotMonitor) {
    let number = slot.number();
    let mut disk = attach_disk(machine, &slot);
    loop {
        let mut reads = 0;
        let change = match select(slot.next(), read_until_error(disk.as_ref(), &mut reads)).await {
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
                disk = attach_disk(machine, &slot);
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

/// Attaches the driver to a virtio disk in the slot, if there is one.
fn attach_disk(machine: &'static Machine, slot: &SlotMonitor) -> Option<VirtioBlk> {
    let is_disk = |function: &Function| {
        slot.bus().contains(function.address()) && best_match(function, [((), VirtioBlk::MATCHES)]).is_some()
    };
    let function = machine.take_all().into_iter().find(is_disk)?;
    let address = function.address();
    let outcome = attach::<VirtioBlk>(function);
    match &outcome {
        Ok(disk) => say!("hotplug: slot {}: {address}: {} sectors", slot.number(), disk.capacity()),
        Err(error) => say!("hotplug: slot {}: {address}: {error}", slot.number()),
    }
    outcome.ok()
}

/// Reads until an error, and returns it; without a disk, never returns.
async fn read_until_error(disk: Option<&VirtioBlk>, reads: &mut u64) -> BlockError {
    let Some(disk) = disk else { core::future::pending().await };
    let mut buffer = [0; SECTOR_SIZE];
    loop {
        match disk.read(0, &mut buffer).await {
            Ok(()) => *reads += 1,
            Err(error) => return error,
        }
    }
}
