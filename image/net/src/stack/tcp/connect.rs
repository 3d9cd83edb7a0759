//! Connections that this side opens.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::net::{IpAddr, SocketAddr};
use core::pin::{Pin, pin};
use core::task::Poll;

use embassy_time::{Timer, with_timeout};
use smoltcp::socket::tcp::State;
use smoltcp::time::Instant;
use smoltcp::wire::IpAddress;

use super::adopt::{Template, capture};
use super::config::TcpConfig;
use super::connection::Connection;
use super::error::TcpError;
use super::new_socket::{socket, socket_set};
use super::stream::TcpStream;
use super::wire::{Control, Endpoints, SYN, SynOptions};
use crate::stack::engine::{Engine, now};
use crate::stack::handle::Stack;
use crate::stack::socket_table::SocketId;

/// The ephemeral ports (RFC 6335, 6).
const FIRST_PORT: u16 = 49152;
const PORTS: u32 = 1 << 14;
/// The time between attempts to connect to several addresses (RFC 8305, 5).
const ATTEMPT_DELAY: embassy_time::Duration = embassy_time::Duration::from_millis(250);

impl TcpStream {
    /// Opens a connection to `remote`.
    ///
    /// The local port depends on a secret and the destination (RFC 6056, 3.3.3), and the initial sequence number as well
    /// (RFC 6528).
    ///
    /// ```
    /// use switchboard_net::{TcpConfig, TcpError, TcpStream};
    /// use switchboard_net_testing::TestNetwork;
    ///
    /// let mut network = TestNetwork::new();
    /// let stack = network.stack().clone();
    /// let (sender, result) = (std::rc::Rc::new(std::cell::Cell::new(None)), ());
    /// let found = sender.clone();
    /// network.group().add(async move {
    ///     let remote = "10.0.0.2:9".parse().expect("an address");
    ///     let stream = TcpStream::connect(&stack, remote, TcpConfig::default()).await;
    ///     found.set(stream.err());
    /// });
    /// (0..100).for_each(|_| network.step());
    /// assert_eq!(sender.get(), Some(TcpError::Refused), "nothing listens there");
    /// ```
    ///
    /// # Errors
    /// [`TcpError::Refused`], [`TcpError::Unreachable`], [`TcpError::TimedOut`] after
    /// [`connect_timeout`](TcpConfig::connect_timeout), or [`TcpError::Exhausted`].
    pub async fn connect(stack: &Stack, remote: SocketAddr, config: TcpConfig) -> Result<Self, TcpError> {
        let id = stack.borrow_mut().open(remote, config, now())?;
        let stream = Self::new(stack, id);
        let micros = u64::try_from(config.connect_timeout.as_micros()).unwrap_or(u64::MAX);
        let opened = poll_fn(|context| {
            let engine = &mut *stack.borrow_mut();
            let Some((connection, socket)) = engine.sockets.connection(id) else {
                return Poll::Ready(Err(TcpError::Closed));
            };
            match socket {
                Some(socket) if matches!(socket.state(), State::SynSent | State::SynReceived) => {
                    socket.register_send_waker(context.waker());
                    Poll::Pending
                }
                _ => Poll::Ready(connection.error.map_or(Ok(()), Err)),
            }
        });
        match with_timeout(embassy_time::Duration::from_micros(micros), opened).await {
            Ok(result) => result.map(|()| stream),
            Err(_) => Err(TcpError::TimedOut),
        }
    }

    /// Opens a connection to the first of several addresses that answers: each attempt begins 250 ms after the one before,
    /// or when that has failed (RFC 8305, "happy eyeballs").
    ///
    /// # Errors
    /// The error of the last attempt that has failed by another one than [`TcpError::Unreachable`]: a host without IPv6
    /// cannot reach the IPv6 address of a peer that refuses the connection. Without such an attempt, or without an
    /// address, [`TcpError::Unreachable`].
    pub async fn connect_any(stack: &Stack, remotes: &[SocketAddr], config: TcpConfig) -> Result<Self, TcpError> {
        let remotes: Vec<_> = remotes.iter().map(|remote| (stack.clone(), *remote)).collect();
        Self::connect_first(&remotes, config).await
    }

    /// As [`connect_any`](Self::connect_any), each on its stack.
    pub(crate) async fn connect_first(remotes: &[(Stack, SocketAddr)], config: TcpConfig) -> Result<Self, TcpError> {
        type Attempt<'a> = Pin<Box<dyn Future<Output = Result<TcpStream, TcpError>> + 'a>>;
        let mut attempts: Vec<Attempt<'_>> = Vec::new();
        let mut rest = remotes.iter();
        let mut error = TcpError::Unreachable;
        loop {
            match rest.next() {
                Some((stack, remote)) => attempts.push(Box::pin(Self::connect(stack, *remote, config))),
                None if attempts.is_empty() => return Err(error),
                None => {}
            }
            let has_more = !rest.as_slice().is_empty();
            let mut delay = pin!(Timer::after(ATTEMPT_DELAY));
            // `None` when the next attempt has to begin.
            let result = poll_fn(|context| {
                for place in 0..attempts.len() {
                    if let Poll::Ready(result) = attempts[place].as_mut().poll(context) {
                        drop(attempts.swap_remove(place));
                        return Poll::Ready(Some(result));
                    }
                }
                let is_over = has_more && delay.as_mut().poll(context).is_ready();
                if is_over { Poll::Ready(None) } else { Poll::Pending }
            });
            match result.await {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(TcpError::Unreachable)) | None => {}
                Some(Err(found)) => error = found,
            }
        }
    }
}

