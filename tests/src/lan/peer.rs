//! The handle of a TCP connection of a host.

use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use super::link::Link;
use super::packet::{ACK, RST, Segment};
use super::tcp::{Behaviour, Connection, Phase};
use crate::http::{Response, parse_head};

/// A TCP connection of a host to the guest. Dropping it makes the host forget it without a segment.
#[derive(Debug)]
pub struct Peer {
    link: Arc<Link>,
    local: SocketAddr,
}

impl Peer {
    pub(super) fn new(link: Arc<Link>, local: SocketAddr) -> Self {
        Self { link, local }
    }

    /// Reads or changes the connection.
    ///
    /// # Panics
    /// Panics when another connection has replaced it and is gone.
    pub fn with<T>(&self, action: impl FnOnce(&mut Connection) -> T) -> T {
        action(self.link.lock().connections.get_mut(&self.local).expect("the connection"))
    }

    /// Waits until the connection fulfils a condition; returns whether it does.
    pub fn wait(&self, limit: Duration, mut condition: impl FnMut(&Connection) -> bool) -> bool {
        let found =
            self.link.wait(limit, |state| state.connections.get(&self.local).is_some_and(&mut condition).then_some(()));
        found.is_some()
    }

    /// Waits until it is open or has failed; returns whether it is open.
    #[must_use]
    pub fn is_opened(&self, limit: Duration) -> bool {
        self.wait(limit, |connection| connection.phase != Phase::SynSent) && self.phase() == Phase::Open
    }

    /// Returns its state.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.with(|connection| connection.phase)
    }

    /// Returns whether it is open, with neither side closed by the guest.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.with(|connection| connection.phase == Phase::Open && !connection.is_ended)
    }

    /// Changes how the host behaves on it.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        self.with(|connection| change(&mut connection.behaviour));
    }

    /// Sends data.
    pub fn send(&self, data: &[u8]) {
        let frames = self.with(|connection| connection.send(data));
        frames.into_iter().for_each(|frame| self.link.send(frame));
    }

    /// Closes the host's side.
    pub fn finish(&self) {
        let frame = self.with(Connection::finish);
        self.link.send(frame);
    }

    /// Resets the connection.
    pub fn reset(&self) {
        self.send_raw(|segment| segment.flags = RST | ACK);
    }

    /// Sends a segment that begins at the current sequence numbers, acknowledges, and that `change` alters.
    pub fn send_raw(&self, change: impl FnOnce(&mut Segment)) {
        let frame = self.with(|connection| connection.frame(change));
        self.link.send(frame);
    }

    /// Acknowledges all that was received.
    pub fn acknowledge(&self) {
        self.send_raw(|segment| segment.flags = ACK);
    }

    /// Waits until so many bytes were received, and takes all.
    ///
    /// # Errors
    /// Returns what was received when it was less.
    pub fn receive(&self, bytes: usize, limit: Duration) -> Result<Vec<u8>, Vec<u8>> {
        let is_enough = self.wait(limit, |connection| connection.received.len() >= bytes);
        let received = self.with(|connection| core::mem::take(&mut connection.received));
        if is_enough { Ok(received) } else { Err(received) }
    }

    /// Returns the guest's segments that came since the first `skip`.
    #[must_use]
    pub fn segments_since(&self, skip: usize) -> Vec<(Instant, Segment)> {
        self.with(|connection| connection.segments.get(skip..).unwrap_or_default().to_vec())
    }

    /// Returns how many segments of the guest came.
    #[must_use]
    pub fn segment_count(&self) -> usize {
        self.with(|connection| connection.segments.len())
    }

    /// Sends a request for a path and waits for the whole response; the connection stays open.
    ///
    /// # Errors
    /// Returns what was missing when there is no whole response in time.
    pub fn request(&self, path: &str, limit: Duration) -> Result<Response, String> {
        self.exchange(&format!("GET {path} HTTP/1.1\r\nHost: switchboard\r\n\r\n"), limit)
    }

    /// Sends a request after which the guest closes; waits for the response and the end.
    ///
    /// # Errors
    /// Returns what was missing when there is no whole response in time.
    pub fn last_request(&self, path: &str, limit: Duration) -> Result<Response, String> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: switchboard\r\nConnection: close\r\n\r\n");
        let response = self.exchange(&request, limit)?;
        self.finish();
        Ok(response)
    }

    /// Sends bytes and waits for a whole response.
    ///
    /// # Errors
    /// Returns what was missing when there is no whole response in time.
    pub fn exchange(&self, request: &str, limit: Duration) -> Result<Response, String> {
        let deadline = Instant::now() + limit;
        if !self.is_opened(limit) {
            return Err(format!("no connection: {:?}", self.phase()));
        }
        self.send(request.as_bytes());
        let mut response = None;
        self.wait(deadline.saturating_duration_since(Instant::now()), |connection| {
            response = response_in(&connection.received, connection.is_ended);
            response.is_some() || connection.phase != Phase::Open
        });
        let Some((response, length)) = response else {
            return self.with(|connection| {
                let received = String::from_utf8_lossy(&connection.received).chars().take(60).collect::<String>();
                let (phase, is_ended) = (connection.phase, connection.is_ended);
                Err(format!("{phase:?}, ended {is_ended}, after {} bytes: {received}", connection.received.len()))
            });
        };
        self.with(|connection| drop(connection.received.drain(..length)));
        Ok(response)
    }
}

/// Parses a whole response; returns it with its length.
fn response_in(received: &[u8], is_ended: bool) -> Option<(Response, usize)> {
    let (mut response, head) = parse_head(received).ok()??;
    let body = &received[head..];
    let length = match response.header("content-length") {
        Some(length) => length.parse().ok().filter(|length| body.len() >= *length)?,
        None if is_ended => body.len(),
        None => return None,
    };
    response.body = body[..length].to_vec();
    Some((response, head + length))
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.link.lock().connections.remove(&self.local);
    }
}
