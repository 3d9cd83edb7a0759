//! The maximum length of a packet: that of the card, or a shorter one of the network (RFC 2132, 5.1; RFC 4861, 4.6.4).

use smoltcp::iface::{Config, Interface};
use smoltcp::phy::DeviceCapabilities;
use smoltcp::wire::HardwareAddress;

use super::device::CapabilitiesDevice;
use super::engine::{Engine, now};

/// Every IPv4 host can receive as much (RFC 1122, 3.3.2).
const MIN_MTU: usize = 576;

/// Creates smoltcp's interface, whose maximum packet length is fixed: that of TCP segments which the card splits, if it does.
pub(super) fn interface(capabilities: &DeviceCapabilities, max_large_packet: usize, seed: u64) -> Interface {
    let mut capabilities = capabilities.clone();
    capabilities.max_transmission_unit = capabilities.max_transmission_unit.max(max_large_packet);
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = seed;
    let mut interface = Interface::new(config, &mut CapabilitiesDevice(capabilities), now());
    // Which packets are for this host, the link layer decides.
    interface.set_any_ip(true);
    interface
}

impl Engine {
    /// Sets the maximum packet length of the network; `None` for that of the card, which is the most.
    pub(super) fn set_mtu(&mut self, mtu: Option<u16>) {
        let card = self.capabilities.max_transmission_unit;
        let mtu = mtu.map_or(card, |mtu| usize::from(mtu).clamp(MIN_MTU, card));
        if mtu == self.mtu {
            return;
        }
        self.mtu = mtu;
        let mut capabilities = self.capabilities.clone();
        capabilities.max_transmission_unit = mtu;
        // It has no state but its addresses, which the caller sets, and the seed of what sockets begin with.
        self.interface = interface(&capabilities, self.max_large_packet, switchboard_runtime::entropy::random_u64());
        self.tcp.set_mtu(mtu);
        self.link.set_mtu(mtu);
    }
}
