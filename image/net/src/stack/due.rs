//! What is due at a time, though nothing has arrived: one time before which nothing is, so that most polls ask no part.
//!
//! [`Engine::idle_until`] is that time for the link layer, the assignment of addresses and the name of the host. Frames and
//! calls that may change when those are due set it to zero; segments of connections and datagrams for sockets do not. The
//! table of sockets and TCP keep times of their own.

use smoltcp::time::Instant;

use super::engine::Engine;
use super::socket_table::NEVER;
use crate::interface_state::InterfaceState;
use crate::link::FrameSender;

impl Engine {
    /// Returns a time before which nothing is due, if the card had room for all that was.
    #[inline]
    pub(super) fn deadline(&self) -> Instant {
        self.idle_until.min(self.sockets.deadline()).min(self.tcp.next_tick)
    }

    /// Does what is due at `now`, before sockets send: queues them after their timers, and assigns addresses.
    #[inline(never)]
    pub(super) fn begin_due(&mut self, sender: &mut FrameSender<'_, '_>, state: &InterfaceState, now: Instant) {
        self.sockets.queue_due(now);
        self.update_address(sender, state, now);
        self.tick(now);
    }

    /// Does what is due at `now` in the link layer, also for what sockets have just sent, and sets the time before which
    /// nothing is. `is_due` if something was, so that the times of all parts may have changed.
    #[inline]
    pub(super) fn end_due(&mut self, sender: &mut FrameSender<'_, '_>, is_due: bool, now: Instant) {
        let link = self.link.deadline();
        if is_due || now >= link {
            return self.end_due_and_update(sender, now);
        }
        self.idle_until = self.idle_until.min(link);
    }

    #[inline(never)]
    fn end_due_and_update(&mut self, sender: &mut FrameSender<'_, '_>, now: Instant) {
        self.link.poll(sender, now);
        if let Some(groups) = self.link.take_groups() {
            sender.nic.set_groups(&groups);
        }
        while let Some(error) = self.link.take_error() {
            self.report(&error, now);
        }
        self.idle_until = self.address_deadline(now).min(self.link.deadline());
    }

    /// Returns when the assignment of addresses or the name of the host is due.
    fn address_deadline(&mut self, now: Instant) -> Instant {
        if self.link.ipv6.has_config_change() {
            return Instant::ZERO;
        }
        let dhcp = self.address.dhcp_client().map_or(NEVER, |client| match client.has_work(now) {
            true => Instant::ZERO,
            false => client.deadline().unwrap_or(NEVER),
        });
        let mdns = self.responder.deadline().unwrap_or(NEVER);
        // What waits for the link has no time.
        let retry = self.address.retry_at().filter(|at| *at > now).unwrap_or(NEVER);
        dhcp.min(mdns).min(retry)
    }
}
