//! Heads of requests that outlive the receive buffer.

use alloc::string::String;
use alloc::vec::Vec;

use super::Request;
use super::method::Method;
use super::query::QueryPairs;

/// The head of a request, owned: [`Request::to_head`] makes it, for a future that answers later.
///
/// ```
/// use switchboard_http::{Answer, HttpCounters, Request, Response, Site, StatusCode, TEXT};
/// use switchboard_net_testing::TestNetwork;
///
/// struct Agents;
///
/// impl Site for Agents {
///     fn answer(&'static self, request: &Request<'_>) -> Answer {
///         let head = request.to_head();
///         Answer::later(async move {
///             let agent = head.header("user-agent").unwrap_or("something").to_owned();
///             Response::new(StatusCode::OK, TEXT, format!("{} by {agent}", head.path))
///         })
///     }
/// }
///
/// let mut network = TestNetwork::new();
/// switchboard_http::serve(network.group(), network.stack(), &Agents, HttpCounters::leak());
/// let response = network.exchange(80, b"GET /x HTTP/1.1\r\nHost: x\r\nUser-Agent: curl\r\n\r\n");
/// assert!(response.ends_with(b"/x by curl"));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The path, as [`Request::path`].
    pub path: String,
    /// The query as it was sent, without its `?`.
    pub query: Option<String>,
    /// The headers in the order in which they were sent. Bytes that are not UTF-8 are U+FFFD.
    pub headers: Vec<(String, String)>,
}

impl RequestHead {
    pub(super) fn new(request: &Request<'_>) -> Self {
        let headers = request.headers();
        Self {
            method: request.method,
            path: request.path.into(),
            query: request.query().map(Into::into),
            headers: headers.map(|(name, value)| (name.into(), String::from_utf8_lossy(value).into())).collect(),
        }
    }

    /// Returns the first value of a header by its case-insensitive name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Returns the pairs of the query, decoded.
    #[must_use]
    pub fn query_pairs(&self) -> QueryPairs<'_> {
        QueryPairs::new(self.query.as_deref().unwrap_or_default())
    }
}
