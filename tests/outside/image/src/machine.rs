//! The machine as its second server shows it: its configuration, random numbers and the date; and HTTPS of the first one.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use rand_core::Rng;
use serde::Serialize;
use switchboard_http::{Response, Router, Server, State, StatusCode};
use switchboard_net::{Stack, TcpStream};
use switchboard_runtime::entropy::{self, Entropy, SystemRng};
use switchboard_runtime::tasks::TaskGroup;
use switchboard_runtime::{hal, say, wall_clock};
use switchboard_tls::{Identity, ServerOptions, TlsAcceptor};

use crate::app::Shared;

/// The port of the second server.
pub(crate) const PORT: u16 = 8080;
/// The machine's certificate and key, as QEMU's `-fw_cfg` names them.
pub(crate) const CERTIFICATE: &str = "opt/outside/cert";
const KEY: &str = "opt/outside/key";
pub(crate) const MAX_FILE_BYTES: usize = 64 * 1024;

/// Returns the site of the second server.
pub(crate) fn router(shared: &'static Shared) -> Router<&'static Shared> {
    Router::new(shared).get("/configuration", configuration).get("/random", random).get("/time", time)
}

#[derive(Serialize)]
struct Configuration {
    addresses: Vec<String>,
    routes: Vec<String>,
    dns_servers: Vec<String>,
    search_domains: Vec<String>,
    local_name: Option<String>,
}

/// Waits until the network is configured, and returns the configuration.
async fn configuration(State(shared): State<&'static Shared>) -> Response {
    let Some(stack) = shared.stack.get() else {
        return Response::text(StatusCode::SERVICE_UNAVAILABLE, "no network\n");
    };
    let config = stack.state().configured().await;
    Response::json(&Configuration {
        addresses: config.addresses.iter().map(ToString::to_string).collect(),
        routes: config.routes.iter().map(ToString::to_string).collect(),
        dns_servers: config.dns_servers.iter().map(ToString::to_string).collect(),
        search_domains: config.search_domains.clone(),
        local_name: stack.state().local_name(),
    })
}

/// Returns a random number, if it is fit for keys.
fn random() -> (StatusCode, String) {
    match entropy::state() {
        Entropy::Fit => (StatusCode::OK, roll(&mut SystemRng)),
        unfit @ Entropy::Unfit(_) => (StatusCode::SERVICE_UNAVAILABLE, unfit.to_string()),
    }
}

/// Works on any generator.
fn roll(generator: &mut impl Rng) -> String {
    format!("{:016x}", generator.next_u64())
}

/// Returns the date and time, and where they come from.
fn time() -> Option<String> {
    Some(format!("{} {:?}", wall_clock::now()?, wall_clock::source()?))
}

/// Reads certificate and key of the machine, where it has them.
pub(crate) fn acceptor() -> Option<TlsAcceptor> {
    let certificate = hal::firmware_file(CERTIFICATE, MAX_FILE_BYTES)?;
    let key = hal::firmware_file(KEY, MAX_FILE_BYTES)?;
    let identity = Identity::from_pem(&certificate, &key);
    identity
        .and_then(|identity| TlsAcceptor::new(identity, &ServerOptions::default()))
        .inspect_err(|error| say!("no https: {error}"))
        .ok()
}

/// Serves the same site by HTTPS.
pub(crate) fn serve_https(
    acceptor: &TlsAcceptor,
    router: &'static Router<Shared>,
    group: &Rc<TaskGroup>,
    stack: &Stack,
) {
    let acceptor = acceptor.clone();
    Server::new(443, router)
        .serve_with(group, stack, async move |stream: &Rc<TcpStream>| acceptor.accept_http(stream.clone()).await);
}
