//! A TCP/IP stack: smoltcp on one card, for hundreds of sockets.
//!
//! smoltcp implements the protocols. This module decides which socket it works on: a received frame is offered only to
//! the socket that it is for, a socket is polled for frames only when it may have some, and the card's doorbell is rung
//! once for all frames that a poll has sent.

mod address;
mod checksum;
mod configuration;
mod datagram;
mod device;
mod due;
mod engine;
mod handle;
mod ipv6;
mod large;
mod local_name;
mod mtu;
mod raw;
mod receive;
mod runner;
mod send;
mod socket_error;
mod socket_table;
mod tcp;
mod udp;
mod withdrawal;

use alloc::boxed::Box;
use alloc::rc::Rc;

use self::engine::Engine;
use crate::interface_state::InterfaceState;
use crate::nic::Nic;

pub(crate) use self::engine::now;
pub use self::handle::Stack;
pub use self::raw::{EchoReply, IcmpSocket, PingError, RawSocket};
pub use self::runner::Runner;
pub use self::socket_error::SocketError;
pub use self::tcp::{
    Disconnected, TcpConfig, TcpError, TcpListener, TcpReader, TcpState, TcpStatistics, TcpStream, TcpWriter,
};
pub use self::udp::{ConnectedUdpSocket, ReceiveError, SendError, UdpError, UdpSocket, UnconnectedUdpSocket};

impl Stack {
    /// Creates a stack on a card, and the future that runs it. Its address is from where `state` sets it.
    #[must_use]
    pub fn new(nic: Box<dyn Nic>, state: Rc<InterfaceState>, seed: u64) -> (Self, Runner) {
        let stack = Self::of(Engine::new(&*nic, &state, seed), state.clone());
        (stack.clone(), Runner::new(stack, nic, state))
    }
}
