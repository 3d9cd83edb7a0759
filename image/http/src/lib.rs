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
//!             "/" => Response::text(StatusCode::Ok, "hello\n"),
//!             _ => Response::text(StatusCode::NotFound, "Nothing is here\n"),
//!         })
//!     }
//! }
//!
//! let mut network = TestNetwork::new();
//! switchboard_http::serve(network.group(), network.stack(), &Page, HttpCounters::leak());
//! let response = network.exchange(80, b"GET / HTTP/1.1\r\n\r\n");
//! assert!(response.starts_with(b"HTTP/1.1 200 OK\r\n") && response.ends_with(b"\r\n\r\nhello\n"));
//! ```
//!
//! Only GET and HEAD are served; a body of a request is skipped. Connections without progress are closed after some
//! seconds.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod body;
mod connection;
mod counters;
mod head;
mod response;
mod server;
mod site;
mod status_code;
#[cfg(test)]
mod tests;
mod timeouts;
mod transport;

pub use body::{Body, BodySource};
pub use connection::HTTP;
pub use counters::HttpCounters;
pub use head::Request;
pub use response::{HTML, Response, TEXT};
pub use server::{serve, start};
pub use site::{Answer, Site};
pub use status_code::StatusCode;
