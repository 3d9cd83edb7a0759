//! smoltcp's DHCP client (RFC 2131), on an interface of its own: it needs an Ethernet device.

use alloc::vec;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::dhcpv4;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr};

use super::address::ipv4;
use super::socket_table::NEVER;
use crate::config::{ConfigSource, InterfaceAddress, InterfaceConfig};
use crate::link::FrameSender;
use crate::mac::Mac;

pub(super) struct DhcpClient {
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    /// When to send, at the latest.
    deadline: Instant,
}

impl DhcpClient {
    pub(super) fn new(mac: Mac, seed: u64, now: Instant) -> Self {
        let mut config = Config::new(EthernetAddress(mac.0).into());
        config.random_seed = seed;
        let interface = Interface::new(config, &mut Frames { received: None, sender: None }, now);
        let mut sockets = SocketSet::new(vec![]);
        let handle = sockets.add(dhcpv4::Socket::new());
        Self { interface, sockets, handle, deadline: now }
    }

    pub(super) fn receive(&mut self, frame: &[u8], now: Instant) {
        self.interface.poll_ingress_single(now, &mut Frames { received: Some(frame), sender: None }, &mut self.sockets);
        self.reschedule(now);
    }

    pub(super) fn send(&mut self, sender: &mut FrameSender<'_, '_>, now: Instant) {
        if self.deadline <= now {
            self.interface.poll_egress(now, &mut Frames { received: None, sender: Some(sender) }, &mut self.sockets);
            self.reschedule(now);
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    fn reschedule(&mut self, now: Instant) {
        self.deadline = self.interface.poll_at(now, &self.sockets).unwrap_or(NEVER);
    }

    pub(super) fn reset(&mut self, now: Instant) {
        self.sockets.get_mut::<dhcpv4::Socket<'_>>(self.handle).reset();
        self.deadline = now;
    }

    /// Returns a configuration that the interface has to take now, `Some(None)` for none.
    pub(super) fn poll(&mut self) -> Option<Option<InterfaceConfig>> {
        let (cidr, config) = match self.sockets.get_mut::<dhcpv4::Socket<'_>>(self.handle).poll()? {
            dhcpv4::Event::Configured(lease) => {
                let (address, prefix) = (lease.address.address(), lease.address.prefix_len());
                let address = InterfaceAddress::new(address.into(), prefix, ConfigSource::Dhcp);
                (Some(lease.address), Some(ipv4(address, lease.router)))
            }
            dhcpv4::Event::Deconfigured => (None, None),
        };
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            // There is room for one.
            addresses.extend(cidr.map(IpCidr::Ipv4));
        });
        Some(config)
    }
}

/// A device of whole frames.
struct Frames<'f, 's, 'a, 'c> {
    received: Option<&'f [u8]>,
    sender: Option<&'s mut FrameSender<'a, 'c>>,
}

struct Received<'f>(&'f [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

struct Room<'t, 'a, 'c>(Option<&'t mut FrameSender<'a, 'c>>);

impl TxToken for Room<'_, '_, '_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut frame = vec![0; length];
        let result = write(&mut frame);
        if let Some(sender) = self.0 {
            sender.send(length, &mut |room| room.copy_from_slice(&frame));
        }
        result
    }
}

impl<'a, 'c> Device for Frames<'_, '_, 'a, 'c> {
    type RxToken<'t>
        = Received<'t>
    where
        Self: 't;
    type TxToken<'t>
        = Room<'t, 'a, 'c>
    where
        Self: 't;

    fn receive(&mut self, _now: Instant) -> Option<(Received<'_>, Room<'_, 'a, 'c>)> {
        Some((Received(self.received.take()?), Room(None)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Room<'_, 'a, 'c>> {
        let sender = self.sender.as_deref_mut()?;
        sender.has_room().then_some(Room(Some(sender)))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}
