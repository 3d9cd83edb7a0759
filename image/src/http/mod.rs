//! HTTP: a pool of workers on each stack, each with one keep-alive connection at a time.

mod connection;
mod strict;
mod wire;

use alloc::rc::Rc;
use alloc::vec;
use core::cell::Cell;
use core::fmt;

use picoserve::routing::PathRouter;
use picoserve::time::Duration;
use picoserve::{Config, Error, Router, Server, Timeouts};

pub use connection::{Connection, Lent};
use strict::Strict;
use wire::{Clock, Wire};

use crate::network::{Stack, Turns, accept};
use crate::tasks::Crew;

const PORT: u16 = 80;
/// Connections at once on each stack.
pub const WORKERS: usize = 32;
/// Workers that wait for a connection at once: so many may arrive together.
const WAITING: usize = 16;
/// Bytes of a request that wait to be read.
const RECEIVE_BUFFER: usize = 4 * 1024;
/// Bytes of a response that are under way; what a download's speed depends on.
const TRANSMIT_BUFFER: usize = 16 * 1024;
/// A request's line and headers must fit.
const REQUEST_BUFFER: usize = 4 * 1024;

/// A connection that does nothing gives its worker back after these times.
static CONFIG: Config = Config::new(Timeouts {
    start_read_request: Duration::from_secs(10),
    persistent_start_read_request: Duration::from_secs(15),
    read_request: Duration::from_secs(5),
    write: Duration::from_secs(15),
})
.keep_connection_alive();

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
        counters.open.set(counters.open.get() + 1);
        Self(counters)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
    }
}

impl Counters {
    fn add(counter: &Cell<u64>) {
        counter.set(counter.get() + 1);
    }
}

/// What a handler gets, as picoserve's state: what the app serves, and the connection it serves it on.
pub struct Worker<S: 'static> {
    /// What the app serves.
    pub site: &'static S,
    /// The connection.
    pub connection: Rc<Connection>,
}

impl<S> Clone for Worker<S> {
    fn clone(&self) -> Self {
        Self { site: self.site, connection: self.connection.clone() }
    }
}

impl<S> fmt::Debug for Worker<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

/// Adds workers to a stack's crew, which serve `site` by `router` on port 80.
pub fn serve<S: 'static, P: PathRouter<Worker<S>> + 'static>(
    crew: &mut Crew,
    stack: &Stack,
    site: &'static S,
    router: &'static Router<P, Worker<S>>,
    counters: &'static Counters,
) {
    let turns = Rc::new(Turns::new(WAITING));
    for _ in 0..WORKERS {
        let connection = Rc::new(Connection::new(counters));
        crew.add(work(stack.clone(), turns.clone(), router, Worker { site, connection }));
    }
}

async fn work<S: 'static, P: PathRouter<Worker<S>>>(
    stack: Stack,
    turns: Rc<Turns<WORKERS>>,
    router: &'static Router<P, Worker<S>>,
    worker: Worker<S>,
) {
    let connection = worker.connection.clone();
    let app = router.shared().layer(Strict).with_state::<()>(worker);
    let mut request = vec![0; REQUEST_BUFFER];
    loop {
        let Ok(socket) = accept(&stack, PORT, &turns, RECEIVE_BUFFER, TRANSMIT_BUFFER).await else { continue };
        let _opened = Opened::new(connection.counters());
        connection.open();
        let peer = socket.remote_endpoint();
        let wire = Wire::new(socket, &connection);
        if let Err(error) = Server::custom(&app, Clock, &CONFIG, &mut request).serve(wire).await {
            if matches!(error, Error::BadRequest) {
                Counters::add(&connection.counters().malformed);
            }
            log::debug!("http {peer:?}: {error}");
        }
        connection.end();
    }
}
