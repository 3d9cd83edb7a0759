//! What stands for the responder without the feature `mdns`: it has no name, and is silent.

use alloc::string::String;
use core::net::SocketAddr;

use smoltcp::time::Instant;

use super::Destination;
use crate::config::InterfaceConfig;

/// A message, of which there are none.
#[derive(Debug, Clone)]
pub(crate) struct Datagram {
    pub(crate) destination: Destination,
}

impl Datagram {
    pub(crate) const fn payload(&self) -> &[u8] {
        &[]
    }
}

/// A responder without a name.
#[derive(Debug)]
pub(crate) struct Responder;

#[expect(clippy::unused_self, reason = "as the responder of the feature has them")]
impl Responder {
    pub(crate) const fn new(_seed: u64) -> Self {
        Self
    }

    pub(crate) const fn set_config(&self, _config: &InterfaceConfig, _now: Instant) {}

    pub(crate) const fn set_has_http(&self, _has_http: bool, _now: Instant) {}

    pub(crate) const fn withdraw(&self) {}

    pub(crate) const fn link_changed(&self, _is_up: bool, _now: Instant) {}

    pub(crate) const fn receive(&self, _payload: &[u8], _from: SocketAddr, _now: Instant) {}

    pub(crate) const fn established_name(&self) -> Option<String> {
        None
    }

    pub(crate) const fn deadline(&self) -> Option<Instant> {
        None
    }

    pub(crate) const fn poll(&self, _now: Instant) -> Option<Datagram> {
        None
    }
}
