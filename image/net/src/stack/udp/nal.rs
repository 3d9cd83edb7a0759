//! UDP by the traits of `embedded-nal-async`, for clients of the ecosystem.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use embassy_futures::select::{Either, select};
use embedded_io_async::ErrorKind;
use embedded_nal_async::{ConnectedUdp, UdpStack, UnconnectedUdp};

use super::{SendError, UdpSocket};
use crate::link::icmp::IcmpErrorKind;
use crate::stack::handle::Stack;
use crate::stack::socket_error::SocketError;

/// The datagrams that a socket buffers in each direction, and their bytes.
const DATAGRAMS: usize = 8;
const BYTES: usize = 16 * 1024;

/// The error of a UDP socket by the traits of `embedded-nal-async`.
///
/// ```
/// use embedded_nal_async::{ConnectedUdp, UdpStack};
/// use switchboard_net::UdpError;
/// use switchboard_net_testing::TestNetwork;
///
/// let mut network = TestNetwork::new();
/// let stack = network.stack().clone();
/// let error = network.wait(async move {
///     let (_local, mut socket) = UdpStack::connect(&stack, "10.0.0.2:9".parse().unwrap()).await?;
///     socket.send(b"anybody?").await?;
///     socket.receive_into(&mut [0; 100]).await
/// });
/// assert_eq!(error, Err(UdpError::Refused), "the peer has no socket on the port, and reports so");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UdpError {
    /// The peer reports that it has no service on the port.
    #[error("the peer refused a datagram")]
    Refused,
    /// A router or the peer reports that a datagram could not be delivered.
    #[error("the peer cannot be reached")]
    Unreachable,
    /// The local address is none of this host's.
    #[error("the local address is not of this host")]
    NotLocal,
    /// A datagram could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The socket could not be created.
    #[error(transparent)]
    Socket(#[from] SocketError),
}

impl embedded_io_async::Error for UdpError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused => ErrorKind::ConnectionRefused,
            Self::Unreachable | Self::NotLocal | Self::Send(SendError::InvalidAddress) => ErrorKind::AddrNotAvailable,
            Self::Send(SendError::TooLong) | Self::Socket(SocketError::InvalidPort | SocketError::NotMulticast) => {
                ErrorKind::InvalidInput
            }
            Self::Socket(SocketError::PortInUse) => ErrorKind::AddrInUse,
            Self::Send(SendError::NoRoom)
            | Self::Socket(SocketError::TooManySockets | SocketError::TooManyGroups | SocketError::NoMemory) => {
                ErrorKind::OutOfMemory
            }
        }
    }
}

/// A UDP socket with one peer: [`ConnectedUdp`] of `embedded-nal-async`.
///
/// It receives from this peer alone. Errors that are reported about its datagrams are those of receiving.
#[derive(Debug)]
pub struct ConnectedUdpSocket {
    socket: UdpSocket,
    remote: SocketAddr,
}

/// A UDP socket without a certain peer: [`UnconnectedUdp`] of `embedded-nal-async`.
///
/// It receives what is sent to its port at any address of the interface. The local address of a received datagram is the one that
/// answers have.
#[derive(Debug)]
pub struct UnconnectedUdpSocket {
    socket: UdpSocket,
    stack: Stack,
}

fn bind(stack: &Stack, port: u16) -> Result<UdpSocket, SocketError> {
    match port {
        0 => UdpSocket::bind_any(stack, DATAGRAMS, BYTES),
        port => UdpSocket::bind(stack, port, DATAGRAMS, BYTES),
    }
}

