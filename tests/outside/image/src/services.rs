//! The services: JSON, forms, bodies, server-sent events, a WebSocket, an outgoing connection, and UDP.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use embedded_io_async::{Read, Write};
use serde::{Deserialize, Serialize};
use switchboard_http::{
    Event, EventWriter, Form, Json, Path, Query, RequestBody, Response, State, StatusCode, TEXT, UpgradedStream,
    WebSocket, WebSocketUpgrade,
};
use switchboard_net::{Disconnected, Resolver, Stack, TcpConfig, TcpError, TcpStream, UdpSocket};
use switchboard_runtime::tasks::TaskGroup;

use crate::app::Shared;

/// The port that sends datagrams back, with their bytes in reverse.
const REVERSE_PORT: u16 = 4000;
const MAX_GREETING_BYTES: usize = 100;

#[derive(Serialize)]
struct Sum {
    sum: u64,
}

/// Adds the numbers of a list.
pub(crate) async fn sum(Json(numbers): Json<Vec<u32>>) -> Response {
    Response::json(&Sum { sum: numbers.into_iter().map(u64::from).sum() })
}

/// Doubles a number of the path.
pub(crate) fn double(Path(number): Path<u32>) -> String {
    alloc::format!("{}", u64::from(number) * 2)
}

#[derive(Deserialize)]
pub(crate) struct Order {
    name: String,
    count: u32,
}

/// Confirms a form.
pub(crate) async fn form(Form(order): Form<Order>) -> String {
    alloc::format!("{} x {}", order.count, order.name)
}

/// Sends a body back in capitals while it arrives, and its length as a trailer.
pub(crate) async fn upper(mut body: RequestBody) -> Response {
    Response::written(StatusCode::OK, TEXT, async move |mut writer| {
        let (mut buffer, mut total) = ([0; 1024], 0);
        while let length @ 1.. = body.read(&mut buffer).await.map_err(|_| Disconnected)? {
            buffer[..length].make_ascii_uppercase();
            writer.write(&buffer[..length]).await?;
            total += length;
        }
        writer.add_trailer("X-Length", &alloc::format!("{total}"));
        Ok(writer)
    })
}

/// Hands the connection over to a protocol that sends bytes back.
pub(crate) fn raw() -> Response {
    Response::upgrade("echo", async |stream: UpgradedStream| {
        loop {
            let read = stream.read_with(|data| (data.len(), data.to_vec())).await;
            let Ok(data) = read else { return };
            if stream.write_all(&data).await.is_err() {
                return;
            }
        }
    })
}

/// Counts to three.
pub(crate) fn events() -> Response {
    Response::events(async |mut events: EventWriter| {
        for count in ["1", "2", "3"] {
            events.send(&Event::new(count)).await?;
        }
        Ok(events)
    })
}

/// Sends messages back.
pub(crate) fn socket(upgrade: WebSocketUpgrade) -> Response {
    upgrade.serve(async |mut socket: WebSocket| {
        while let Ok(Some(message)) = socket.receive().await {
            if socket.send(&message).await.is_err() {
                return;
            }
        }
    })
}

/// A host by name or address, and a port.
#[derive(Deserialize)]
pub(crate) struct Peer {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// Fetches the line that a server sends to whom connects.
pub(crate) async fn greeting(State(shared): State<Shared>, Query(peer): Query<Peer>) -> (StatusCode, String) {
    let Some(stack) = shared.stack.get() else { return (StatusCode::SERVICE_UNAVAILABLE, "no network".into()) };
    let addresses = match Resolver::new(stack).lookup(&peer.host).await {
        Ok(addresses) => addresses,
        Err(error) => return (StatusCode::BAD_GATEWAY, alloc::format!("{}: {error}", peer.host)),
    };
    let remotes: Vec<SocketAddr> = addresses.into_iter().map(|address| (address, peer.port).into()).collect();
    match read_line(stack, &remotes).await {
        Ok(line) => (StatusCode::OK, line),
        Err(error) => (StatusCode::BAD_GATEWAY, alloc::format!("{}: {error}", peer.host)),
    }
}

async fn read_line(stack: &Stack, remotes: &[SocketAddr]) -> Result<String, TcpError> {
    let mut stream = TcpStream::connect_any(stack, remotes, TcpConfig::default()).await?;
    stream.write_all(b"hello\n").await?;
    let (mut line, mut byte) = (String::new(), [0]);
    while line.len() < MAX_GREETING_BYTES && stream.read_exact(&mut byte).await.is_ok() && byte != *b"\n" {
        line.push(byte[0].into());
    }
    Ok(line)
}

/// Starts what is beside HTTP on a stack.
pub(crate) fn start(group: &Rc<TaskGroup>, stack: &Stack) {
    let Ok(socket) = UdpSocket::bind(stack, REVERSE_PORT, 4, 4096) else { return };
    group.add(async move {
        let mut buffer = [0; 1500];
        loop {
            let Ok((length, from)) = socket.receive(&mut buffer).await else { continue };
            buffer[..length].reverse();
            // UDP promises nothing; a datagram that cannot be sent is lost.
            let _ = socket.send(&buffer[..length], from).await;
        }
    });
}
