//! Why packets are dropped, and how often.

use core::cell::Cell;
use core::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $label:literal,)*) => {
        /// Why an interface has dropped a packet. Displays as the label of its counter.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum DropReason {
            $($(#[$doc])* $name,)*
        }

        impl DropReason {
            /// All reasons.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }
        }
    };
}

reasons! {
    /// A header that is too short, inconsistent, or of another version, or has a wrong checksum.
    Malformed = "malformed",
    /// An Ethernet type that this stack does not support.
    UnknownEthertype = "unknown_ethertype",
    /// A frame for another station, or a packet for another host.
    NotForUs = "not_for_us",
    /// A source address that no host may send from: a group's, the loopback network's, or this host's own.
    InvalidSource = "invalid_source",
    /// A TCP or UDP checksum that is wrong.
    BadChecksum = "bad_checksum",
    /// A fragment that cannot be used.
    Fragment = "fragment",
    /// No route to the destination, or no address to send from.
    NoRoute = "no_route",
    /// The neighbour did not answer ARP requests.
    NeighbourUnreachable = "neighbour_unreachable",
    /// Too many packets wait for neighbours.
    NeighbourQueueFull = "neighbour_queue_full",
    /// Too many neighbours at a time.
    NeighbourTableFull = "neighbour_table_full",
    /// Too many packets wait to be sent.
    SendQueueFull = "send_queue_full",
    /// A packet that is longer than a frame and may not be fragmented.
    TooLong = "too_long",
    /// A datagram to a port, or a packet of a protocol, that has no socket.
    NoSocket = "no_socket",
    /// The receive buffer of the socket is full.
    ReceiveBufferFull = "receive_buffer_full",
    /// An answer that would exceed the limit of its kind a second.
    RateLimited = "rate_limited",
    /// No memory is free.
    NoMemory = "no_memory",
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Counters of the packets that an interface has dropped, by reason.
///
/// ```
/// use switchboard_net::{DropReason, Drops};
///
/// let drops = Drops::default();
/// assert!(DropReason::ALL.iter().all(|reason| drops.of(*reason) == 0));
/// assert_eq!(DropReason::NoRoute.to_string(), "no_route");
/// ```
#[derive(Debug, Default)]
pub struct Drops([Cell<u64>; DropReason::ALL.len()]);

impl Drops {
    /// Returns the number of packets that were dropped for this reason.
    #[must_use]
    pub fn of(&self, reason: DropReason) -> u64 {
        self.0[reason as usize].get()
    }

    pub(crate) fn count(&self, reason: DropReason) {
        let counter = &self.0[reason as usize];
        counter.set(counter.get() + 1);
    }
}
