//! The handle of a stack.

use alloc::rc::Rc;
use core::cell::{RefCell, RefMut};
use core::fmt;

use switchboard_runtime::memory_budget::MemoryBudget;

use super::engine::{Engine, now};
use super::tcp::TcpError;
use crate::dhcp::DhcpStatus;
use crate::dns::DnsState;
use crate::interface_state::InterfaceState;

/// A handle on a TCP/IP stack, by which sockets are created. Clones refer to the same stack.
///
/// A [`Runner`](crate::Runner) moves its frames. An [`Interface`](crate::Interface) has both; by hand:
///
/// ```
/// use core::pin::pin;
/// use core::task::{Context, Waker};
/// use std::rc::Rc;
/// use switchboard::config::Address;
/// use switchboard_net::{AddressSource, InterfaceState, Nic, Stack};
/// use switchboard_net_testing::TestCard;
///
/// let (card, _peer) = TestCard::pair();
/// let state = InterfaceState::new(Address::new(0, 0, 2, 0), "test", Nic::mac(&card), AddressSource::Dhcp, 0);
/// let state = Rc::new(state);
/// let (_stack, runner) = Stack::new(Box::new(card), state.clone(), 1);
/// let is_pending = pin!(runner).poll(&mut Context::from_waker(Waker::noop())).is_pending();
/// assert!(is_pending && state.is_up(), "a runner never ends; the first poll finds the link up");
/// ```
#[derive(Clone)]
pub struct Stack(Rc<Shared>);

struct Shared {
    engine: RefCell<Engine>,
    state: Rc<InterfaceState>,
    dns: RefCell<DnsState>,
}

impl Stack {
    pub(super) fn of(engine: Engine, state: Rc<InterfaceState>) -> Self {
        Self(Rc::new(Shared { engine: RefCell::new(engine), state, dns: RefCell::default() }))
    }

    /// Returns the state of the interface that the stack is on.
    #[must_use]
    pub fn state(&self) -> &Rc<InterfaceState> {
        &self.0.state
    }

    /// Returns the state of the DHCP client, and its lease; `None` for an interface without a client.
    #[must_use]
    pub fn dhcp_status(&self) -> Option<DhcpStatus> {
        self.borrow_mut().address.dhcp_client().map(|client| client.status(now()))
    }

    /// Returns the numbers of IPv4 and IPv6 neighbours that are stored, whatever their state.
    ///
    /// ```
    /// use switchboard_net_testing::TestNetwork;
    ///
    /// assert_eq!(TestNetwork::new().stack().neighbours(), (0, 0));
    /// ```
    #[must_use]
    pub fn neighbours(&self) -> (usize, usize) {
        self.borrow_mut().link.neighbour_counts()
    }

    /// Returns what all resolvers of the stack share.
    pub(crate) fn dns(&self) -> RefMut<'_, DnsState> {
        self.0.dns.borrow_mut()
    }

    /// Sets the budget that connections take their memory from, instead of the machine's: from now on.
    ///
    /// ```
    /// use switchboard_net_testing::TestNetwork;
    /// use switchboard_runtime::memory_budget::MemoryBudget;
    ///
    /// static BUDGET: MemoryBudget = MemoryBudget::new(1 << 20);
    /// TestNetwork::new().stack().set_memory_budget(&BUDGET);
    /// ```
    pub fn set_memory_budget(&self, budget: &'static MemoryBudget) {
        self.borrow_mut().tcp.budget = budget;
    }

    /// Ends all connections of a stack whose runner has ended: streams find [`TcpError::Unreachable`].
    pub(crate) fn end_connections(&self) {
        let engine = &mut *self.borrow_mut();
        for id in engine.sockets.ids() {
            engine.finish(id, TcpError::Unreachable);
        }
    }

    pub(super) fn borrow_mut(&self) -> RefMut<'_, Engine> {
        let in_use =
            |_| panic!("the stack is in use: what answers a request at once cannot call it, a later answer can");
        self.0.engine.try_borrow_mut().unwrap_or_else(in_use)
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").finish_non_exhaustive()
    }
}
