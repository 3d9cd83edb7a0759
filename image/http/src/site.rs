//! What an app implements: a site that answers requests.

use alloc::boxed::Box;
use core::fmt;
use core::pin::Pin;

use crate::request::{Methods, Request};
use crate::response::Response;

/// An app's handler of all requests, which usually dispatches on [`Request::path`]. The crate's front page has an example;
/// a [`Router`](crate::Router) is one, too.
pub trait Site {
    /// Answers a GET request, a HEAD request, whose body the server leaves out, or one of another method that
    /// [`methods`](Self::methods) returned.
    ///
    /// The stack is in use meanwhile, since the request is read where it was received. Methods of the
    /// [`Stack`](switchboard_net::Stack) and of its sockets are for [`Answer::later`]; here they panic.
    fn answer(&'static self, request: &Request<'_>) -> Answer;

    /// Returns the methods that a path serves. The server answers all others by 405, and OPTIONS by this list. GET and HEAD
    /// are passed to [`answer`](Self::answer) in any case.
    fn methods(&self, path: &str) -> Methods {
        let _ = path;
        Methods::READ
    }

    /// Returns whether the site answers OPTIONS requests by itself.
    fn answers_options(&self) -> bool {
        false
    }
}

/// The answer to a request: a response now, or a future of one.
///
/// ```
/// use switchboard_http::{Answer, HttpCounters, Request, Response, Site, StatusCode, TEXT};
/// use switchboard_net_testing::TestNetwork;
///
/// struct Greeter;
///
/// impl Site for Greeter {
///     fn answer(&'static self, request: &Request<'_>) -> Answer {
///         let name = String::from(request.header("x-name").unwrap_or("world"));
///         // The request is borrowed from the receive buffer: the future takes what it needs of it along.
///         Answer::later(async move { Response::new(StatusCode::OK, TEXT, format!("Hello, {name}")) })
///     }
/// }
///
/// let mut network = TestNetwork::new();
/// switchboard_http::serve(network.group(), network.stack(), &Greeter, HttpCounters::leak());
/// let response = network.exchange(80, b"GET / HTTP/1.1\r\nHost: x\r\nX-Name: Ada\r\n\r\n");
/// assert!(response.ends_with(b"\r\n\r\nHello, Ada"));
/// ```
pub enum Answer {
    /// A response that needs no waiting.
    Now(Response),
    /// A future of the response.
    Later(Pin<Box<dyn Future<Output = Response>>>),
}

impl Answer {
    /// Creates an answer of a future.
    pub fn later(response: impl Future<Output = Response> + 'static) -> Self {
        Self::Later(Box::pin(response))
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(response) => response.fmt(f),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}
