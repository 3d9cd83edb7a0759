//! The server: TCP services on ports, on one stack or on a whole network.

use alloc::rc::Rc;

use embassy_time::{Duration, with_timeout};
use switchboard_net::{Network, Service, Stack, TcpStream};
use switchboard_runtime::system::System;
use switchboard_runtime::tasks::TaskGroup;

use crate::connection::{self, Connection, Deadlines, Transport};
use crate::counters::{HttpCounters, OpenConnection};
use crate::site::Site;

/// The time for what a transport still holds after the last response.
const FINISH_TIMEOUT: Duration = Duration::from_secs(3);

/// A server: a site on a port, and its limits.
///
/// | Limit | |
/// |---|---|
/// | first request of a connection, next one | begins within 10 s, 15 s |
/// | a head | 16 KiB and 128 headers, complete within 10 s of its first byte, else 408 |
/// | a target | 8000 bytes, else 414 |
/// | a body | 200 B/s while it is waited for, in each 15 s |
/// | the handler, until its response begins | 15 s without the time for the body, else 503 |
/// | a response | 100 B/s while it waits for room, in each two minutes |
/// | connections | 384, of one peer at most half; idle ones are closed to make room |
/// | a body that was not read | 64 KiB within 5 s are skipped, else the connection is closed |
///
/// ```
/// use switchboard_http::{Answer, HttpCounters, Request, Response, Server, Site, StatusCode};
/// use switchboard_net_testing::TestNetwork;
///
/// struct Page(&'static str);
///
/// impl Site for Page {
///     fn answer(&'static self, _request: &Request<'_>) -> Answer {
///         Answer::Now(Response::text(StatusCode::OK, self.0))
///     }
/// }
///
/// let mut network = TestNetwork::new();
/// Server::new(8080, &Page("public")).serve(network.group(), network.stack());
/// Server::new(9090, &Page("private")).handler_seconds(60).name("switchboard").serve(network.group(), network.stack());
/// let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
/// assert!(network.exchange(8080, request).ends_with(b"public"));
/// assert!(network.exchange(9090, request).ends_with(b"\r\nServer: switchboard\r\n\r\nprivate"));
/// ```
#[derive(Clone, Copy)]
pub struct Server {
    site: &'static dyn Site,
    counters: Option<&'static HttpCounters>,
    service: Service,
    handler_seconds: u32,
    name: &'static str,
}

impl Server {
    /// Creates a server of `site` on a TCP port.
    #[must_use]
    pub const fn new(port: u16, site: &'static dyn Site) -> Self {
        let service = Service {
            port,
            // A head that fits is parsed in place; pipelined requests wait behind it.
            receive_bytes: 4 * 1024,
            // The speed of downloads depends on it.
            transmit_bytes: 16 * 1024,
            backlog: 256,
            max_connections: 384,
        };
        Self { site, counters: None, service, handler_seconds: 15, name: "" }
    }

    /// Sets the counters, which servers may share.
    #[must_use]
    pub const fn counters(mut self, counters: &'static HttpCounters) -> Self {
        self.counters = Some(counters);
        self
    }

    /// Sets the time for a handler until its response begins.
    #[must_use]
    pub const fn handler_seconds(mut self, seconds: u32) -> Self {
        self.handler_seconds = seconds;
        self
    }

    /// Sets the Server header of responses, of at most 64 bytes. Without it they have none.
    #[must_use]
    pub const fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Sets the bytes of a connection's receive and transmit buffers.
    #[must_use]
    pub const fn buffers(mut self, receive_bytes: usize, transmit_bytes: usize) -> Self {
        (self.service.receive_bytes, self.service.transmit_bytes) = (receive_bytes, transmit_bytes);
        self
    }

    /// Sets the maximum number of connections at a time.
    #[must_use]
    pub const fn max_connections(mut self, connections: usize) -> Self {
        self.service.max_connections = connections;
        self
    }

    /// Serves the site on a stack, with tasks of `group`.
    pub fn serve(&self, group: &Rc<TaskGroup>, stack: &Stack) {
        self.serve_with(group, stack, async |socket: &Rc<TcpStream>| Some(socket.clone()));
    }

    /// Serves the site above another transport, such as TLS: `accept` makes one of a TCP connection, or returns `None` to
    /// close it.
    pub fn serve_with<T: Transport + 'static>(
        &self,
        group: &Rc<TaskGroup>,
        stack: &Stack,
        accept: impl AsyncFn(&Rc<TcpStream>) -> Option<T> + 'static,
    ) {
        let (site, counters) = (self.site, self.counters.unwrap_or_else(HttpCounters::leak));
        let deadlines = Rc::new(Deadlines::new(self.service.max_connections, self.handler_seconds, self.name));
        let timer = deadlines.clone();
        group.add(async move { timer.run().await });
        self.service.start(group, stack, async move |socket: &Rc<TcpStream>| {
            let _open = OpenConnection::new(counters);
            let Some(transport) = accept(socket).await else { return };
            let connection = Connection::new(transport, &deadlines);
            connection::serve(&connection, site, counters).await;
            // A peer that does not read is not waited for.
            let _finished = with_timeout(FINISH_TIMEOUT, connection.finish()).await;
            deadlines.remove(&*connection);
        });
    }

    /// Starts the network of a system, and serves the site on each of its interfaces, also of those that are plugged in
    /// later. For several servers call [`serve`](Self::serve) of each in [`Network::start`].
    pub async fn start(self, system: &mut System) -> Rc<Network> {
        let server = self.counters(self.counters.unwrap_or_else(HttpCounters::leak));
        let network = Network::new(system);
        network.start(system, Rc::new(move |group, stack| server.serve(group, stack))).await;
        network
    }
}

impl core::fmt::Debug for Server {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Server").field("service", &self.service).finish_non_exhaustive()
    }
}

/// Starts the network of a system, and serves `site` on port 80 of each of its interfaces, also of those that are plugged
/// in later.
///
/// ```no_run
/// use switchboard_http::{Answer, Request, Response, Site, StatusCode};
/// use switchboard_runtime::system::{Outcome, System};
///
/// struct Page;
///
/// impl Site for Page {
///     fn answer(&'static self, _request: &Request<'_>) -> Answer {
///         Answer::Now(Response::text(StatusCode::OK, "hello\n"))
///     }
/// }
///
/// async fn app(mut system: System) -> Outcome {
///     switchboard_http::start(&mut system, &Page).await;
///     loop {
///         system.change().await;
///     }
/// }
/// ```
pub async fn start(system: &mut System, site: &'static dyn Site) -> Rc<Network> {
    Server::new(80, site).start(system).await
}

/// Serves `site` on port 80 of a stack, with tasks of `group`. The crate's front page has an example.
pub fn serve(group: &Rc<TaskGroup>, stack: &Stack, site: &'static dyn Site, counters: &'static HttpCounters) {
    Server::new(80, site).counters(counters).serve(group, stack);
}
