//! One connection: requests come in, responses go out, in order.

use alloc::vec::Vec;

use switchboard_runtime::mark::mark;

use super::deadline::{NEXT, REST, Seconds, WRITE};
use super::head::{self, Fault, Framing, Method};
use super::response::{Response, Status};
use super::{Answer, Counters, Site};
use switchboard_net::Disconnected;
#[cfg(doc)]
use switchboard_net::TcpSocket;

/// The [mark](switchboard_runtime::mark) of an HTTP request that is answered.
pub const HTTP: u16 = 30;
/// Bytes of a head at most.
const LONGEST_HEAD: usize = 4 * 1024;

/// What requests come in by and responses go out by.
pub(super) trait Wire {
    /// As [`TcpSocket::read_with`].
    async fn read_with<R>(&self, read: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected>;
    /// As [`TcpSocket::write_with`].
    async fn write_with<R>(&self, write: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected>;
    /// Lets the connection go on as it is for so long, from now on.
    fn allow(&self, seconds: Seconds);
    /// As [`TcpSocket::abort`].
    fn abort(&self);
}

/// What came of looking at what has arrived.
type Arrived = Result<Option<(Framing, Answer)>, Fault>;

/// Serves requests until the client has enough, or the connection breaks off.
pub(super) async fn serve(wire: &impl Wire, site: &'static dyn Site, counters: &Counters) {
    // Of a head that came in pieces, those that were there before.
    let mut pieces = Vec::new();
    loop {
        let arrived = wire.read_with(|data| arrive(data, &mut pieces, site, counters)).await;
        let (framing, answer) = match arrived {
            Ok(Ok(Some(request))) => request,
            Ok(Ok(None)) => {
                wire.allow(REST);
                continue;
            }
            Ok(Err(fault)) => {
                Counters::add(&counters.malformed);
                // Where the next request would begin is not known.
                let _ = respond(wire, REFUSED, fault.into()).await;
                return;
            }
            // The client has closed. What it has not finished asking is no request.
            Err(Disconnected) if pieces.is_empty() => return,
            Err(Disconnected) => {
                Counters::add(&counters.malformed);
                let fault = Response::text(Status::BadRequest, "The head is cut off\n");
                let _ = respond(wire, REFUSED, fault).await;
                return;
            }
        };
        let response = match answer {
            Answer::Now(response) => response,
            Answer::Later(response) => {
                let response = response.await;
                wire.allow(WRITE);
                response
            }
        };
        let is_sent = respond(wire, framing, response).await.is_ok();
        if !is_sent || !framing.keeps_alive || skip(wire, framing.body).await.is_err() {
            return;
        }
        wire.allow(NEXT);
    }
}

/// How a refusal is framed.
const REFUSED: Framing = Framing { method: Method::Get, head: 0, body: 0, is_old: false, keeps_alive: false };

/// Looks whether a head is complete, and has it answered. Says how many bytes are done with.
fn arrive(data: &[u8], pieces: &mut Vec<u8>, site: &'static dyn Site, counters: &Counters) -> (usize, Arrived) {
    let answer = |request: &head::Request<'_>, framing: Framing| {
        mark::<HTTP>();
        Counters::add(&counters.requests);
        match framing.method {
            Method::Get | Method::Head => site.answer(request),
            Method::Other => {
                let refused = Response::text(Status::MethodNotAllowed, "Only GET and HEAD are served\n");
                Answer::Now(refused.with_header("Allow", "GET, HEAD"))
            }
        }
    };
    let data = &data[..data.len().min(LONGEST_HEAD)];
    if pieces.is_empty() {
        match head::parse(data, answer) {
            Ok(None) if data.len() < LONGEST_HEAD => pieces.extend_from_slice(data),
            Ok(None) => return (data.len(), Err(head::TOO_LARGE)),
            Ok(Some((framing, answer))) => return (framing.head, Ok(Some((framing, answer)))),
            Err(fault) => return (data.len(), Err(fault)),
        }
        return (data.len(), Ok(None));
    }
    let before = pieces.len();
    let taken = data.len().min(LONGEST_HEAD - before);
    pieces.extend_from_slice(&data[..taken]);
    match head::parse(pieces, answer) {
        Ok(None) if pieces.len() < LONGEST_HEAD => (taken, Ok(None)),
        Ok(None) => (taken, Err(head::TOO_LARGE)),
        Ok(Some((framing, answer))) => {
            // Rare, so its memory is not kept.
            *pieces = Vec::new();
            // The pieces before were no whole head, so it ends in this one.
            (framing.head.saturating_sub(before), Ok(Some((framing, answer))))
        }
        Err(fault) => (taken, Err(fault)),
    }
}

/// Sends a response.
async fn respond(wire: &impl Wire, framing: Framing, response: Response) -> Result<(), Disconnected> {
    let is_written = wire.write_with(|room| match response.write(framing, room) {
        Some(length) => (length, true),
        None => (0, false),
    });
    if !is_written.await? {
        write_all(wire, &response.to_bytes(framing)).await?;
    }
    match response.into_stream() {
        Some(mut source) if framing.method != Method::Head => loop {
            let Some(part) = source.next().await else {
                wire.abort();
                return Err(Disconnected);
            };
            if part.is_empty() {
                return Ok(());
            }
            write_all(wire, part).await?;
        },
        _ => Ok(()),
    }
}

async fn write_all(wire: &impl Wire, mut rest: &[u8]) -> Result<(), Disconnected> {
    while !rest.is_empty() {
        wire.allow(WRITE);
        let write = |room: &mut [u8]| {
            let length = rest.len().min(room.len());
            room[..length].copy_from_slice(&rest[..length]);
            (length, length)
        };
        let written = wire.write_with(write).await?;
        rest = &rest[written..];
    }
    Ok(())
}

/// Passes over the body of a request.
async fn skip(wire: &impl Wire, mut rest: u64) -> Result<(), Disconnected> {
    while rest > 0 {
        wire.allow(REST);
        let skip = |data: &mut [u8]| {
            let length = data.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
            (length, length)
        };
        rest -= wire.read_with(skip).await? as u64;
    }
    Ok(())
}
