//! One connection: reads requests and writes their responses, in order.

use alloc::vec::Vec;

use switchboard_runtime::mark::mark;

use switchboard_net::Disconnected;

use crate::counters::HttpCounters;
use crate::head::{self, Framing, Method, RequestError};
use crate::response::Response;
use crate::site::{Answer, Site};
use crate::status_code::StatusCode;
use crate::transport::{KEEP_ALIVE_TIMEOUT, READ_TIMEOUT, Transport, WRITE_TIMEOUT};

/// The [mark](switchboard_runtime::mark) of an HTTP request that is answered.
pub const HTTP: u16 = 30;
/// The maximum length of a head.
const MAX_HEAD_BYTES: usize = 4 * 1024;

/// The result of parsing received data: a request with its answer, or `None` while its head is incomplete.
type Parsed = Result<Option<(Framing, Answer)>, RequestError>;

/// Serves requests until the client closes its side, or the connection is reset.
pub(super) async fn serve(transport: &impl Transport, site: &'static dyn Site, counters: &HttpCounters) {
    // The pieces of a head that is incomplete.
    let mut pieces = Vec::new();
    loop {
        let parsed = transport.read_with(|data| parse(data, &mut pieces, site, counters)).await;
        let (framing, answer) = match parsed {
            Ok(Ok(Some(request))) => request,
            Ok(Ok(None)) => {
                transport.set_timeout(READ_TIMEOUT);
                continue;
            }
            Ok(Err(error)) => {
                counters.count_malformed();
                // It is unknown where the next request begins.
                let _ = respond(transport, REFUSED, error.into()).await;
                return;
            }
            // The client has closed its side between two requests, or within one.
            Err(Disconnected) if pieces.is_empty() => return,
            Err(Disconnected) => {
                counters.count_malformed();
                let response = Response::text(StatusCode::BadRequest, "The head is cut off\n");
                let _ = respond(transport, REFUSED, response).await;
                return;
            }
        };
        let response = match answer {
            Answer::Now(response) => response,
            Answer::Later(response) => {
                let response = response.await;
                transport.set_timeout(WRITE_TIMEOUT);
                response
            }
        };
        let is_sent = respond(transport, framing, response).await.is_ok();
        if !is_sent || !framing.keeps_alive || skip(transport, framing.body_bytes).await.is_err() {
            return;
        }
        transport.set_timeout(KEEP_ALIVE_TIMEOUT);
    }
}

/// The framing for the response to a refused request.
const REFUSED: Framing =
    Framing { method: Method::Get, head_bytes: 0, body_bytes: 0, is_http_1_0: false, keeps_alive: false };

/// Parses received data, and has a complete head answered. Returns how many bytes were consumed, and the result.
fn parse(data: &[u8], pieces: &mut Vec<u8>, site: &'static dyn Site, counters: &HttpCounters) -> (usize, Parsed) {
    let answer = |request: &head::Request<'_>, framing: Framing| {
        mark::<HTTP>();
        counters.count_request();
        match framing.method {
            Method::Get | Method::Head => site.answer(request),
            Method::Other => {
                let refused = Response::text(StatusCode::MethodNotAllowed, "Only GET and HEAD are served\n");
                Answer::Now(refused.with_header("Allow", "GET, HEAD"))
            }
        }
    };
    let data = &data[..data.len().min(MAX_HEAD_BYTES)];
    if pieces.is_empty() {
        match head::parse(data, answer) {
            Ok(None) if data.len() < MAX_HEAD_BYTES => pieces.extend_from_slice(data),
            Ok(None) => return (data.len(), Err(head::TOO_LARGE)),
            Ok(Some((framing, answer))) => return (framing.head_bytes, Ok(Some((framing, answer)))),
            Err(error) => return (data.len(), Err(error)),
        }
        return (data.len(), Ok(None));
    }
    let before = pieces.len();
    let taken = data.len().min(MAX_HEAD_BYTES - before);
    pieces.extend_from_slice(&data[..taken]);
    match head::parse(pieces, answer) {
        Ok(None) if pieces.len() < MAX_HEAD_BYTES => (taken, Ok(None)),
        Ok(None) => (taken, Err(head::TOO_LARGE)),
        Ok(Some((framing, answer))) => {
            // Heads in pieces are rare, so the memory is freed.
            *pieces = Vec::new();
            // The earlier pieces were not a complete head, so it ends in this one.
            (framing.head_bytes.saturating_sub(before), Ok(Some((framing, answer))))
        }
        Err(error) => (taken, Err(error)),
    }
}

/// Sends a response.
async fn respond(transport: &impl Transport, framing: Framing, response: Response) -> Result<(), Disconnected> {
    let is_written = transport.write_with(|room| match response.write(framing, room) {
        Some(length) => (length, true),
        None => (0, false),
    });
    if !is_written.await? {
        write_all(transport, &response.to_bytes(framing)).await?;
    }
    match response.into_stream() {
        Some(mut source) if framing.method != Method::Head => loop {
            let Some(part) = source.next().await else {
                transport.abort();
                return Err(Disconnected);
            };
            if part.is_empty() {
                return Ok(());
            }
            write_all(transport, part).await?;
        },
        _ => Ok(()),
    }
}

async fn write_all(transport: &impl Transport, mut rest: &[u8]) -> Result<(), Disconnected> {
    while !rest.is_empty() {
        transport.set_timeout(WRITE_TIMEOUT);
        let write = |room: &mut [u8]| {
            let length = rest.len().min(room.len());
            room[..length].copy_from_slice(&rest[..length]);
            (length, length)
        };
        let written = transport.write_with(write).await?;
        rest = &rest[written..];
    }
    Ok(())
}

/// Skips the body of a request.
async fn skip(transport: &impl Transport, mut rest: u64) -> Result<(), Disconnected> {
    while rest > 0 {
        transport.set_timeout(READ_TIMEOUT);
        let skip = |data: &mut [u8]| {
            let length = data.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
            (length, length)
        };
        rest -= transport.read_with(skip).await? as u64;
    }
    Ok(())
}
