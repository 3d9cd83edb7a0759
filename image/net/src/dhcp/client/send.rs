//! The message of each state, and when it is sent again.

use core::net::Ipv4Addr;

use smoltcp::time::{Duration, Instant};

use super::super::message::{MAX_BYTES, Request, RequestType};
use super::{Client, State};

/// The first wait for an answer, which doubles up to the last (RFC 2131, 4.1), each within a second more or less.
const FIRST_WAIT: Duration = Duration::from_secs(4);
const LAST_WAIT: Duration = Duration::from_secs(64);
/// The shortest time between requests to renew a lease (RFC 2131, 4.4.5); less for leases that are short themselves.
const RENEWAL_WAIT: Duration = Duration::from_secs(60);
const MIN_RENEWAL_WAIT: Duration = Duration::from_millis(500);
/// The wait after an address conflict (RFC 2131, 3.1, 5).
const CONFLICT_WAIT: Duration = Duration::from_secs(10);

/// A message to servers.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    buffer: [u8; MAX_BYTES],
    length: usize,
}

impl Datagram {
    /// Returns the payload of the datagram.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

impl Client {
    /// Makes the message of the present state, and sets when it is repeated.
    pub(super) fn send(&mut self, now: Instant) -> Option<Datagram> {
        const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
        const ALL: Ipv4Addr = Ipv4Addr::BROADCAST;
        let own = self.lease.as_ref().map(|lease| (lease.address, lease.server));
        self.sent_at = now;
        let request = self.request(RequestType::Request, now);
        let datagram = match (&self.state, own) {
            (State::Declining { address, server }, _) => {
                let decline = Request { request_type: RequestType::Decline, ..request };
                datagram(&Request { requested: Some(*address), server: Some(*server), ..decline }, ANY, ALL)
            }
            (State::Selecting, _) => {
                let requested = own.map(|(address, _)| address);
                datagram(&Request { request_type: RequestType::Discover, requested, ..request }, ANY, ALL)
            }
            (State::Requesting { address, server }, _) => {
                datagram(&Request { requested: Some(*address), server: Some(*server), ..request }, ANY, ALL)
            }
            (State::Rebooting, Some((address, _))) => {
                datagram(&Request { requested: Some(address), ..request }, ANY, ALL)
            }
            (State::Renewing, Some((address, server))) => {
                datagram(&Request { own: address, ..request }, address, server)
            }
            (State::Rebinding, Some((address, _))) => datagram(&Request { own: address, ..request }, address, ALL),
            (State::Releasing, Some((address, server))) => {
                let release = Request { request_type: RequestType::Release, ..request };
                datagram(&Request { own: address, server: Some(server), ..release }, address, server)
            }
            _ => return None,
        };
        if self.state == State::Releasing {
            self.enter(State::Stopped, None, now);
            return Some(datagram);
        }
        if matches!(self.state, State::Declining { .. }) {
            self.enter(State::Init, Some(now + CONFLICT_WAIT), now);
            return Some(datagram);
        }
        self.next_at = Some(now + self.wait(now));
        self.attempts += 1;
        Some(datagram)
    }

    /// Returns how long to wait for an answer to the message that is sent now.
    fn wait(&mut self, now: Instant) -> Duration {
        let times = self.lease.as_ref().map(|lease| lease.times);
        let until = match self.state {
            State::Renewing => times.and_then(|times| times.rebinding),
            State::Rebinding => times.and_then(|times| times.end),
            _ => {
                let wait = (FIRST_WAIT * (1 << self.attempts.min(6))).min(LAST_WAIT);
                let jitter = Duration::from_millis(self.random.below(2001).into());
                return wait + jitter - Duration::from_secs(1);
            }
        };
        // Half of what remains, but at least a minute; an eighth of a lease of minutes.
        let remaining = until.filter(|until| *until > now).map_or(Duration::ZERO, |until| until - now);
        let end = times.and_then(|times| times.end).filter(|end| *end > now).map_or(Duration::ZERO, |end| end - now);
        (remaining / 2).max(RENEWAL_WAIT.min(end / 4)).max(MIN_RENEWAL_WAIT).min(remaining.max(MIN_RENEWAL_WAIT))
    }

    fn request(&self, request_type: RequestType, now: Instant) -> Request<'_> {
        let seconds = if self.began_at <= now { (now - self.began_at).secs() } else { 0 };
        Request {
            request_type,
            transaction_id: self.transaction_id,
            seconds: u16::try_from(seconds).unwrap_or(u16::MAX),
            mac: self.mac,
            own: Ipv4Addr::UNSPECIFIED,
            requested: None,
            server: None,
            hostname: self.hostname.as_deref(),
        }
    }
}

fn datagram(request: &Request<'_>, source: Ipv4Addr, destination: Ipv4Addr) -> Datagram {
    let mut buffer = [0; MAX_BYTES];
    let length = request.emit(&mut buffer);
    Datagram { source, destination, buffer, length }
}
