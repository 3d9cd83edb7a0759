//! Server-sent events (HTML, 9.2).

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt::Write as _;
use core::future::poll_fn;
use core::pin::pin;

use embassy_futures::select::{Either3, select3};
use embassy_time::{Duration, Timer};
use switchboard_net::Disconnected;

use crate::body::BodyWriter;
use crate::response::{Response, StatusCode};

/// The interval of comments to a client that waits, so that what is between does not take the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// An event of a stream.
///
/// ```
/// use switchboard_http::Event;
///
/// let event = Event::new("two\nlines").name("change").id("7");
/// assert_eq!(event.to_string(), "event: change\nid: 7\ndata: two\ndata: lines\n\n");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    data: Cow<'a, str>,
    name: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    retry: Option<Duration>,
}

impl<'a> Event<'a> {
    /// Creates an event of a text.
    #[must_use]
    pub fn new(data: impl Into<Cow<'a, str>>) -> Self {
        Self { data: data.into(), name: None, id: None, retry: None }
    }

    /// Sets the name, by which the page listens to it; `message` unless it is set.
    #[must_use]
    pub fn name(mut self, name: impl Into<Cow<'a, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the identifier, which a client that connects again sends as `Last-Event-ID`.
    #[must_use]
    pub fn id(mut self, id: impl Into<Cow<'a, str>>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the time after which the client connects again, when the connection was lost.
    #[must_use]
    pub const fn retry(mut self, after: Duration) -> Self {
        self.retry = Some(after);
        self
    }
}

impl core::fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // A line ends at a carriage return, too.
        let is_end = |character| matches!(character, '\r' | '\n');
        for (field, value) in [("event", &self.name), ("id", &self.id)] {
            if let Some(value) = value {
                writeln!(f, "{field}: {}", value.split(is_end).next().unwrap_or_default())?;
            }
        }
        if let Some(retry) = self.retry {
            writeln!(f, "retry: {}", retry.as_millis())?;
        }
        for line in self.data.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r')) {
            writeln!(f, "data: {line}")?;
        }
        f.write_char('\n')
    }
}

/// The writer of a stream of events: see [`Response::events`].
#[derive(Debug)]
pub struct EventWriter {
    body: BodyWriter,
    text: String,
}

impl EventWriter {
    /// Sends an event.
    ///
    /// # Errors
    /// [`Disconnected`] when the client has disconnected.
    pub async fn send(&mut self, event: &Event<'_>) -> Result<(), Disconnected> {
        self.text.clear();
        let _ = write!(self.text, "{event}");
        self.body.write(self.text.as_bytes()).await
    }

    /// Waits for a future, and sends comments meanwhile.
    ///
    /// # Errors
    /// [`Disconnected`] as soon as the client has disconnected.
    pub async fn wait<F: Future>(&mut self, future: F) -> Result<F::Output, Disconnected> {
        let mut future = pin!(future);
        loop {
            let closed = poll_fn(|context| self.body.poll_closed(context));
            match select3(future.as_mut(), Timer::after(KEEP_ALIVE), closed).await {
                Either3::First(output) => return Ok(output),
                Either3::Second(()) => self.body.write(b":\n\n").await?,
                Either3::Third(()) => return Err(Disconnected),
            }
        }
    }
}

impl Response {
    /// Creates a response of server-sent events, which `serve` sends. Its end is that of the response.
    ///
    /// ```
    /// use embassy_time::{Duration, Timer};
    /// use switchboard_http::{Answer, Event, EventWriter, HttpCounters, Request, Response, Site};
    /// use switchboard_net_testing::TestNetwork;
    ///
    /// struct Clock;
    ///
    /// impl Site for Clock {
    ///     fn answer(&'static self, request: &Request<'_>) -> Answer {
    ///         let last = request.header("last-event-id").and_then(|id| id.parse().ok()).unwrap_or(0);
    ///         Answer::Now(Response::events(async move |mut events: EventWriter| {
    ///             for count in last + 1..4 {
    ///                 events.wait(Timer::after(Duration::from_secs(1))).await?;
    ///                 events.send(&Event::new("tick").id(count.to_string())).await?;
    ///             }
    ///             Ok(events)
    ///         }))
    ///     }
    /// }
    ///
    /// let mut network = TestNetwork::new();
    /// switchboard_http::serve(network.group(), network.stack(), &Clock, HttpCounters::leak());
    /// let connection = network.connect(80);
    /// while !network.is_connected(connection) {
    ///     network.step();
    /// }
    /// network.send(connection, b"GET / HTTP/1.0\r\nLast-Event-ID: 2\r\n\r\n");
    /// let mut received = Vec::new();
    /// for _ in 0..2000 {
    ///     network.step();
    ///     received.extend(network.receive(connection));
    /// }
    /// assert!(received.ends_with(b"\r\n\r\nid: 3\ndata: tick\n\n"));
    /// ```
    #[must_use]
    pub fn events<F: Future<Output = Result<EventWriter, Disconnected>> + 'static>(
        serve: impl FnOnce(EventWriter) -> F + 'static,
    ) -> Self {
        let write = |body| {
            let serving = serve(EventWriter { body, text: String::new() });
            async { serving.await.map(|events| events.body) }
        };
        Self::written(StatusCode::OK, "text/event-stream", write).with_header("Cache-Control", "no-cache")
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn no_value_ends_its_line() {
        let event = Event::new("a\r\nb\rc\n").name("x\ndata: y").id("1\r2").retry(Duration::from_secs(3));
        assert_eq!(event.to_string(), "event: x\nid: 1\nretry: 3000\ndata: a\ndata: b\ndata: c\ndata: \n\n");
        assert_eq!(Event::new("").to_string(), "data: \n\n");
    }
}
