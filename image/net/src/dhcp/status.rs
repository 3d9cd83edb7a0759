//! What an operator may want to see of the DHCP client.

use core::fmt;
use core::net::Ipv4Addr;
use core::time::Duration;

use smoltcp::time::Instant;

use super::client::{Client, State};

/// A state of a DHCP client (RFC 2131, figure 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DhcpState {
    /// The link is down.
    Stopped,
    /// It is about to look for servers.
    Init,
    /// It looks for servers.
    Selecting,
    /// It has requested an offered address.
    Requesting,
    /// It has requested the address of before.
    Rebooting,
    /// The lease runs.
    Bound,
    /// It asks the server of the lease for more time.
    Renewing,
    /// It asks any server for more time.
    Rebinding,
    /// It is about to give the lease back.
    Releasing,
    /// It has refused an address that another host has.
    Declining,
}

impl fmt::Display for DhcpState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stopped => "stopped",
            Self::Init => "init",
            Self::Selecting => "selecting",
            Self::Requesting => "requesting",
            Self::Rebooting => "rebooting",
            Self::Bound => "bound",
            Self::Renewing => "renewing",
            Self::Rebinding => "rebinding",
            Self::Releasing => "releasing",
            Self::Declining => "declining",
        })
    }
}

/// A lease of an IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DhcpLease {
    /// The address.
    pub address: Ipv4Addr,
    /// The server that it is from.
    pub server: Ipv4Addr,
    /// The time until it ends; `None` for never.
    pub remaining: Option<Duration>,
}

/// The state of an interface's DHCP client, and its lease.
///
/// ```
/// use switchboard_net::{AddressSource, DhcpState};
/// use switchboard_net_testing::TestLan;
///
/// let mut lan = TestLan::new(AddressSource::Dhcp);
/// lan.pass(100);
/// let status = lan.stack().dhcp_status().expect("a client");
/// assert_eq!((status.state, status.lease), (DhcpState::Selecting, None));
/// assert_eq!(status.state.to_string(), "selecting");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DhcpStatus {
    /// The state.
    pub state: DhcpState,
    /// The lease, which runs in several states.
    pub lease: Option<DhcpLease>,
}

impl Client {
    /// Returns its state and its lease.
    pub(crate) fn status(&self, now: Instant) -> DhcpStatus {
        let state = match self.state {
            State::Stopped => DhcpState::Stopped,
            State::Init => DhcpState::Init,
            State::Selecting => DhcpState::Selecting,
            State::Requesting { .. } => DhcpState::Requesting,
            State::Rebooting => DhcpState::Rebooting,
            State::Bound => DhcpState::Bound,
            State::Renewing => DhcpState::Renewing,
            State::Rebinding => DhcpState::Rebinding,
            State::Releasing => DhcpState::Releasing,
            State::Declining { .. } => DhcpState::Declining,
        };
        let lease = self.lease.as_ref().map(|lease| DhcpLease {
            address: lease.address,
            server: lease.server,
            remaining: lease.times.end.map(|end| if end > now { (end - now).into() } else { Duration::ZERO }),
        });
        DhcpStatus { state, lease }
    }
}
