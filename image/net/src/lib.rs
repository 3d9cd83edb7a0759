//! The network: one TCP/IP stack for each network function, with the services on all of them.
//!
//! A [`Network`] takes over the network cards of a [`System`](switchboard_runtime::system::System), those that are there and
//! those that come:
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
//! Each interface serves echo, discard and chargen, and what the app adds.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod chargen;
mod discard;
mod echo;
mod flow;
mod interface;
pub mod marks;
mod network;
mod network_device;
mod nic;
mod polling;
mod segment;
mod service;
mod stack;
mod traffic;

pub use interface::{Config, Interface, Mac, Services, State};
pub use network::Network;
pub use network_device::{NetworkDevice, nic};
pub use nic::{Handle, Nic, Reply};
pub use polling::Polling;
pub use service::Service;
pub use stack::{AcceptError, Disconnected, Runner, Stack, TcpSocket, UdpSocket};
pub use switchboard_runtime::command_line::AddressSource;
pub use traffic::Traffic;
