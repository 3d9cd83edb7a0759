//! Multicast groups of UDP sockets: RFC 1112 and RFC 4291, reported by IGMP and by multicast listener discovery.

use core::net::IpAddr;

use super::UdpSocket;
use crate::stack::engine::now;
use crate::stack::socket_error::SocketError;

impl UdpSocket {
    /// Joins a multicast group: the socket receives what is sent to the group on its port, and the interface reports its
    /// membership by IGMP (RFC 3376) or MLD (RFC 3810), so that switches and routers forward the group. The group is left by
    /// [`leave`](Self::leave), or when the socket is dropped. Anyone can send to a group, without joining it; what is sent
    /// by this host does not come back to it.
    ///
    /// # Errors
    /// [`SocketError::NotMulticast`] for another address, [`SocketError::TooManyGroups`] when the interface is in eight others.
    ///
    /// ```
    /// use switchboard_net::{SocketError, UdpSocket};
    /// use switchboard_net_testing::TestNetwork;
    ///
    /// let network = TestNetwork::new();
    /// let socket = UdpSocket::bind(network.stack(), 1900, 4, 4096)?;
    /// socket.join("239.255.255.250".parse().unwrap())?;
    /// socket.join("ff02::c".parse().unwrap())?;
    /// assert_eq!(socket.join("10.0.0.2".parse().unwrap()), Err(SocketError::NotMulticast));
    /// # Ok::<_, SocketError>(())
    /// ```
    pub fn join(&self, group: IpAddr) -> Result<(), SocketError> {
        if !group.is_multicast() {
            return Err(SocketError::NotMulticast);
        }
        let engine = &mut *self.stack.borrow_mut();
        if !engine.link.join(group, now()) {
            return Err(SocketError::TooManyGroups);
        }
        engine.datagrams.join(self.id, group);
        engine.wake_for_change();
        Ok(())
    }

    /// Leaves a multicast group. Nothing happens if the socket is not in it.
    pub fn leave(&self, group: IpAddr) {
        let engine = &mut *self.stack.borrow_mut();
        if engine.datagrams.leave(self.id, group) && !engine.is_needed_by_responder(group) {
            engine.link.leave(group, now());
            engine.wake_for_change();
        }
    }

    /// Leaves all groups.
    pub(super) fn leave_all(&self) {
        loop {
            let group = self.stack.borrow_mut().datagrams.group_of(self.id);
            let Some(group) = group else { return };
            self.leave(group);
        }
    }

    /// Sets how many routers a datagram to a multicast group may pass, plus one: from 1, the link alone, which it is at first
    /// (RFC 1112, 6.1). It applies to datagrams that are sent from now on.
    pub fn set_multicast_hops(&self, hops: u8) {
        if let Some(entry) = self.stack.borrow_mut().datagrams.get(self.id) {
            entry.multicast_hops = hops.max(1);
        }
    }
}
