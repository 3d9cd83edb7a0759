//! Sockets of every kind.

pub(crate) mod listening;
pub(crate) mod outgoing;
pub(crate) mod probes;
