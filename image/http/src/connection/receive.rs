//! The receiving of heads, whole or in pieces.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::OnceCell;

use switchboard_runtime::mark::mark;
use switchboard_runtime::memory_budget::{self, Reservation};

use super::HTTP;
use super::exchange::Exchange;
use super::state::Connection;
use super::transport::Transport;
use crate::body::{BodyShared, RequestBody};
use crate::counters::HttpCounters;
use crate::request::{
    self, Framing, MAX_HEAD_BYTES, Method, Methods, OpenBody, Request, RequestError, RequestParts, may_end,
};
use crate::response::{Response, StatusCode};
use crate::site::{Answer, Site};

/// What was made of received data.
pub(super) enum Received {
    /// A request was answered, and is in the slot.
    Request,
    /// The head is incomplete.
    Incomplete,
    Refused(RequestError),
}

/// Parses received data, and has a complete head answered. Returns how many bytes were consumed, and the result. The answer
/// is put into a slot, since moving it costs more than parsing a header.
#[inline]
pub(super) fn receive<T: Transport + 'static>(
    data: &[u8],
    pieces: &mut Pieces,
    connection: &Rc<Connection<T>>,
    site: &'static dyn Site,
    counters: &HttpCounters,
    slot: &mut Option<Exchange>,
) -> (usize, Received) {
    // The buffer may be larger.
    let data = &data[..data.len().min(MAX_HEAD_BYTES)];
    if pieces.bytes.is_empty() {
        let parsed = request::parse(data, |parts, framing| {
            counters.count_request();
            answer(parts, framing, connection, site, slot);
        });
        return match parsed {
            Ok(Some(head_bytes)) => (head_bytes, Received::Request),
            Ok(None) => keep(data, pieces),
            Err(error) => (data.len(), Received::Refused(error)),
        };
    }
    receive_piece(data, pieces, connection, site, counters, slot)
}

/// The pieces of an incomplete head.
#[derive(Default)]
pub(super) struct Pieces {
    bytes: Vec<u8>,
    /// Counts them, since the client can take its time.
    reservation: Option<Reservation>,
}

impl Pieces {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds a piece; returns `None` without memory for it.
    fn add(&mut self, piece: &[u8]) -> Option<()> {
        if self.bytes.capacity() - self.bytes.len() < piece.len() {
            let capacity = (self.bytes.capacity() * 2).max(self.bytes.len() + piece.len());
            match &mut self.reservation {
                Some(reservation) => reservation.resize(capacity).ok()?,
                None => self.reservation = Some(memory_budget::reserve(capacity).ok()?),
            }
            self.bytes.try_reserve_exact(capacity - self.bytes.len()).ok()?;
        }
        self.bytes.extend_from_slice(piece);
        Some(())
    }
}

/// Keeps a piece of an incomplete head.
#[cold]
fn keep(data: &[u8], pieces: &mut Pieces) -> (usize, Received) {
    let taken = data.len().min(MAX_HEAD_BYTES - pieces.bytes.len());
    if pieces.add(&data[..taken]).is_none() {
        return (taken, Received::Refused(RequestError::NO_MEMORY));
    }
    let is_full = pieces.bytes.len() >= MAX_HEAD_BYTES;
    (taken, if is_full { Received::Refused(RequestError::TOO_LARGE) } else { Received::Incomplete })
}

/// As [`receive`], for a head whose earlier pieces are kept.
#[cold]
fn receive_piece<T: Transport + 'static>(
    data: &[u8],
    pieces: &mut Pieces,
    connection: &Rc<Connection<T>>,
    site: &'static dyn Site,
    counters: &HttpCounters,
    slot: &mut Option<Exchange>,
) -> (usize, Received) {
    let before = pieces.bytes.len();
    let (taken, kept) = keep(data, pieces);
    // Parsed again only where it may be complete: a head in many small pieces would cost the square of its length.
    if !may_end(&pieces.bytes, before) {
        let is_long = matches!(kept, Received::Refused(_)) || pieces.bytes.len() / 1024 != before / 1024;
        if is_long && let Err(error) = request::parse(&pieces.bytes, |_, _| ()) {
            return (taken, Received::Refused(error));
        }
        return (taken, kept);
    }
    let parsed = request::parse(&pieces.bytes, |parts, framing| {
        counters.count_request();
        answer(parts, framing, connection, site, slot);
    });
    match parsed {
        Ok(Some(head_bytes)) => {
            // Heads in pieces are rare, so the memory is freed.
            *pieces = Pieces::default();
            // The earlier pieces were not a complete head, so it ends in this one.
            (head_bytes.saturating_sub(before), Received::Request)
        }
        Ok(None) => (taken, kept),
        Err(error) => (taken, Received::Refused(error)),
    }
}

/// The connection of a request, whose body can be opened.
struct Opener<'a, T: Transport> {
    connection: &'a Rc<Connection<T>>,
    framing: Framing,
    body: OnceCell<Rc<BodyShared>>,
}

impl<T: Transport + 'static> OpenBody for Opener<'_, T> {
    fn open_body(&self) -> RequestBody {
        if !self.framing.has_body() {
            return RequestBody::empty();
        }
        RequestBody::new(self.body.get_or_init(|| BodyShared::new(self.connection.clone(), self.framing)).clone())
    }
}

/// Has a request answered.
#[inline(always)]
fn answer<T: Transport + 'static>(
    parts: &RequestParts<'_>,
    mut framing: Framing,
    connection: &Rc<Connection<T>>,
    site: &'static dyn Site,
    slot: &mut Option<Exchange>,
) {
    mark::<HTTP>();
    let opener = Opener { connection, framing, body: OnceCell::new() };
    let request = Request::new(parts, framing, &opener);
    let answer = match parts.method {
        Method::Get | Method::Head => site.answer(&request),
        _ => other_method(&request, &mut framing, site),
    };
    *slot = Some(Exchange { framing, answer, body: opener.body.into_inner() });
}

/// Has a request answered whose method is neither GET nor HEAD.
fn other_method(request: &Request<'_>, framing: &mut Framing, site: &'static dyn Site) -> Answer {
    let methods = if request.path == "*" { Methods::ALL } else { site.methods(request.path) };
    let allowed = match request.method {
        // Of proxies. What follows is no request, if the client expected a tunnel.
        Method::Connect => {
            framing.keeps_alive = false;
            false
        }
        Method::Options if request.path == "*" || !site.answers_options() => {
            return Answer::Now(Response::options(methods));
        }
        Method::Other if !methods.contains(Method::Other) => {
            return Answer::Now(Response::text(StatusCode::NOT_IMPLEMENTED, "The method is not implemented\n"));
        }
        method => methods.contains(method),
    };
    if allowed { site.answer(request) } else { Answer::Now(Response::method_not_allowed(methods)) }
}
