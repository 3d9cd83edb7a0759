//! Where BARs and bridge windows go, when firmware left them unset, out of place or on top of each other.
//!
//! Plain arithmetic, which no device sees: a [`Tree`] of what the functions want goes in, with what firmware
//! gave them, and comes out with an address for everything, or with the reason why there is none. What firmware
//! did well stays where it is. Running it again changes nothing; with a function more in the tree, it finds that
//! function a place and leaves the others alone.
//!
//! Three kinds of addresses are kept apart, as bridges do: I/O, memory, and prefetchable memory (PCI-to-PCI
//! bridge architecture 1.2, 3.2.5). A bridge forwards one window of each. Expansion ROMs get no address: nothing
//! here reads one.

mod aperture;
mod bridge;
mod demand;
mod free_ranges;
#[doc(hidden)]
pub mod invariants;
mod keep;
mod place;
mod request;
mod tree;

pub use aperture::Apertures;
pub use bridge::{Bridge, WindowRequest};
pub use request::{AddressSpace, BarRequest, Unassigned};
pub use tree::{AddressState, Failure, Node, NodeId, Tree};

#[cfg(test)]
mod tests;
