//! Responses that a function sends.

use alloc::vec::Vec;

use switchboard_net::Disconnected;

use super::{Response, StatusCode};
use crate::body::{Body, BodyFunction, BodyWriter, UpgradeFunction};
use crate::connection::UpgradedStream;

impl Response {
    /// Creates a response whose body a function writes, in chunks. If it returns an error the connection is reset, so that
    /// the client detects that the body is incomplete.
    ///
    /// ```
    /// use switchboard_http::{Answer, BodyWriter, HttpCounters, Request, Response, Site, StatusCode, TEXT};
    /// use switchboard_net_testing::TestNetwork;
    ///
    /// struct Lines;
    ///
    /// impl Site for Lines {
    ///     fn answer(&'static self, _request: &Request<'_>) -> Answer {
    ///         Answer::Now(Response::written(StatusCode::OK, TEXT, async |mut body: BodyWriter| {
    ///             for line in ["one\n", "two\n"] {
    ///                 body.write(line.as_bytes()).await?;
    ///             }
    ///             Ok(body)
    ///         }))
    ///     }
    /// }
    ///
    /// let mut network = TestNetwork::new();
    /// switchboard_http::serve(network.group(), network.stack(), &Lines, HttpCounters::leak());
    /// let response = network.exchange(80, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    /// assert!(response.ends_with(b"\r\n\r\n4\r\none\n\r\n4\r\ntwo\n\r\n0\r\n\r\n"));
    /// ```
    #[must_use]
    pub fn written<F: Future<Output = Result<BodyWriter, Disconnected>> + 'static>(
        status: StatusCode,
        content_type: &'static str,
        write: impl FnOnce(BodyWriter) -> F + 'static,
    ) -> Self {
        let body = Body::Writer(BodyFunction::new(None, write));
        Self { status, content_type, headers: Vec::new(), body }
    }

    /// As [`written`](Self::written), for a body of `length` bytes, which is not sent in chunks.
    #[must_use]
    pub fn written_with_length<F: Future<Output = Result<BodyWriter, Disconnected>> + 'static>(
        status: StatusCode,
        content_type: &'static str,
        length: u64,
        write: impl FnOnce(BodyWriter) -> F + 'static,
    ) -> Self {
        let body = Body::Writer(BodyFunction::new(Some(length), write));
        Self { status, content_type, headers: Vec::new(), body }
    }

    /// Creates a response of 101 (RFC 9110, 7.8): after it, a function takes over the connection with another protocol.
    ///
    /// ```
    /// use switchboard_http::{Answer, HttpCounters, Request, Response, Site, UpgradedStream};
    /// use switchboard_net_testing::TestNetwork;
    ///
    /// struct Greeter;
    ///
    /// impl Site for Greeter {
    ///     fn answer(&'static self, _request: &Request<'_>) -> Answer {
    ///         Answer::Now(Response::upgrade("greeting", async |stream: UpgradedStream| {
    ///             let _ = stream.write_all(b"welcome").await;
    ///         }))
    ///     }
    /// }
    ///
    /// let mut network = TestNetwork::new();
    /// switchboard_http::serve(network.group(), network.stack(), &Greeter, HttpCounters::leak());
    /// let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: greeting\r\n\r\n";
    /// assert_eq!(
    ///     network.exchange(80, request),
    ///     b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: greeting\r\nConnection: Upgrade\r\n\r\nwelcome"
    /// );
    /// ```
    #[must_use]
    pub fn upgrade<F: Future<Output = ()> + 'static>(
        protocol: &'static str,
        serve: impl FnOnce(UpgradedStream) -> F + 'static,
    ) -> Self {
        let body = Body::Upgrade(UpgradeFunction::new(serve));
        Self { status: StatusCode::SWITCHING_PROTOCOLS, content_type: "", headers: Vec::new(), body }
            .with_header("Upgrade", protocol)
    }
}
