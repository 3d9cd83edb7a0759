//! A service in one file: a table in memory with a REST interface, its changes as server-sent events, and a WebSocket.
//!
//! `make run APP=rest`, then:
//!
//! ```text
//! curl -d '{"name":"bolt","quantity":3}' -H 'Content-Type: application/json' localhost:8080/items
//! curl 'localhost:8080/items?name=bolt'
//! curl -N localhost:8080/events
//! ```
//!
//! Its arguments are `message-bytes N`: the longest message that the WebSocket receives, by default 1 MiB.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::{Poll, Waker};

use embassy_futures::select::{Either, select};
use serde::{Deserialize, Serialize};
use switchboard_http::{
    Event, EventWriter, HTML, IntoResponse, Json, Message, Path, Query, RequestBody, Response, Router, Server, State,
    StatusCode, TEXT, WebSocket, WebSocketUpgrade, relay,
};
use switchboard_runtime::system::{Outcome, System};

/// The maximum length of a message, unless the arguments set it.
const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// The maximum number of items, since clients make the table grow.
const MAX_ITEMS: usize = 1000;
const MAX_NAME_BYTES: usize = 100;

#[derive(Debug, thiserror::Error)]
#[error("`{0}` is invalid: the arguments are message-bytes N")]
struct Usage(&'static str);

fn max_message_bytes(arguments: &'static str) -> Result<usize, Usage> {
    let words: Vec<_> = arguments.split_ascii_whitespace().collect();
    match words[..] {
        [] => Ok(MAX_MESSAGE_BYTES),
        ["message-bytes", number] => number.parse().map_err(|_| Usage(arguments)),
        _ => Err(Usage(arguments)),
    }
}

pub(super) async fn run(mut system: System) -> Outcome {
    let table = Table { max_message_bytes: max_message_bytes(system.arguments)?, ..Table::default() };
    let router: &'static Router<Table> = Box::leak(Box::new(router(table)));
    Server::new(80, router).start(&mut system).await;
    loop {
        system.change().await;
    }
}

fn router(table: Table) -> Router<Table> {
    Router::new(table)
        .get("/", || Response::fixed(StatusCode::OK, HTML, include_bytes!("rest.html")))
        .get("/items", list)
        .post("/items", add)
        .get("/items/{id}", show)
        .put("/items/{id}", replace)
        .delete("/items/{id}", remove)
        .get("/events", events)
        .get("/socket", socket)
        .post("/echo", echo)
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Item {
    name: String,
    quantity: u32,
}

#[derive(Serialize)]
struct Row<'a> {
    id: u32,
    #[serde(flatten)]
    item: &'a Item,
}

#[derive(Deserialize)]
struct Filter {
    name: Option<String>,
}

/// The table, and the tasks that wait for its changes.
#[derive(Default)]
struct Table {
    items: RefCell<BTreeMap<u32, Item>>,
    next_id: Cell<u32>,
    changes: Cell<u32>,
    waiting: RefCell<Vec<Waker>>,
    max_message_bytes: usize,
}

impl Table {
    fn count_change(&self) {
        self.changes.set(self.changes.get().wrapping_add(1));
        self.waiting.borrow_mut().drain(..).for_each(Waker::wake);
    }

    /// Waits until the number of changes differs, and returns it.
    async fn changed(&self, since: u32) -> u32 {
        poll_fn(|context| {
            if self.changes.get() != since {
                return Poll::Ready(self.changes.get());
            }
            let mut waiting = self.waiting.borrow_mut();
            if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    fn summary(&self) -> String {
        let items = self.items.borrow();
        let quantity: u64 = items.values().map(|item| u64::from(item.quantity)).sum();
        format!("{{\"items\":{},\"quantity\":{quantity}}}", items.len())
    }
}

fn list(State(table): State<Table>, Query(filter): Query<Filter>) -> Response {
    let items = table.items.borrow();
    let is_wanted = |item: &Item| filter.name.as_ref().is_none_or(|name| item.name == *name);
    let rows = items.iter().filter(|(_, item)| is_wanted(item)).map(|(id, item)| Row { id: *id, item });
    Response::json(&rows.collect::<Vec<_>>())
}

async fn add(State(table): State<Table>, Json(item): Json<Item>) -> Result<Response, (StatusCode, &'static str)> {
    check(&item)?;
    if table.items.borrow().len() >= MAX_ITEMS {
        return Err((StatusCode::INSUFFICIENT_STORAGE, "The table is full\n"));
    }
    let id = table.next_id.get() + 1;
    table.next_id.set(id);
    let response = Response::json(&Row { id, item: &item });
    table.items.borrow_mut().insert(id, item);
    table.count_change();
    Ok((StatusCode::CREATED, response).into_response().with_header("Location", format!("/items/{id}")))
}

fn show(State(table): State<Table>, Path(id): Path<u32>) -> Option<Response> {
    table.items.borrow().get(&id).map(|item| Response::json(&Row { id, item }))
}

async fn replace(
    State(table): State<Table>,
    Path(id): Path<u32>,
    Json(item): Json<Item>,
) -> Result<StatusCode, (StatusCode, &'static str)> {
    check(&item)?;
    match table.items.borrow_mut().get_mut(&id) {
        Some(old) => *old = item,
        None => return Ok(StatusCode::NOT_FOUND),
    }
    table.count_change();
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(State(table): State<Table>, Path(id): Path<u32>) -> StatusCode {
    if table.items.borrow_mut().remove(&id).is_none() {
        return StatusCode::NOT_FOUND;
    }
    table.count_change();
    StatusCode::NO_CONTENT
}

fn check(item: &Item) -> Result<(), (StatusCode, &'static str)> {
    match item.name.len() {
        1..=MAX_NAME_BYTES => Ok(()),
        _ => Err((StatusCode::UNPROCESSABLE_CONTENT, "A name has 1 to 100 bytes\n")),
    }
}

/// Sends the state of the table now and after each change.
fn events(State(table): State<Table>) -> Response {
    Response::events(async move |mut events: EventWriter| {
        loop {
            let count = table.changes.get();
            events.send(&Event::new(table.summary()).name("table").id(format!("{count}"))).await?;
            events.wait(table.changed(count)).await?;
        }
    })
}

/// Sends each message back, and the state of the table after each change.
fn socket(State(table): State<Table>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.max_message_bytes(table.max_message_bytes).serve(async move |mut socket: WebSocket| {
        let mut count = table.changes.get();
        loop {
            let sent = match select(socket.receive(), table.changed(count)).await {
                Either::First(Ok(Some(message))) => socket.send(&message).await,
                Either::First(Ok(None) | Err(_)) => return,
                Either::Second(changes) => {
                    count = changes;
                    socket.send(&Message::Text(table.summary())).await
                }
            };
            if sent.is_err() {
                return;
            }
        }
    })
}

/// Sends the body back while it arrives, whatever its length. A client may send so much before it begins to read.
async fn echo(body: RequestBody) -> Response {
    const MAX_QUEUED_BYTES: usize = 1 << 20;
    Response::written(StatusCode::OK, TEXT, async move |writer| relay(body, writer, MAX_QUEUED_BYTES).await)
}
