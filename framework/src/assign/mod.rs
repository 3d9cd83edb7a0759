//! Assignment of addresses to BARs and bridge windows that firmware left unset, out of place or overlapping.
//!
//! This is arithmetic without access to devices. Input is a [`Tree`] of the functions with their BARs and the addresses that firmware
//! assigned; after [`Tree::assign`] each BAR has an address or the reason why there is none. Valid addresses of firmware are
//! kept. A second run changes nothing, and a run with one function more places that function and moves no other.
//!
//! Three kinds of addresses are kept apart, as bridges do: I/O, memory, and prefetchable memory (PCI-to-PCI
//! bridge architecture 1.2, 3.2.5). A bridge forwards one window of each. Expansion ROMs get no address, since nothing
//! reads them.

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
