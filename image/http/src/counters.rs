//! Counters of an HTTP server.

use alloc::boxed::Box;
use core::cell::Cell;

/// Counters of connections and requests, of all stacks that share them.
///
/// ```
/// use switchboard_http::{Answer, HttpCounters, Request, Response, Site, StatusCode};
/// use switchboard_net_testing::TestNetwork;
///
/// struct Empty;
///
/// impl Site for Empty {
///     fn answer(&'static self, _request: &Request<'_>) -> Answer {
///         Answer::Now(Response::text(StatusCode::NOT_FOUND, "Nothing is here\n"))
///     }
/// }
///
/// let (mut network, counters) = (TestNetwork::new(), HttpCounters::leak());
/// switchboard_http::serve(network.group(), network.stack(), &Empty, counters);
/// network.exchange(80, b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n");
/// network.exchange(80, b"this is not HTTP\r\n\r\n");
/// assert_eq!((counters.connections(), counters.requests(), counters.malformed()), (2, 2, 1));
/// ```
#[derive(Debug, Default)]
pub struct HttpCounters {
    connections: Cell<u64>,
    requests: Cell<u64>,
    malformed: Cell<u64>,
    open: Cell<u64>,
}

impl HttpCounters {
    /// Allocates counters that are never freed.
    #[must_use]
    pub fn leak() -> &'static Self {
        Box::leak(Box::default())
    }

    /// Returns the number of connections accepted.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.get()
    }

    /// Returns the number of requests whose heads were received completely.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.get()
    }

    /// Returns the number of requests refused as malformed.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.malformed.get()
    }

    /// Returns the number of connections that are open now.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.open.get()
    }

    pub(super) fn count_request(&self) {
        increment(&self.requests);
    }

    pub(super) fn count_malformed(&self) {
        increment(&self.malformed);
    }
}

fn increment(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

/// Counts a connection as open until it is dropped: when the connection is closed, or its interface ends.
pub(super) struct OpenConnection(&'static HttpCounters);

impl OpenConnection {
    pub(super) fn new(counters: &'static HttpCounters) -> Self {
        increment(&counters.connections);
        increment(&counters.open);
        Self(counters)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
    }
}
