//! Probes of the network: pings, the routers on the way, a datagram and its answer, names and addresses.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use embassy_time::{Duration, with_timeout};
use embedded_nal_async::{ConnectedUdp, UdpStack};
use serde::Deserialize;
use switchboard_http::{Query, State, StatusCode};
use switchboard_net::{IcmpErrorKind, IcmpSocket, PingError, Resolver};

use crate::app::Shared;

const TIMEOUT: Duration = Duration::from_secs(2);
const MAX_HOPS: u8 = 8;
const NO_NETWORK: (StatusCode, String) = (StatusCode::SERVICE_UNAVAILABLE, String::new());

/// A host by its address.
#[derive(Deserialize)]
pub(crate) struct Target {
    host: IpAddr,
}

/// Pings a host.
pub(crate) async fn ping(State(shared): State<Shared>, Query(target): Query<Target>) -> (StatusCode, String) {
    let Some(socket) = shared.stack.get().and_then(|stack| IcmpSocket::new(stack).ok()) else { return NO_NETWORK };
    match socket.ping(target.host, &[0x55; 2000], TIMEOUT).await {
        Ok(reply) => (StatusCode::OK, format!("{} bytes from {}", reply.payload_bytes, reply.from)),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()),
    }
}

/// Lists the routers on the way to a host, and the host.
pub(crate) async fn route(State(shared): State<Shared>, Query(target): Query<Target>) -> (StatusCode, String) {
    let Some(socket) = shared.stack.get().and_then(|stack| IcmpSocket::new(stack).ok()) else { return NO_NETWORK };
    let mut hops = Vec::new();
    for hop in 1..=MAX_HOPS {
        match socket.ping_with_hops(target.host, b"trace", TIMEOUT, hop).await {
            Ok(reply) => {
                hops.push(reply.from.to_string());
                return (StatusCode::OK, hops.join(" "));
            }
            Err(PingError::Reported(error)) if error.kind == IcmpErrorKind::TimeExceeded => {
                hops.push(error.reporter.to_string());
            }
            Err(error) => return (StatusCode::BAD_GATEWAY, error.to_string()),
        }
    }
    (StatusCode::BAD_GATEWAY, "too many hops".into())
}

/// Sends a datagram, and returns the answer.
pub(crate) async fn datagram(State(shared): State<Shared>, Query(peer): Query<SocketPeer>) -> (StatusCode, String) {
    let Some(stack) = shared.stack.get() else { return NO_NETWORK };
    match with_timeout(TIMEOUT, ask(stack, SocketAddr::new(peer.host, peer.port))).await {
        Ok(Ok(answer)) => (StatusCode::OK, answer),
        Ok(Err(error)) => (StatusCode::BAD_GATEWAY, error),
        Err(_) => (StatusCode::GATEWAY_TIMEOUT, "no answer".into()),
    }
}

/// An address and a port.
#[derive(Deserialize)]
pub(crate) struct SocketPeer {
    host: IpAddr,
    port: u16,
}

/// Works on any network.
async fn ask(network: &impl UdpStack, remote: SocketAddr) -> Result<String, String> {
    let (_local, mut socket) = network.connect(remote).await.map_err(|error| format!("{error:?}"))?;
    socket.send(b"question").await.map_err(|error| format!("{error:?}"))?;
    let mut buffer = [0; 100];
    let length = socket.receive_into(&mut buffer).await.map_err(|error| format!("{error:?}"))?;
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

#[derive(Deserialize)]
pub(crate) struct Name {
    name: String,
}

/// Resolves a name to addresses, or an address to a name.
pub(crate) async fn lookup(State(shared): State<Shared>, Query(Name { name }): Query<Name>) -> (StatusCode, String) {
    let Some(stack) = shared.stack.get() else { return NO_NETWORK };
    let resolver = Resolver::new(stack);
    let found = match name.parse() {
        Ok(address) => resolver.reverse_lookup(address).await,
        Err(_) => resolver.lookup(&name).await.map(|addresses| {
            let addresses: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
            addresses.join(" ")
        }),
    };
    match found {
        Ok(text) => (StatusCode::OK, text),
        Err(error) => (StatusCode::NOT_FOUND, error.to_string()),
    }
}
