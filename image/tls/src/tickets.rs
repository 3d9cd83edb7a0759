//! Session tickets of a server (RFC 8446, 4.6.1; RFC 5077): a client keeps the session, encrypted for the server alone.
//!
//! So resumption takes no memory of the server, however many clients there are. A key is used for six hours, and accepted
//! for twelve. With it, an attacker can decrypt sessions of TLS 1.2 of that time.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use embassy_time::{Duration, Instant};
use rustls::server::ProducesTickets;
use spin::Mutex;

use crate::provider::TicketCipher;

/// The time after which new tickets have a new key.
const KEY_LIFETIME: Duration = Duration::from_secs(6 * 3600);

/// Returns tickets with keys of their own, for a configuration of rustls that an app makes by itself.
///
/// ```
/// # use switchboard_net_testing as _;
/// assert!(switchboard_tls::session_tickets().enabled());
/// ```
#[must_use]
pub fn session_tickets() -> Arc<dyn ProducesTickets> {
    Arc::new(Tickets::new())
}

/// The keys of tickets.
pub(crate) struct Tickets(Mutex<Keys>);

/// The key of new tickets, and the one before it.
struct Keys {
    current: TicketCipher,
    previous: Option<TicketCipher>,
    since: Instant,
}

impl Tickets {
    /// Makes a first key.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Keys { current: TicketCipher::new(), previous: None, since: Instant::now() }))
    }
}

impl Keys {
    /// Replaces keys that are too old.
    fn rotate(&mut self) {
        let age = Instant::now().saturating_duration_since(self.since);
        if age >= KEY_LIFETIME {
            let last = core::mem::replace(&mut self.current, TicketCipher::new());
            self.previous = (age < KEY_LIFETIME * 2).then_some(last);
            self.since = Instant::now();
        }
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        // Seconds, and far below the type's range.
        u32::try_from(KEY_LIFETIME.as_secs()).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let keys = &mut *self.0.lock();
        keys.rotate();
        keys.current.seal(plain)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let keys = &mut *self.0.lock();
        keys.rotate();
        keys.current.open(ticket).or_else(|| keys.previous.as_ref()?.open(ticket))
    }
}

// Keys are not printed.
impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

#[cfg(test)]
mod tests {
    use switchboard_net_testing as _;

    use super::*;

    fn age(tickets: &Tickets, by: Duration) {
        let keys = &mut *tickets.0.lock();
        keys.since = Instant::from_micros(0);
        // The clock of a test stands still, so the key is made older by a lifetime that has passed.
        for _ in 0..by.as_secs() / KEY_LIFETIME.as_secs() {
            let last = core::mem::replace(&mut keys.current, TicketCipher::new());
            keys.previous = Some(last);
        }
    }

    #[test]
    fn a_ticket_is_read_until_its_key_is_replaced_twice() {
        let tickets = Tickets::new();
        let ticket = tickets.encrypt(b"session").unwrap();
        assert_eq!(tickets.decrypt(&ticket).as_deref(), Some(&b"session"[..]));
        age(&tickets, KEY_LIFETIME);
        assert_eq!(tickets.decrypt(&ticket).as_deref(), Some(&b"session"[..]));
        age(&tickets, KEY_LIFETIME);
        assert_eq!(tickets.decrypt(&ticket), None);
    }

    #[test]
    fn a_ticket_that_was_changed_is_refused() {
        let tickets = Tickets::new();
        let ticket = tickets.encrypt(b"session").unwrap();
        for byte in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[byte] ^= 1;
            assert_eq!(tickets.decrypt(&changed), None);
            assert_eq!(tickets.decrypt(&ticket[..byte]), None);
        }
        assert_ne!(tickets.encrypt(b"session").unwrap(), ticket, "each has a nonce of its own");
    }
}
