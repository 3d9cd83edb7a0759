//! The services: JSON, forms, bodies, server-sent events, a WebSocket, a protocol of its own.

pub(crate) mod document;

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use switchboard_http::{
    Event, EventWriter, Form, Json, Path, RequestBody, Response, StatusCode, TEXT, UpgradedStream, WebSocket,
    WebSocketUpgrade,
};
use switchboard_net::Disconnected;

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

/// Sends a body back in capitals while it arrives, and its length and its trailers as trailers.
pub(crate) async fn upper(mut body: RequestBody) -> Response {
    Response::written(StatusCode::OK, TEXT, async move |mut writer| {
        let (mut buffer, mut total) = ([0; 1024], 0);
        while let length @ 1.. = body.read(&mut buffer).await.map_err(|_| Disconnected)? {
            buffer[..length].make_ascii_uppercase();
            writer.write(&buffer[..length]).await?;
            total += length;
        }
        writer.add_trailer("X-Length", &alloc::format!("{total}"));
        body.trailers().iter().for_each(|(name, value)| writer.add_trailer(name, value));
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
