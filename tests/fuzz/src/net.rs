//! The virtio network driver against a device with arbitrary registers and DMA.

use core::task::{Context, Waker};

use embassy_net_driver::{Driver as _, RxToken, TxToken};
use switchboard_drivers::virtio::VirtioNet;

use crate::input::Input;
use crate::virtio::{NET, World};

/// Runs the target.
pub(crate) fn run(data: &[u8]) {
    World::run(&NET, data, |world, mut driver: VirtioNet, input| {
        let largest = driver.capabilities().max_transmission_unit;
        assert!((82..=1514).contains(&largest), "frames of {largest} bytes");
        while step(world, &mut driver, largest, input).is_some() {}
    });
}

/// Executes one step of the input: receives, sends, or lets the device act.
fn step(world: &World, driver: &mut VirtioNet, largest: usize, input: &mut Input<'_>) -> Option<()> {
    let mut context = Context::from_waker(Waker::noop());
    match input.byte()? % 8 {
        0 | 1 => {
            if let Some((frame, slot)) = driver.receive(&mut context) {
                // The whole frame can be read and written.
                let sum = frame.consume(|bytes| {
                    bytes.iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
                    bytes.len()
                });
                assert!((1..=1514).contains(&sum), "a frame of {sum} bytes");
                slot.consume(sum.min(largest), |bytes| bytes.fill(0x5a));
            }
        }
        2 => {
            let length = usize::from(input.word()?) % (largest + 1);
            if let Some(slot) = driver.transmit(&mut context) {
                slot.consume(length, |bytes| bytes.fill(0xa5));
            }
        }
        3 => _ = driver.link_state(&mut context),
        _ => world.act(input)?,
    }
    Some(())
}
