//! A stack on a link whose every frame is the test's.

use core::cell::{Cell, RefCell};
use core::fmt;
use std::rc::Rc;

use embassy_net_driver::{Driver, RxToken, TxToken};
use switchboard::config::Address;
use switchboard_net::{AddressSource, InterfaceConfig, InterfaceState, Mac, Stack};
use switchboard_runtime::tasks::TaskGroup;

use crate::card::TestCard;
use crate::clock;
use crate::network::{poll_always, wait};
use crate::tasks::Executor;

/// How much time passes with each step.
const STEP_US: u64 = 1000;

/// A stack with the Ethernet address 02:00:00:00:00:01 on a link whose other end is the test: every frame is sent and
/// received by hand, with the functions of [`frames`](crate::frames).
///
/// ```
/// use switchboard_net::AddressSource;
/// use switchboard_net_testing::{TestLan, frames};
///
/// let source = AddressSource::Static { address: [10, 0, 0, 1].into(), prefix: 24, gateway: None };
/// let mut lan = TestLan::new(source);
/// let (mac, host) = ([2, 0, 0, 0, 0, 9], [10, 0, 0, 9]);
/// lan.send(&frames::arp_request(mac, host, [10, 0, 0, 1]));
/// let answers = lan.pass(10);
/// assert!(answers.contains(&frames::arp_reply(TestLan::MAC, [10, 0, 0, 1], mac, host)));
/// ```
pub struct TestLan {
    executor: Executor,
    group: Rc<TaskGroup>,
    stack: Stack,
    state: Rc<InterfaceState>,
    card: TestCard,
    groups: Rc<RefCell<Vec<[u8; 6]>>>,
    announcement: Rc<Cell<bool>>,
}

impl TestLan {
    /// The Ethernet address of the stack.
    pub const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

    /// Creates a stack whose link is up.
    #[must_use]
    pub fn new(source: AddressSource) -> Self {
        Self::with_config(source, InterfaceConfig::default())
    }

    /// As [`new`](Self::new), with a configuration besides the address: routes, servers, the host name.
    #[must_use]
    pub fn with_config(source: AddressSource, config: InterfaceConfig) -> Self {
        let (ours, card) = TestCard::pair();
        let (groups, announcement) = (ours.groups(), ours.announcement());
        let state = InterfaceState::new(Address::new(0, 0, 1, 0), "test", Mac(Self::MAC), source, 0);
        let state = Rc::new(state.with_config(config));
        let (stack, runner) = Stack::new(Box::new(ours), state.clone(), 1);
        let executor = Executor::new();
        let group = Rc::new(TaskGroup::new(executor.tasks()));
        group.add(poll_always(runner));
        let mut lan = Self { executor, group, stack, state, card, groups, announcement };
        // The first poll finds the link up, the second sets the address.
        lan.step();
        lan.step();
        lan
    }

    /// Returns the stack, to create sockets and start services.
    #[must_use]
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Returns the group of the stack's tasks.
    #[must_use]
    pub fn group(&self) -> &Rc<TaskGroup> {
        &self.group
    }

    /// Returns the state of the interface.
    #[must_use]
    pub fn state(&self) -> &InterfaceState {
        &self.state
    }

    /// Returns the Ethernet addresses of the groups that the card of the stack receives.
    #[must_use]
    pub fn groups(&self) -> Vec<[u8; 6]> {
        self.groups.borrow().clone()
    }

    /// Has the card ask the stack to announce its addresses, as that of a virtual machine after a live migration.
    pub fn request_announcement(&self) {
        self.announcement.set(true);
    }

    /// Lets a millisecond pass, and polls the tasks that were woken.
    pub fn step(&mut self) {
        clock::advance_us(STEP_US);
        self.executor.poll();
    }

    /// Runs a future as a task of the stack, until it is ready, while `answer` is called with each frame that the stack
    /// sends, and returns the frames that it receives.
    ///
    /// # Panics
    /// When it is not ready within ten minutes of the test's time.
    pub fn wait<T: 'static>(
        &mut self,
        future: impl Future<Output = T> + 'static,
        mut answer: impl FnMut(&[u8]) -> Vec<Vec<u8>>,
    ) -> T {
        let group = self.group.clone();
        wait(&group, future, || {
            self.step();
            while let Some(frame) = self.receive() {
                answer(&frame).iter().for_each(|frame| self.send(frame));
            }
        })
    }

    /// Sends a frame to the stack. It is received in the next [`step`](Self::step).
    pub fn send(&mut self, frame: &[u8]) {
        let mut context = core::task::Context::from_waker(core::task::Waker::noop());
        if let Some(room) = Driver::transmit(&mut self.card, &mut context) {
            TxToken::consume(room, frame.len(), |bytes| bytes.copy_from_slice(frame));
        }
    }

    /// Returns the next frame that the stack has sent.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let mut context = core::task::Context::from_waker(core::task::Waker::noop());
        let (received, _) = Driver::receive(&mut self.card, &mut context)?;
        Some(RxToken::consume(received, |frame| frame.to_vec()))
    }

    /// Lets so many milliseconds pass. Returns the frames that the stack has sent by then.
    pub fn pass(&mut self, milliseconds: u64) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        for _ in 0..milliseconds {
            self.step();
            frames.extend(core::iter::from_fn(|| self.receive()));
        }
        frames
    }
}

impl fmt::Debug for TestLan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestLan").field("state", &self.state).finish_non_exhaustive()
    }
}
