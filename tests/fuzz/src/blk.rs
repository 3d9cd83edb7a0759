//! The virtio disk driver against a device with arbitrary registers and DMA.

use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, SECTOR_SIZE};
use switchboard_drivers::virtio::VirtioBlk;

use crate::input::Input;
use crate::virtio::{BLK, World};

/// The largest number of concurrent tasks: more than the driver has requests.
const MAX_TASKS: usize = 20;

type Task<'a> = Pin<Box<dyn Future<Output = Result<(), BlockError>> + 'a>>;

/// Runs the target.
pub(crate) fn run(data: &[u8]) {
    World::run(&BLK, data, |world, driver: VirtioBlk, input| {
        let mut tasks: Vec<Task<'_>> = Vec::new();
        while step(world, &driver, &mut tasks, input).is_some() {}
    });
}

/// Executes one step of the input: starts, polls or cancels a task, or lets the device act.
fn step<'a>(world: &World, driver: &'a VirtioBlk, tasks: &mut Vec<Task<'a>>, input: &mut Input<'_>) -> Option<()> {
    match input.byte()? % 8 {
        0 | 1 if tasks.len() < MAX_TASKS => {
            let [kind, sector, sectors] = input.array()?;
            let (sector, length) = (u64::from(sector), usize::from(sectors % 80) * SECTOR_SIZE);
            tasks.push(match kind % 4 {
                0 => Box::pin(async move { driver.write(sector, &vec![0xa5; length]).await }),
                1 => Box::pin(async move { driver.flush().await }),
                _ => Box::pin(async move { driver.read(sector, &mut vec![0; length]).await }),
            });
        }
        0..=2 => {
            let mut context = Context::from_waker(Waker::noop());
            tasks.retain_mut(|task| matches!(task.as_mut().poll(&mut context), Poll::Pending));
        }
        // A task is cancelled.
        3 if !tasks.is_empty() => {
            let index = usize::from(input.byte()?) % tasks.len();
            drop(tasks.swap_remove(index));
        }
        3 => _ = driver.capacity(),
        _ => world.act(input)?,
    }
    Some(())
}
