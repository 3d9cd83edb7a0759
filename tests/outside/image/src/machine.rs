//! What the machine gives to services: random numbers and the date; and HTTPS.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};

use rand_core::Rng;
use switchboard_http::{Router, Server};
use switchboard_net::{Stack, TcpStream};
use switchboard_runtime::entropy::SystemRng;
use switchboard_runtime::tasks::TaskGroup;
use switchboard_runtime::{hal, say, wall_clock};
use switchboard_tls::{Identity, ServerOptions, TlsAcceptor};

use crate::app::Shared;

const MAX_FILE_BYTES: usize = 64 * 1024;

/// Returns a random number.
pub(crate) fn random() -> String {
    roll(&mut SystemRng)
}

/// Works on any generator.
fn roll(generator: &mut impl Rng) -> String {
    format!("{:016x}", generator.next_u64())
}

/// Returns the date and time.
pub(crate) fn time() -> Option<String> {
    Some(wall_clock::now()?.to_string())
}

/// Reads certificate and key of the machine, where it has them.
pub(crate) fn acceptor() -> Option<TlsAcceptor> {
    let certificate = hal::firmware_file("opt/outside/cert", MAX_FILE_BYTES)?;
    let key = hal::firmware_file("opt/outside/key", MAX_FILE_BYTES)?;
    let identity = Identity::from_pem(&certificate, &key);
    identity
        .and_then(|identity| TlsAcceptor::new(identity, &ServerOptions::default()))
        .inspect_err(|error| say!("no https: {error}"))
        .ok()
}

/// Serves the same site by HTTPS.
pub(crate) fn serve(acceptor: &TlsAcceptor, router: &'static Router<Shared>, group: &Rc<TaskGroup>, stack: &Stack) {
    let acceptor = acceptor.clone();
    Server::new(443, router)
        .serve_with(group, stack, async move |stream: &Rc<TcpStream>| acceptor.accept_http(stream.clone()).await);
}
