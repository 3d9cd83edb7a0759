//! The network: one TCP/IP stack for each network function, with the services on all of them.

mod chargen;
mod discard;
mod echo;
mod flow;
mod interface;
mod nic;
mod polling;
mod service;
mod stack;
mod traffic;

pub use interface::{AddressSource, Config, Interface, Mac, Services, State};
pub use nic::{Handle, Nic, Reply};
pub use polling::Polling;
pub use service::Service;
pub use stack::{AcceptError, Disconnected, Runner, Stack, TcpSocket, UdpSocket};
pub use traffic::Traffic;
