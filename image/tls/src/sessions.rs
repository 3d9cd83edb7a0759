//! The sessions that a client can resume.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::fmt;

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use spin::Mutex;

/// The servers that are remembered. The oldest is forgotten for a new one.
const MAX_SERVERS: usize = 16;
/// The tickets of TLS 1.3 that are kept of a server: each is used once.
const MAX_TICKETS: usize = 2;

/// Returns a store of the sessions of the last sixteen servers, for a configuration of rustls that an app makes by itself.
///
/// ```
/// use switchboard_tls::rustls::client::Resumption;
///
/// let resumption = Resumption::store(switchboard_tls::client_sessions());
/// ```
#[must_use]
pub fn client_sessions() -> Arc<dyn ClientSessionStore> {
    Arc::new(Sessions::default())
}

/// The sessions of the last servers.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<VecDeque<Server>>);

/// What is remembered of a server.
struct Server {
    name: ServerName<'static>,
    group: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    tls13: VecDeque<Tls13ClientSessionValue>,
}

impl Sessions {
    fn with<R>(&self, name: &ServerName<'_>, read: impl FnOnce(&mut Server) -> Option<R>) -> Option<R> {
        self.0.lock().iter_mut().find(|server| server.name == *name).and_then(read)
    }

    fn change(&self, name: ServerName<'static>, change: impl FnOnce(&mut Server)) {
        let servers = &mut *self.0.lock();
        if let Some(server) = servers.iter_mut().find(|server| server.name == name) {
            return change(server);
        }
        if servers.len() >= MAX_SERVERS {
            servers.pop_front();
        }
        let mut server = Server { name, group: None, tls12: None, tls13: VecDeque::new() };
        change(&mut server);
        servers.push_back(server);
    }
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.change(name, |server| server.group = Some(group));
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.with(name, |server| server.group)
    }

    fn set_tls12_session(&self, name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.change(name, |server| server.tls12 = Some(value));
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.with(name, |server| server.tls12.clone())
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        self.with(name, |server| server.tls12.take());
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.change(name, |server| {
            if server.tls13.len() >= MAX_TICKETS {
                server.tls13.pop_front();
            }
            server.tls13.push_back(value);
        });
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.with(name, |server| server.tls13.pop_back())
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sessions of {} servers", self.0.lock().len())
    }
}
