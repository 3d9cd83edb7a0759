//! The network: a TCP/IP stack on each network card, with sockets and services.
//!
//! A [`Network`] takes over the network cards of a [`System`](switchboard_runtime::system::System), also those that are
//! plugged in later:
//!
//! ```no_run
//! # extern crate alloc;
//! use alloc::rc::Rc;
//! use switchboard_net::Network;
//! use switchboard_runtime::system::{Outcome, System};
//!
//! async fn app(mut system: System) -> Outcome {
//!     Network::new(&system).start(&mut system, Rc::new(|_group, _stack| {})).await;
//!     loop {
//!         system.change().await;
//!     }
//! }
//! ```
//!
//! Each [`Interface`] serves the app's [`Service`]s, and those of echo, discard and chargen that the command line selects
//! (`services=`). A service is a function that is called for each TCP connection. It runs on the host as well, with `switchboard-net-testing`:
//!
//! ```
//! use std::rc::Rc;
//! use switchboard_net::{Service, TcpStream};
//! use switchboard_net_testing::TestNetwork;
//!
//! /// Sends a greeting and closes.
//! async fn greet(socket: &Rc<TcpStream>) {
//!     let _ = socket.write(b"hello\n").await;
//! }
//!
//! let service = Service { port: 4000, receive_bytes: 64, transmit_bytes: 1024, backlog: 2, max_connections: 8 };
//! let mut network = TestNetwork::new();
//! service.start(network.group(), network.stack(), greet);
//! assert_eq!(network.exchange(4000, b""), b"hello\n");
//! ```
//!
//! # Dependencies in the public interface
//!
//! `embassy-net-driver` 0.2, whose `Driver` network drivers implement ([`Capabilities`] is re-exported), and the crates
//! `switchboard-runtime` and `switchboard-drivers`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

// The clock of the tests.
#[cfg(test)]
extern crate switchboard_net_testing as _;

mod checksum;
mod config;
mod dhcp;
mod dns;
mod flow;
mod interface;
mod interface_settings;
mod interface_state;
mod ipv6;
mod link;
mod link_local;
mod mac;
pub mod marks;
mod mdns;
mod membership;
mod network;
mod network_device;
mod nic;
mod outgoing;
mod polling;
mod random;
mod rate_limit;
mod reassembly;
mod segment;
mod service;
mod services;
#[cfg(feature = "sntp")]
mod sntp;
mod stack;
mod traffic;

pub use config::{ConfigSource, InterfaceAddress, InterfaceConfig, Route};
pub use dhcp::{DhcpLease, DhcpState, DhcpStatus};
pub use dns::{ResolveError, Resolver};
pub use embassy_net_driver::Capabilities;
pub use interface::{Interface, Services};
pub use interface_state::{IPV4_WAIT, InterfaceState};
pub use ipv6::Ipv6Settings;
pub use link::icmp::{IcmpError, IcmpErrorKind};
pub use link::{DropReason, Drops};
pub use mac::Mac;
pub use network::Network;
pub use network_device::{NetworkDevice, nic};
pub use nic::{FrameHandler, LinkStatus, Nic, Reply};
pub use outgoing::ConnectError;
pub use polling::Polling;
pub use service::Service;
pub use services::start_simple_services;
#[cfg(feature = "sntp")]
pub use sntp::keep_time;
pub use stack::{
    ConnectedUdpSocket, Disconnected, EchoReply, IcmpSocket, PingError, RawSocket, ReceiveError, Runner, SendError,
    SocketError, Stack, TcpConfig, TcpError, TcpListener, TcpReader, TcpState, TcpStatistics, TcpStream, TcpWriter,
    UdpError, UdpSocket, UnconnectedUdpSocket,
};
pub use switchboard_runtime::command_line::{AddressSource, SimpleServices};
pub use traffic::Traffic;
