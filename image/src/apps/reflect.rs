//! Returns each Ethernet frame to its sender, directly on the driver, without a network stack.
//!
//! It measures the cost of drivers, interrupts and executor. With `poll=0` every frame is by interrupt; otherwise the
//! rings are polled while that is faster.

use core::future::poll_fn;
use core::task::Poll;

use embassy_futures::join::join_array;
use switchboard::config::Address;
use switchboard::platform::Clock;
use switchboard_net::marks::FRAME;
use switchboard_runtime::mark::mark;

use switchboard_net::{LinkStatus, NetworkDevice, Polling};
use switchboard_runtime::devices::Found;
use switchboard_runtime::say;
use switchboard_runtime::system::{Outcome, System};

/// The largest number of frames of one card in one poll, so that the others are polled too.
const MAX_FRAMES_PER_POLL: u32 = 256;
/// The largest number of cards that are served.
const MAX_CARDS: usize = 4;
/// Length in bytes of each of the two MAC addresses at the start of a frame.
const MAC_BYTES: usize = 6;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no network card: no function has a network driver")]
    NoCard,
    #[error("`{0}` is invalid: the app takes no arguments")]
    Usage(&'static str),
}

pub(super) async fn run(mut system: System) -> Outcome {
    if !system.arguments.is_empty() {
        return Err(Failure::Usage(system.arguments).into());
    }
    let mut cards = system.devices.take_all::<NetworkDevice>().into_iter();
    if cards.len() == 0 {
        return Err(Failure::NoCard.into());
    }
    let (clock, poll_budget_ns) = (system.machine.clock(), system.options.poll_budget_ns());
    join_array([(); MAX_CARDS].map(|()| reflect(cards.next(), clock, poll_budget_ns))).await;
    Ok(())
}

async fn reflect(card: Option<Found<NetworkDevice>>, clock: &dyn Clock, poll_budget_ns: u64) {
    let Some(Found { function, driver, device: NetworkDevice(mut nic) }) = card else { return };
    let mut was_up = false;
    let mut polling = Polling::new(clock.now_ns(), poll_budget_ns);
    poll_fn(|context| {
        let mut count = 0;
        while count < MAX_FRAMES_PER_POLL
            && nic.receive(context, &mut |frame, reply| {
                if let Some([to, from]) = frame.first_chunk_mut::<{ 2 * MAC_BYTES }>().map(halves) {
                    to.swap_with_slice(from);
                    reply.send(frame.len(), &mut |out| out.copy_from_slice(frame));
                    mark::<FRAME>();
                }
            })
        {
            count += 1;
        }
        if polling.polled(&mut *nic, count, || clock.now_ns()) || count == MAX_FRAMES_PER_POLL {
            context.waker().wake_by_ref();
        }
        let is_up = nic.end_poll(context) != LinkStatus::Down;
        if is_up != core::mem::replace(&mut was_up, is_up) {
            print_link_state(function, driver, is_up);
        }
        Poll::<()>::Pending
    })
    .await;
}

fn halves(addresses: &mut [u8; 2 * MAC_BYTES]) -> [&mut [u8]; 2] {
    let (to, from) = addresses.split_at_mut(MAC_BYTES);
    [to, from]
}

fn print_link_state(function: Address, driver: &str, is_up: bool) {
    match is_up {
        true => say!("reflect {function}: {driver}, ready"),
        false => say!("reflect {function}: {driver}, link down"),
    }
}
