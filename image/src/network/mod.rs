//! The network: one TCP/IP stack for each network function, with the services on all of them.

mod chargen;
mod counted;
mod discard;
mod echo;
mod interface;
mod staffed;
mod tcp;

pub use counted::Traffic;
pub use interface::{Interface, Mac, State};
pub use staffed::{Nic, SOCKETS, Services, StaffedStack};
pub use tcp::{Turns, accept, finish};
