//! A TCP/IP stack: smoltcp, on one card, for any number of sockets.
//!
//! smoltcp does the protocols. What is here is who is asked when: a frame goes to the one socket that it is for, a
//! socket is asked for frames when it may have some, and the device hears once of all that a turn has sent.

mod address;
mod checksum;
mod device;
mod runner;
mod sets;
mod tcp;
mod udp;

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{RefCell, RefMut};
use core::fmt;
use core::task::Waker;

use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress};

use self::address::AddressKeeper;
use self::device::{Arriving, Leaving, Still};
use self::sets::{Name, Sets};
use super::flow::Flow;
use super::interface::State;
use super::nic::Nic;
use super::segment::Segment;

pub use self::runner::Runner;
pub use self::tcp::{AcceptError, Disconnected, TcpSocket};
pub use self::udp::UdpSocket;

/// Sockets that are asked for frames in one turn; a card that takes each at once would keep the others waiting.
const TURN: usize = 256;

/// A stack, for those who have sockets of it.
#[derive(Clone)]
pub struct Stack(Rc<RefCell<Core>>);

struct Core {
    interface: Interface,
    sets: Sets,
    /// For frames that are for no socket.
    nobody: SocketSet<'static>,
    address: AddressKeeper,
    /// Of the task that runs the stack.
    waker: Option<Waker>,
}

impl Stack {
    /// A stack for that card, and the one who runs it. Its address is as `state` wants it.
    #[must_use]
    pub fn new(nic: Box<dyn Nic>, state: Rc<State>, seed: u64) -> (Self, Runner) {
        let mut config = Config::new(HardwareAddress::Ethernet(EthernetAddress(nic.mac().0)));
        config.random_seed = seed;
        let mut still = Still(device::capabilities(&*nic));
        let interface = Interface::new(config, &mut still, now());
        let mut sets = Sets::new();
        let address = AddressKeeper::new(state.source, &mut sets);
        let nobody = SocketSet::new(Vec::new());
        let stack = Self(Rc::new(RefCell::new(Core { interface, sets, nobody, address, waker: None })));
        (stack.clone(), Runner::new(stack, nic, state))
    }

    fn borrow_mut(&self) -> RefMut<'_, Core> {
        self.0.borrow_mut()
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").finish_non_exhaustive()
    }
}

fn now() -> Instant {
    Instant::from_micros(i64::try_from(embassy_time::Instant::now().as_micros()).unwrap_or(i64::MAX))
}

impl Core {
    /// Somebody has done something with a socket that may make it send.
    fn touch(&mut self, name: Name) {
        self.sets.queue(name);
        self.waker.as_ref().inspect(|waker| waker.wake_by_ref());
    }

    /// A frame arrived.
    fn receive(&mut self, mut arriving: Arriving<'_>, now: Instant) {
        let frame = arriving.frame.as_deref().unwrap_or_default();
        let segment = Segment::of(frame);
        if arriving.has_checksums && segment.as_ref().is_some_and(|segment| !checksum::is_right(frame, segment)) {
            return;
        }
        let flow = Flow::of(frame, segment.as_ref());
        let name = self.sets.find(flow);
        match name.and_then(|name| Some((name, self.sets.slot(name)?))) {
            Some((name, slot)) => {
                self.interface.poll_ingress_single(now, &mut arriving, &mut slot.set);
                self.settle(name, now);
            }
            None => {
                self.interface.poll_ingress_single(now, &mut arriving, &mut self.nobody);
            }
        }
        if flow == Flow::Neighbour {
            self.sets.queue_all();
        }
    }

    /// Finds out what a socket wants next.
    fn settle(&mut self, name: Name, now: Instant) {
        self.sets.follow(name);
        let Some(slot) = self.sets.slot(name) else { return };
        let at = self.interface.poll_at(now, &slot.set);
        self.sets.set_due(name, at, now);
    }

    /// Sends what there is to send, as far as the card has room. Says whether the turn was too short for all.
    fn send(&mut self, leaving: &mut Leaving<'_, '_>, now: Instant) -> bool {
        for _ in 0..TURN {
            let Some(name) = self.sets.next_queued() else { return false };
            let Some(slot) = self.sets.slot(name) else { continue };
            self.interface.poll_egress(now, leaving, &mut slot.set);
            if leaving.is_full {
                // The card wakes the task when there is room.
                self.sets.queue(name);
                return false;
            }
            self.settle(name, now);
        }
        true
    }
}
