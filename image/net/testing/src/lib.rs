//! A stack of `switchboard-net` on the host, with a client at the other end of a link made of memory.
//!
//! A service runs unchanged: tasks are polled, and time passes, when the test calls for it.
//!
//! ```
//! use std::rc::Rc;
//! use switchboard_net::{Service, TcpStream};
//! use switchboard_net_testing::TestNetwork;
//!
//! let mut network = TestNetwork::new();
//! let service = Service { port: 4000, receive_bytes: 64, transmit_bytes: 64, backlog: 2, max_connections: 8 };
//! service.start(network.group(), network.stack(), async |socket: &Rc<TcpStream>| {
//!     let _ = socket.write(b"hello").await;
//! });
//! assert_eq!(network.exchange(4000, b""), b"hello");
//! ```
//!
//! This crate defines the time driver of `embassy-time` for the test program, and the wake-up hook of
//! `embassy-executor`; a program that defines its own cannot link it.
//!
//! # Dependencies in the public interface
//!
//! `embassy-net-driver` 0.2 and `smoltcp` 0.14, whose device traits [`TestCard`] implements.

mod card;
mod client;
mod clock;
pub mod frames;
mod lan;
mod network;
mod segments;
mod tasks;

pub use card::TestCard;
pub use client::Connection;
pub use lan::TestLan;
pub use network::TestNetwork;