/// Returns an unspecified address of the same kind.
fn unspecified(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

impl Stack {
    /// Returns whether an address is unspecified or one of this host's.
    fn may_bind(&self, address: IpAddr) -> bool {
        address.is_unspecified() || self.state().config().addresses.iter().any(|own| own.address == address)
    }

    /// Returns the first address of the same kind, one beyond the link if there is one.
    fn own_address(&self, kind: IpAddr) -> IpAddr {
        let config = self.state().config();
        let of_kind = || config.addresses.iter().filter(|own| own.address.is_ipv4() == kind.is_ipv4());
        let found = of_kind().find(|own| !own.is_link_local()).or_else(|| of_kind().next());
        found.map_or_else(|| unspecified(kind), |own| own.address)
    }
}

/// ```
/// use embedded_nal_async::{ConnectedUdp, UdpStack};
/// use switchboard_net_testing::TestNetwork;
///
/// let mut network = TestNetwork::new();
/// network.serve_datagrams(69, |datagram| vec![datagram.to_ascii_uppercase()]);
/// let stack = network.stack().clone();
/// let answer = network.wait(async move {
///     let (local, mut socket) = UdpStack::connect(&stack, "10.0.0.2:69".parse().unwrap()).await?;
///     assert_eq!(local.ip().to_string(), "10.0.0.1");
///     socket.send(b"abc").await?;
///     let mut buffer = [0; 2];
///     let length = socket.receive_into(&mut buffer).await?;
///     Ok::<_, switchboard_net::UdpError>((length, buffer))
/// });
/// assert_eq!(answer, Ok((3, *b"AB")), "what does not fit is dropped, and counted");
/// ```
impl UdpStack for Stack {
    type Error = UdpError;
    type Connected = ConnectedUdpSocket;
    type UniquelyBound = UnconnectedUdpSocket;
    type MultiplyBound = UnconnectedUdpSocket;

    async fn connect_from(
        &self,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Result<(SocketAddr, ConnectedUdpSocket), UdpError> {
        let source = self.source_for(remote.ip()).ok_or(UdpError::Unreachable)?;
        if !local.ip().is_unspecified() && local.ip() != source {
            return Err(UdpError::NotLocal);
        }
        let socket = bind(self, local.port())?;
        Ok(((source, socket.local_port()).into(), ConnectedUdpSocket { socket, remote }))
    }

    async fn bind_single(&self, local: SocketAddr) -> Result<(SocketAddr, UnconnectedUdpSocket), UdpError> {
        let socket = self.bind_multiple(local).await?;
        let address = if local.ip().is_unspecified() { self.own_address(local.ip()) } else { local.ip() };
        Ok(((address, socket.socket.local_port()).into(), socket))
    }

    async fn bind_multiple(&self, local: SocketAddr) -> Result<UnconnectedUdpSocket, UdpError> {
        if !self.may_bind(local.ip()) {
            return Err(UdpError::NotLocal);
        }
        Ok(UnconnectedUdpSocket { socket: bind(self, local.port())?, stack: self.clone() })
    }
}

impl ConnectedUdp for ConnectedUdpSocket {
    type Error = UdpError;

    async fn send(&mut self, data: &[u8]) -> Result<(), UdpError> {
        Ok(self.socket.send(data, self.remote).await?)
    }

    async fn receive_into(&mut self, buffer: &mut [u8]) -> Result<usize, UdpError> {
        loop {
            match select(self.socket.receive_part(buffer), self.socket.error()).await {
                Either::First((length, from)) if from == self.remote => return Ok(length),
                Either::First(_) => {}
                // Of this peer alone; a datagram that was too long ends nothing.
                Either::Second(error) if error.remote != self.remote => {}
                Either::Second(error) => match error.kind {
                    IcmpErrorKind::TooBig { .. } => {}
                    IcmpErrorKind::PortUnreachable => return Err(UdpError::Refused),
                    _ => return Err(UdpError::Unreachable),
                },
            }
        }
    }
}

impl UnconnectedUdp for UnconnectedUdpSocket {
    type Error = UdpError;

    async fn send(&mut self, local: SocketAddr, remote: SocketAddr, data: &[u8]) -> Result<(), UdpError> {
        if !self.stack.may_bind(local.ip()) {
            return Err(UdpError::NotLocal);
        }
        Ok(self.socket.send(data, remote).await?)
    }

    async fn receive_into(&mut self, buffer: &mut [u8]) -> Result<(usize, SocketAddr, SocketAddr), UdpError> {
        let (length, from) = self.socket.receive_part(buffer).await;
        let local = self.stack.source_for(from.ip()).unwrap_or_else(|| unspecified(from.ip()));
        Ok((length, (local, self.socket.local_port()).into(), from))
    }
}
