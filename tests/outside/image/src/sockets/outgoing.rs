//! Outgoing connections: by name and by address, by this crate's own API and by the traits of the ecosystem, with and
//! without TLS.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use embedded_io_async::{Read, Write};
use embedded_nal_async::{AddrType, Dns, TcpConnect};
use framez::Framed;
use framez::codec::lines::StrLines;
use serde::{Deserialize, Serialize};
use switchboard_http::{Query, Response, State, StatusCode};
use switchboard_net::{Resolver, Stack, TcpConfig, TcpError, TcpStream};
use switchboard_runtime::hal;
use switchboard_tls::{Roots, TlsConnector};

use crate::app::Shared;
use crate::machine::{CERTIFICATE, MAX_FILE_BYTES};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_LINE_BYTES: usize = 100;

/// A host by name or address, and a port.
#[derive(Deserialize)]
pub(crate) struct Peer {
    host: String,
    port: u16,
}

/// Fetches the line that a server sends to whom connects.
pub(crate) async fn greeting(State(shared): State<Shared>, Query(peer): Query<Peer>) -> (StatusCode, String) {
    let Some(stack) = shared.stack.get() else { return (StatusCode::SERVICE_UNAVAILABLE, "no network".into()) };
    let stream = match connect(stack, &peer).await {
        Ok(stream) => stream,
        Err(error) => return (StatusCode::BAD_GATEWAY, error),
    };
    match read_line(stream).await {
        Some(line) => (StatusCode::OK, line),
        None => (StatusCode::BAD_GATEWAY, "no line".into()),
    }
}

/// Connects to the address of a name that answers first.
async fn connect(stack: &Stack, peer: &Peer) -> Result<TcpStream, String> {
    let explain = |error: &dyn core::fmt::Display| format!("{}: {error}", peer.host);
    let addresses = Resolver::new(stack).lookup(&peer.host).await.map_err(|error| explain(&error))?;
    let remotes: Vec<SocketAddr> = addresses.into_iter().map(|address| (address, peer.port).into()).collect();
    let mut config = TcpConfig::default();
    config.connect_timeout = CONNECT_TIMEOUT;
    TcpStream::connect_any(stack, &remotes, config).await.map_err(|error| explain(&error))
}

/// Works on any connection, with a crate that reads lines.
async fn read_line(connection: impl Read + Write) -> Option<String> {
    let (mut received, mut sent) = ([0; MAX_LINE_BYTES], [0; MAX_LINE_BYTES]);
    let mut lines = Framed::new(StrLines::new(), connection, &mut received, &mut sent);
    lines.send("hello").await.ok()?;
    framez::next!(lines)?.ok().map(String::from)
}

/// Fetches the line by the traits of `embedded-nal-async`.
pub(crate) async fn line(State(shared): State<Shared>, Query(peer): Query<Peer>) -> (StatusCode, String) {
    let Some(stack) = shared.stack.get() else { return (StatusCode::SERVICE_UNAVAILABLE, "no network".into()) };
    match fetch(stack, &Resolver::new(stack), &peer).await {
        Some(line) => (StatusCode::OK, line),
        None => (StatusCode::BAD_GATEWAY, "no line".into()),
    }
}

/// Works on any network with any resolver.
async fn fetch(network: &impl TcpConnect, names: &impl Dns, peer: &Peer) -> Option<String> {
    let address = names.get_host_by_name(&peer.host, AddrType::Either).await.ok()?;
    read_line(network.connect(SocketAddr::new(address, peer.port)).await.ok()?).await
}

#[derive(Serialize)]
struct Report {
    outcome: String,
    received_bytes: u64,
    sent_bytes: u64,
    unacknowledged_bytes: usize,
    retransmissions: u64,
}

/// Reads what a server sends until the connection ends, and reports the statistics of the socket.
pub(crate) async fn statistics(State(shared): State<Shared>, Query(peer): Query<Peer>) -> Response {
    let Some(stack) = shared.stack.get() else { return unavailable() };
    let stream = match connect(stack, &peer).await {
        Ok(stream) => stream,
        Err(error) => return Response::new(StatusCode::BAD_GATEWAY, "text/plain", error),
    };
    let outcome = match read_to_end(&stream).await {
        Ok(()) => "the peer has closed its side".into(),
        Err(error) => error.to_string(),
    };
    let statistics = stream.statistics();
    Response::json(&Report {
        outcome,
        received_bytes: statistics.received_bytes,
        sent_bytes: statistics.sent_bytes,
        unacknowledged_bytes: statistics.unacknowledged_bytes,
        retransmissions: statistics.retransmissions,
    })
}

async fn read_to_end(stream: &TcpStream) -> Result<(), TcpError> {
    stream.write(b"hello\n").await?;
    stream.flush().await;
    while stream.read(&mut [0; 64]).await? > 0 {}
    Ok(())
}

/// A server with TLS, and the name that its certificate is to have.
#[derive(Deserialize)]
pub(crate) struct SecurePeer {
    host: String,
    port: u16,
    name: String,
}

/// Returns the status line of a server with TLS, whose certificate is the machine's own.
pub(crate) async fn secure(State(shared): State<Shared>, Query(peer): Query<SecurePeer>) -> (StatusCode, String) {
    let Some(stack) = shared.stack.get() else { return (StatusCode::SERVICE_UNAVAILABLE, "no network".into()) };
    match fetch_securely(stack, peer).await {
        Ok(line) => (StatusCode::OK, line),
        Err(error) => (StatusCode::BAD_GATEWAY, error),
    }
}

async fn fetch_securely(stack: &Stack, SecurePeer { host, port, name }: SecurePeer) -> Result<String, String> {
    let certificate = hal::firmware_file(CERTIFICATE, MAX_FILE_BYTES).ok_or("no certificate to trust")?;
    let roots = Roots::from_pem(&certificate).map_err(|error| error.to_string())?;
    let connector = TlsConnector::new(roots, &[b"http/1.1"]).map_err(|error| error.to_string())?;
    let stream = connect(stack, &Peer { host, port }).await?;
    let mut stream = connector.connect(&name, stream).await.map_err(|error| error.to_string())?;
    let request = format!("GET / HTTP/1.0\r\nHost: {name}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
    stream.flush().await.map_err(|error| error.to_string())?;
    let (mut line, mut byte) = (String::new(), [0]);
    while line.len() < MAX_LINE_BYTES && stream.read_exact(&mut byte).await.is_ok() && byte != *b"\r" {
        line.push(byte[0].into());
    }
    Ok(line)
}

fn unavailable() -> Response {
    Response::text(StatusCode::SERVICE_UNAVAILABLE, "no network")
}
