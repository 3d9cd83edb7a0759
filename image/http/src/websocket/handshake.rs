//! The opening handshake of WebSocket (RFC 6455, 4.2).

use alloc::string::String;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::socket::WebSocket;
use crate::connection::UpgradedStream;
use crate::request::{Method, Request};
use crate::response::{Response, StatusCode};
use crate::router::{FromRequest, RoutedRequest};

/// What follows the key of the client in the hash (RFC 6455, 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The maximum length of a message, unless it is set.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// A request to open a WebSocket, which was checked. A handler of a [`Router`](crate::Router) may take it.
///
/// A browser lets any page open one, so check [`origin`](Self::origin) where that matters.
///
/// ```
/// use switchboard_http::{HttpCounters, Message, Response, Router, WebSocket, WebSocketUpgrade};
/// use switchboard_net_testing::TestNetwork;
///
/// fn echo(upgrade: WebSocketUpgrade) -> Response {
///     upgrade.serve(async |mut socket: WebSocket| {
///         while let Ok(Some(message)) = socket.receive().await {
///             if socket.send(&message).await.is_err() {
///                 return;
///             }
///         }
///     })
/// }
///
/// let router = Box::leak(Box::new(Router::new(()).get("/echo", echo)));
/// let mut network = TestNetwork::new();
/// switchboard_http::serve(network.group(), network.stack(), router, HttpCounters::leak());
/// let request = b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
///     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x82\0\0\0\0hi\x88\x80\0\0\0\0";
/// let response = network.exchange(80, request);
/// assert!(response.ends_with(b"\r\n\r\n\x81\x02hi\x88\x00"));
/// ```
#[derive(Debug)]
pub struct WebSocketUpgrade {
    accept: String,
    protocols: String,
    origin: Option<String>,
    protocol: Option<String>,
    max_message_bytes: usize,
}

impl WebSocketUpgrade {
    /// Checks the handshake of a request.
    ///
    /// # Errors
    /// The response to a request that does not ask for a WebSocket, or is invalid: 426 or 400.
    pub fn from_request(request: &Request<'_>) -> Result<Self, Response> {
        let has = |name: &str, option: &str| {
            let values = request.headers().filter(|(other, _)| other.eq_ignore_ascii_case(name));
            values
                .filter_map(|(_, value)| core::str::from_utf8(value).ok())
                .any(|value| value.split(',').any(|other| other.trim().eq_ignore_ascii_case(option)))
        };
        let is_upgrade = request.method == Method::Get && has("connection", "upgrade") && has("upgrade", "websocket");
        if !is_upgrade || request.is_http_1_0() || request.header("sec-websocket-version") != Some("13") {
            return Err(Response::text(StatusCode::UPGRADE_REQUIRED, "This is a WebSocket of version 13\n")
                .with_header("Upgrade", "websocket")
                .with_header("Sec-WebSocket-Version", "13"));
        }
        let key = request.header("sec-websocket-key").unwrap_or_default();
        let mut nonce = [0; 18];
        if key.len() != 24 || STANDARD.decode_slice(key, &mut nonce) != Ok(16) {
            return Err(Response::text(StatusCode::BAD_REQUEST, "The Sec-WebSocket-Key is invalid\n"));
        }
        Ok(Self {
            accept: accept_key(key),
            protocols: request.header("sec-websocket-protocol").unwrap_or_default().into(),
            origin: request.header("origin").map(Into::into),
            protocol: None,
            max_message_bytes: MAX_MESSAGE_BYTES,
        })
    }

    /// Returns the origin of the page that opens the socket; `None` for a client that is no browser.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// Returns the protocols that the client offers, in the order of its preference.
    pub fn protocols(&self) -> impl Iterator<Item = &str> {
        self.protocols.split(',').map(str::trim).filter(|protocol| !protocol.is_empty())
    }

    /// Chooses a protocol, which the client should have offered.
    #[must_use]
    pub fn with_protocol(mut self, protocol: &str) -> Self {
        self.protocol = Some(protocol.into());
        self
    }

    /// Sets the maximum length of a message that is received; 64 KiB unless it is set.
    #[must_use]
    pub const fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.max_message_bytes = bytes;
        self
    }

    /// Returns the response that opens the socket, which `serve` then uses. The connection is closed when it returns.
    #[must_use]
    pub fn serve<F: Future<Output = ()> + 'static>(self, serve: impl FnOnce(WebSocket) -> F + 'static) -> Response {
        let limit = self.max_message_bytes;
        let response =
            Response::upgrade("websocket", move |stream: UpgradedStream| serve(WebSocket::new(stream, limit)))
                .with_header("Sec-WebSocket-Accept", self.accept);
        match self.protocol {
            Some(protocol) => response.with_header("Sec-WebSocket-Protocol", protocol),
            None => response,
        }
    }
}

impl<S> FromRequest<S> for WebSocketUpgrade {
    fn from_request(request: &mut RoutedRequest<'_, S>) -> Result<Self, Response> {
        Self::from_request(request.request)
    }
}

fn accept_key(key: &str) -> String {
    let mut hash = sha1_smol::Sha1::from(key);
    hash.update(GUID);
    STANDARD.encode(hash.digest().bytes())
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn status(headers: &str) -> Option<u16> {
        let head = format!("GET / HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        let check = |request: &Request<'_>| {
            WebSocketUpgrade::from_request(request).err().map(|response| response.status().code())
        };
        Request::parse(head.as_bytes(), check).expect("a valid head")
    }

    #[test]
    fn the_key_is_that_of_the_specification() {
        // RFC 6455, 1.3.
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn handshakes_are_checked() {
        let version = "Sec-WebSocket-Version: 13\r\n";
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let upgrade = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n";
        assert_eq!(status(&format!("{upgrade}{version}{key}")), None);
        assert_eq!(status(""), Some(426));
        assert_eq!(status(&format!("{upgrade}{key}")), Some(426));
        assert_eq!(status(&format!("{upgrade}Sec-WebSocket-Version: 8\r\n{key}")), Some(426));
        assert_eq!(status(&format!("Upgrade: websocket\r\n{version}{key}")), Some(426));
        for bad in ["", "Sec-WebSocket-Key: abc\r\n", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSE=\r\n"] {
            assert_eq!(status(&format!("{upgrade}{version}{bad}")), Some(400), "{bad}");
        }
    }
}
