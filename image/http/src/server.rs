//! The server: the TCP service on port 80, on one stack or on a whole network.

use alloc::rc::Rc;

use switchboard_net::{Network, Service, Stack};
use switchboard_runtime::system::System;
use switchboard_runtime::tasks::TaskGroup;

use crate::connection;
use crate::counters::{HttpCounters, OpenConnection};
use crate::site::Site;
use crate::timeouts::Timeouts;

const SERVICE: Service = Service {
    port: 80,
    // A request's head must fit; pipelined requests wait behind it.
    receive_bytes: 4 * 1024,
    // The speed of downloads depends on it.
    transmit_bytes: 16 * 1024,
    backlog: 16,
    max_connections: 384,
};

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
///         Answer::Now(Response::text(StatusCode::Ok, "hello\n"))
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
    let (network, counters) = (Network::new(system), HttpCounters::leak());
    network.start(system, Rc::new(move |group, stack| serve(group, stack, site, counters))).await;
    network
}

/// Serves `site` on port 80 of a stack, with tasks of `group`. The crate's front page has an example.
pub fn serve(group: &Rc<TaskGroup>, stack: &Stack, site: &'static dyn Site, counters: &'static HttpCounters) {
    let timeouts = Rc::new(Timeouts::new(SERVICE.max_connections));
    let timer = timeouts.clone();
    group.add(async move { timer.run().await });
    SERVICE.start(group, stack, async move |socket| {
        let _open = OpenConnection::new(counters);
        let connection = timeouts.add(socket);
        connection::serve(&*connection, site, counters).await;
        timeouts.remove(&connection);
    });
}
