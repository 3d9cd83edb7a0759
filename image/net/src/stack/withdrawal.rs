//! The end of an interface's use: what other hosts have to learn is sent before.

use embassy_time::{Duration, Timer};

use super::engine::{Engine, now};
use super::handle::Stack;

/// The interval at which it is looked whether all is sent, and how often.
const INTERVAL: Duration = Duration::from_millis(10);
const MAX_CHECKS: u32 = 30;

impl Engine {
    /// Returns whether nothing of the withdrawal is left to send.
    fn has_withdrawn(&mut self) -> bool {
        let is_releasing = self.address.dhcp_client().is_some_and(|client| client.is_releasing());
        !is_releasing && self.responder.deadline().is_none() && !self.link.has_waiting()
    }
}

impl Stack {
    /// Releases the lease of the address (RFC 2131, 4.4.6), and takes back what multicast DNS has announced (RFC 6762, 10.1).
    /// Returns when that is sent, after at most 300 ms; at once when the link is down. The addresses stay usable, but the one of
    /// a lease may be given to another host.
    ///
    /// [`Interface::stop`](crate::Interface::stop) does it, and so does the end of an app.
    ///
    /// ```
    /// use switchboard_net_testing::TestNetwork;
    ///
    /// let mut network = TestNetwork::new();
    /// let stack = network.stack().clone();
    /// network.wait(async move { stack.withdraw().await });
    /// ```
    pub async fn withdraw(&self) {
        if !self.state().is_up() {
            return;
        }
        {
            let engine = &mut *self.borrow_mut();
            engine.responder.withdraw();
            if let Some(client) = engine.address.dhcp_client() {
                client.release(now());
            }
            engine.wake_for_change();
        }
        for _ in 0..MAX_CHECKS {
            // Once after the runner has sent.
            Timer::after(INTERVAL).await;
            if self.borrow_mut().has_withdrawn() {
                return;
            }
        }
    }
}
