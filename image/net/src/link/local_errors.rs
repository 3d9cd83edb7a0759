//! Errors about packets that this host could not send, until their sockets are informed.

use alloc::vec::Vec;

use super::icmp::{IcmpError, IcmpErrorKind};

/// Errors that wait; further ones are dropped, as errors of routers may be.
const MAX_ERRORS: usize = 64;

#[derive(Default)]
pub(super) struct LocalErrors(Vec<IcmpError>);

impl LocalErrors {
    /// Adds an error about a packet.
    pub(super) fn report(&mut self, packet: &[u8], kind: IcmpErrorKind) {
        if self.0.len() < MAX_ERRORS && self.0.try_reserve(1).is_ok() {
            self.0.extend(IcmpError::local(packet, kind));
        }
    }

    /// Returns whether there is none.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes an error.
    #[inline]
    pub(super) fn take(&mut self) -> Option<IcmpError> {
        self.0.pop()
    }
}
