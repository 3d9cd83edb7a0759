//! What drivers of one class of devices have in common, for those who use a device without knowing its driver.
//!
//! A network card is an [`embassy_net_driver::Driver`], and a [`network::NetworkCard`] besides.

pub mod block;
pub mod network;
pub mod random;
