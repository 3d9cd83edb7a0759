//! An HTTP/1.1 server: keep-alive connections, answered by an app's [`Site`].
//!
//! A request is parsed where it arrived, in the socket's receive buffer, and its response composed where it leaves
//! from, in the transmit buffer: for one that needs no waiting nothing is copied twice, allocated or timed.
//!
//! An app calls [`start`]. Its site runs on the host as well, with `switchboard-net-testing`:
//!
//! ```
//! use switchboard_http::{Answer, HttpCounters, Request, Response, Site, StatusCode};
//! use switchboard_net_testing::TestNetwork;
//!
//! struct Page;
//!
//! impl Site for Page {
//!     fn answer(&'static self, request: &Request<'_>) -> Answer {
//!         Answer::Now(match request.path {
//!             "/" => Response::text(StatusCode::OK, "hello\n"),
//!             _ => Response::text(StatusCode::NOT_FOUND, "Nothing is here\n"),
//!         })
//!     }
//! }
//!
//! let mut network = TestNetwork::new();
//! switchboard_http::serve(network.group(), network.stack(), &Page, HttpCounters::leak());
//! let response = network.exchange(80, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
//! assert!(response.starts_with(b"HTTP/1.1 200 OK\r\n") && response.ends_with(b"\r\n\r\nhello\n"));
//! ```
//!
//! A site gets GET and HEAD; it lists the other methods that it serves by [`Site::methods`]. Bodies are read as a stream
//! ([`RequestBody`]), and responses may be streams, too ([`Response::stream`], [`Response::written`]).
//!
//! What a client may take, memory and time alike, is limited: see [`Server`].
//!
//! # Dependencies in the public interface
//!
//! `embedded-io-async` 0.7, whose traits the bodies and streams implement, `serde` 1, and the crates `switchboard-net` and
//! `switchboard-runtime`.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod body;
mod conditional;
mod connection;
mod counters;
mod request;
mod response;
mod router;
mod server;
mod site;
mod sse;
#[cfg(test)]
mod tests;
mod websocket;

pub use body::{Body, BodyError, BodyFunction, BodySource, BodyWriter, RequestBody, UpgradeFunction, relay};
pub use conditional::{
    Conditions, Multipart, Precondition, RangeSelection, Validators, accepts_encoding, content_range,
};
pub use connection::{HTTP, Transport, UpgradedStream};
pub use counters::HttpCounters;
pub use request::{Method, Methods, QueryPairs, Request, RequestHead, percent_decode};
pub use response::{HTML, IntoResponse, Response, StatusCode, TEXT, parse_date};
pub use router::{
    AnswersLater, AnswersNow, Form, FromBody, FromRequest, Handler, Json, Path, Query, RoutedRequest, Router, State,
    TakesBody,
};
pub use server::{Server, serve, start};
pub use site::{Answer, Site};
pub use sse::{Event, EventWriter};
pub use websocket::{CloseCode, Message, WebSocket, WebSocketError, WebSocketUpgrade};
