//! HTTP/1.1: keep-alive connections, answered by an app's [`Site`].
//!
//! A request is parsed where it arrived, in the socket's receive buffer, and its response composed where it leaves
//! from, in the transmit buffer: for one that needs no waiting nothing is copied twice, allocated or timed.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod connection;
mod deadline;
mod head;
mod response;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::Cell;
use core::fmt;
use core::pin::Pin;

use self::deadline::Watch;
use switchboard_net::{Network, Service, Stack};
use switchboard_runtime::system::System;
use switchboard_runtime::tasks::TaskGroup;

pub use connection::HTTP;
pub use head::Request;
pub use response::{Body, HTML, Response, Source, Status, TEXT};

const SERVICE: Service = Service {
    port: 80,
    // A head must fit; what is pipelined behind it waits.
    receive_bytes: 4 * 1024,
    // What a download's speed depends on.
    transmit_bytes: 16 * 1024,
    backlog: 16,
    max_connections: 384,
};

/// What an app serves.
pub trait Site {
    /// Answers a GET (or a HEAD, whose body is left out by itself).
    fn answer(&'static self, request: &Request<'_>) -> Answer;
}

/// An answer to a request.
pub enum Answer {
    /// It is at hand.
    Now(Response),
    /// It takes a while.
    Later(Pin<Box<dyn Future<Output = Response>>>),
}

impl Answer {
    /// An answer that takes a while.
    pub fn later(response: impl Future<Output = Response> + 'static) -> Self {
        Self::Later(Box::pin(response))
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(response) => response.fmt(f),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

/// What was served, on all stacks.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections accepted.
    pub connections: Cell<u64>,
    /// Requests that were read to the end of their headers.
    pub requests: Cell<u64>,
    /// Requests that were refused as malformed.
    pub malformed: Cell<u64>,
    /// Connections that are open now.
    pub open: Cell<u64>,
}

/// A connection that is open, for as long as this lives: until it is closed, or its interface ends.
struct Opened(&'static Counters);

impl Opened {
    fn new(counters: &'static Counters) -> Self {
        Counters::add(&counters.connections);
        Counters::add(&counters.open);
        Self(counters)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
    }
}

impl Counters {
    /// Makes counters that last as long as the program.
    #[must_use]
    pub fn leak() -> &'static Self {
        Box::leak(Box::default())
    }

    fn add(counter: &Cell<u64>) {
        counter.set(counter.get() + 1);
    }
}

/// Starts the network of a system, and serves `site` on port 80 of each of its interfaces, there and to come.
pub async fn start(system: &mut System, site: &'static dyn Site) -> Rc<Network> {
    let (network, counters) = (Network::new(system), Counters::leak());
    network.start(system, Rc::new(move |group, stack| serve(group, stack, site, counters))).await;
    network
}

/// Serves `site` on port 80 of a stack.
pub fn serve(group: &Rc<TaskGroup>, stack: &Stack, site: &'static dyn Site, counters: &'static Counters) {
    let watch = Rc::new(Watch::new(SERVICE.max_connections));
    let watching = watch.clone();
    group.add(async move { watching.run().await });
    SERVICE.start(group, stack, async move |socket| {
        let _opened = Opened::new(counters);
        let connection = watch.add(socket);
        connection::serve(&*connection, site, counters).await;
        watch.remove(&connection);
    });
}
