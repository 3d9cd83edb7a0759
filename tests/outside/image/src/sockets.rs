//! Sockets of every kind: a listener whose connections are split, raw packets, pings, and a client by traits alone.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use embassy_time::Duration;
use embedded_io_async::{Read, ReadExactError, Write};
use embedded_nal_async::{AddrType, Dns, TcpConnect};
use serde::Deserialize;
use switchboard_http::{Query, State, StatusCode};
use switchboard_net::{IcmpSocket, RawSocket, Resolver, Stack, TcpConfig, TcpListener};
use switchboard_runtime::tasks::TaskGroup;

use crate::app::Shared;
use crate::services::Peer;

/// The port that sends frames back: two bytes of length, most significant first, and so many bytes.
const FRAME_PORT: u16 = 4003;
/// A protocol for experiments (RFC 3692), whose packets are sent back.
const RAW_PROTOCOL: u8 = 253;
const MAX_LINE_BYTES: usize = 100;
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// Starts what listens on a stack.
pub(crate) fn start(group: &Rc<TaskGroup>, stack: &Stack) {
    if let Ok(listener) = TcpListener::bind(stack, FRAME_PORT, TcpConfig::new(8192, 8192)) {
        let tasks = group.clone();
        group.add(async move {
            loop {
                let (reader, writer) = listener.accept().await.split();
                // An error is the end of a connection.
                tasks.add(async move { drop(send_frames_back(reader, writer).await) });
            }
        });
    }
    if let Ok(socket) = RawSocket::bind(stack, RAW_PROTOCOL, 4, 4096) {
        group.add(async move {
            let mut buffer = [0; 1500];
            loop {
                let Ok((length, from)) = socket.receive(&mut buffer).await else { continue };
                let header = usize::from(buffer[0] & 0xf) * 4;
                // IP promises nothing; a packet that cannot be sent is lost.
                if let Some(payload) = buffer.get(header..length) {
                    let _ = socket.send(from, 64, payload);
                }
            }
        });
    }
}

/// Works on any reader and writer.
async fn send_frames_back<E>(
    mut reader: impl Read<Error = E>,
    mut writer: impl Write<Error = E>,
) -> Result<(), ReadExactError<E>> {
    let mut frame = Vec::new();
    loop {
        let mut length = [0; 2];
        reader.read_exact(&mut length).await?;
        frame.resize(u16::from_be_bytes(length).into(), 0);
        reader.read_exact(&mut frame).await?;
        writer.write_all(&length).await.map_err(ReadExactError::Other)?;
        writer.write_all(&frame).await.map_err(ReadExactError::Other)?;
    }
}

/// A host by its address.
#[derive(Deserialize)]
pub(crate) struct Target {
    host: IpAddr,
}

/// Pings a host.
pub(crate) async fn ping(State(shared): State<Shared>, Query(target): Query<Target>) -> (StatusCode, String) {
    let Some(socket) = shared.stack.get().and_then(|stack| IcmpSocket::new(stack).ok()) else {
        return (StatusCode::SERVICE_UNAVAILABLE, "no socket".into());
    };
    match socket.ping(target.host, &[0x55; 2000], PING_TIMEOUT).await {
        Ok(reply) => (StatusCode::OK, format!("{} bytes from {}", reply.payload_bytes, reply.from)),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()),
    }
}

/// Fetches the line that a server sends, by the traits of `embedded-nal-async`.
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
    let mut connection = network.connect(SocketAddr::new(address, peer.port)).await.ok()?;
    connection.write_all(b"hello\n").await.ok()?;
    let (mut line, mut byte) = (String::new(), [0]);
    while line.len() < MAX_LINE_BYTES && connection.read_exact(&mut byte).await.is_ok() && byte != *b"\n" {
        line.push(byte[0].into());
    }
    Some(line)
}
