//! A stack with all who borrow it, made on a driver: the memory, the runner, the services.

#![expect(clippy::mem_forget, reason = "in what `self_cell!` expands to, of a guard that has nothing left to guard")]

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::pin::Pin;
use core::task::{Context, Poll};

use embassy_futures::yield_now;
use embassy_net::{Stack, StackResources};
use embassy_net_driver::Driver;
use self_cell::{MutBorrow, self_cell};

use super::counted::Counted;
use super::interface::{Mac, State};
use super::{chargen, discard, echo};
use crate::http;
use crate::tasks::{Crew, Tasks};

/// Sockets of a stack: those of the services, and one for DHCP.
pub const SOCKETS: usize = http::WORKERS + echo::SOCKETS + discard::SOCKETS + chargen::SOCKETS + 1;

/// Adds to a stack's crew what an app serves there, besides the simple services that each stack has.
pub type Services = Rc<dyn for<'a> Fn(&mut Crew<'a>, Stack<'a>)>;

/// A network driver whose type is forgotten until its stack is made. Every embassy network driver is one.
pub trait Nic {
    /// Its Ethernet address.
    fn mac(&self) -> Mac;

    /// Makes a stack on the driver, with services on it; nothing runs yet.
    fn staff(self: Box<Self>, state: Rc<State>, seed: u64, services: &Services) -> StaffedStack;
}

impl<D: Driver + 'static> Nic for D {
    fn mac(&self) -> Mac {
        Mac::of(self.hardware_address())
    }

    fn staff(self: Box<Self>, state: Rc<State>, seed: u64, services: &Services) -> StaffedStack {
        StaffedStack::new(MutBorrow::new(Box::new(StackResources::new())), |memory| {
            let counted = Counted::new(*self, state.clone());
            let (stack, mut runner) = embassy_net::new(counted, state.wanted_config(), memory.borrow_mut(), seed);
            let mut crew = Crew::default();
            crew.add(async move {
                runner.run().await;
            });
            echo::start(&mut crew, stack);
            discard::start(&mut crew, stack);
            chargen::start(&mut crew, stack);
            crew.add(async move { state.follow(stack).await });
            services(&mut crew, stack);
            crew
        })
    }
}

self_cell! {
    /// A stack's memory, and all who borrow the stack: the driver among them, in the hands of the one who runs it.
    pub struct StaffedStack {
        owner: MutBorrow<Box<StackResources<SOCKETS>>>,
        #[not_covariant]
        dependent: Crew,
    }
}

impl StaffedStack {
    /// Starts a task for each member of the crew.
    pub(super) fn start(self: &Rc<Self>, tasks: Tasks) {
        for index in 0..self.with_dependent(|_, crew| crew.len()) {
            tasks.spawn(StandIn { stack: self.clone(), index });
        }
    }

    /// Ends all of the crew, whatever they are in the middle of; the driver is dropped with them.
    pub(super) fn end(&self) {
        self.with_dependent(|_, crew| crew.end());
    }

    /// Waits until the tasks of an ended crew have let go.
    pub(super) async fn ended(self: &Rc<Self>) {
        // They were woken, and find out when they are polled.
        while Rc::strong_count(self) > 1 {
            yield_now().await;
        }
    }
}

/// The task of one member of a stack's crew.
struct StandIn {
    stack: Rc<StaffedStack>,
    index: usize,
}

impl Future for StandIn {
    type Output = ();
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.stack.with_dependent(|_, crew| crew.poll(self.index, context))
    }
}