/// Returns an address as smoltcp has it; `None` for one of IPv6 where that is not built in.
fn wire_address(address: IpAddr) -> Option<IpAddress> {
    match address {
        IpAddr::V4(address) => Some(IpAddress::Ipv4(address)),
        #[cfg(feature = "ipv6")]
        IpAddr::V6(address) => Some(IpAddress::Ipv6(address)),
        #[cfg(not(feature = "ipv6"))]
        IpAddr::V6(_) => None,
    }
}

impl Engine {
    /// Begins to open a connection.
    fn open(&mut self, remote: SocketAddr, config: TcpConfig, now: Instant) -> Result<SocketId, TcpError> {
        if remote.port() == 0 || remote.ip().is_unspecified() {
            return Err(TcpError::Unreachable);
        }
        let local = self.source_for(remote.ip()).ok_or(TcpError::Unreachable)?;
        let endpoints = self.free_endpoints(local, remote).ok_or(TcpError::Exhausted)?;
        let bytes = Connection::live_bytes(config.receive_bytes, config.transmit_bytes);
        let reservation = self.tcp.budget.reserve(bytes).map_err(|_| TcpError::Exhausted)?;
        let initial = self.tcp.secret.initial_sequence(&endpoints, now);
        let options = SynOptions::default();
        let send_next = initial.wrapping_add(1);
        let template = Template { endpoints, send_next, receive_next: 0, window: 0, options };
        let (window, window_scale) = (config.syn_window(), config.window_scale());
        let mut connection = Connection::new(&template, Rc::new(config), reservation, now);
        let buffers = socket(&connection, config.receive_bytes, config.transmit_bytes);
        let (mut socket, mut set) = buffers.zip(socket_set()).ok_or(TcpError::Exhausted)?;
        let (there, here) = wire_address(remote.ip()).zip(wire_address(local)).ok_or(TcpError::Unreachable)?;
        let (there, here) = ((there, remote.port()), (here, endpoints.local_port));
        socket.connect(self.interface.context(), there, here).map_err(|_| TcpError::Unreachable)?;
        let handle = set.add(socket);
        // The first SYN brings the socket's sequence number; it is sent with this side's own.
        let sent = capture(&mut self.interface, &mut set, now).ok_or(TcpError::Unreachable)?;
        let header = sent.tcp_header().and_then(|header| header.first_chunk::<20>()).ok_or(TcpError::Unreachable)?;
        let sequence = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        connection.delta = initial.wrapping_sub(sequence);
        connection.is_accepted = true;
        let id = self.sockets.add_connection(connection).ok_or(TcpError::Exhausted)?;
        self.sockets.set_live(id, set, handle);
        let max_segment_bytes = Some(self.tcp.max_segment_bytes(remote.ip(), now));
        let options = SynOptions { max_segment_bytes, window_scale: Some(window_scale), permits_sack: true };
        self.tcp.send(Control { endpoints, sequence: initial, acknowledgement: 0, flags: SYN, window, options });
        self.tcp.schedule_tick(now);
        self.queue_and_wake(id);
        Ok(id)
    }

    /// Returns the local address of packets to a host.
    fn source_for(&mut self, remote: IpAddr) -> Option<IpAddr> {
        match remote {
            IpAddr::V4(address) => self.interface.get_source_address_ipv4(&address).map(IpAddr::V4),
            IpAddr::V6(address) => self.ipv6_source_for(&address).map(IpAddr::V6),
        }
    }

    /// Returns endpoints whose local port is free for this destination.
    fn free_endpoints(&mut self, local: IpAddr, remote: SocketAddr) -> Option<Endpoints> {
        let offset = self.tcp.secret.port_offset(remote);
        for _ in 0..PORTS {
            self.tcp.opened = self.tcp.opened.wrapping_add(1);
            let port = FIRST_PORT + (offset.wrapping_add(self.tcp.opened) % PORTS) as u16;
            let endpoints = Endpoints { local, remote: remote.ip(), local_port: port, remote_port: remote.port() };
            let is_used =
                self.tcp.listeners.with_port(port).is_some() || self.sockets.find_connection(&endpoints).is_some();
            if !is_used && !self.tcp.time_wait.contains(&endpoints) {
                return Some(endpoints);
            }
        }
        None
    }
}

impl Stack {
    /// Returns the local address of packets to a host.
    pub(in crate::stack) fn source_for(&self, remote: IpAddr) -> Option<IpAddr> {
        self.borrow_mut().source_for(remote)
    }
}

/// ```
/// use embedded_io_async::{Read, Write};
/// use embedded_nal_async::TcpConnect;
/// use switchboard_net_testing::TestNetwork;
///
/// let mut network = TestNetwork::new();
/// network.serve_streams(4000, |request| request.to_ascii_uppercase());
/// let stack = network.stack().clone();
/// let answer = network.wait(async move {
///     let mut connection = TcpConnect::connect(&stack, "10.0.0.2:4000".parse().unwrap()).await?;
///     connection.write_all(b"hello").await?;
///     let mut answer = [0; 5];
///     connection.read_exact(&mut answer).await.expect("five bytes");
///     Ok::<_, switchboard_net::TcpError>(answer)
/// });
/// assert_eq!(answer, Ok(*b"HELLO"));
/// ```
impl embedded_nal_async::TcpConnect for Stack {
    type Error = TcpError;
    type Connection<'a> = TcpStream;

    async fn connect(&self, remote: SocketAddr) -> Result<TcpStream, TcpError> {
        TcpStream::connect(self, remote, TcpConfig::default()).await
    }
}
