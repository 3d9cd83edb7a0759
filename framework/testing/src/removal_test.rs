//! Tests of drivers whose device is pulled out: at every access of a probe and of a drop, and while it is in use.

use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll};

use super::FakeMachine;
use switchboard::config::Address;
use switchboard::driver::{Driver, ProbeError, attach};
use switchboard::function::{FunctionState, Gone};
use switchboard::interrupt::ModePolicy;

/// A device that can be made any number of times, each time in a machine of its own, and that a test pulls out.
#[derive(Debug, Clone, Copy)]
pub struct RemovalTest {
    /// Makes the machine, with a device that is good enough to be probed, and at least one other function.
    pub machine: fn(ModePolicy) -> &'static FakeMachine,
    /// The address of the device.
    pub address: Address,
}

/// How the framework learns that a device was pulled out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovalDetection {
    /// A port reports it.
    HotPlugPort,
    /// All functions are asked.
    PresenceCheck,
}

const POLICIES: [ModePolicy; 3] = [ModePolicy::all(), ModePolicy::MSI, ModePolicy::INTX];

/// What a machine has to give: vectors that are free, vectors in use, pages lent out.
fn stock(fake: &FakeMachine) -> (usize, usize, usize) {
    (fake.machine().free_vectors(), fake.machine().interrupt_report().len(), fake.dma_pages())
}

fn addresses(fake: &FakeMachine) -> Vec<Address> {
    fake.machine().functions().iter().map(|report| report.address).collect()
}

impl RemovalTest {
    /// Probes and drops the device, which is pulled out one access later each time, until it is not pulled out at the end; in
    /// each interrupt mode that it has. Returns the most accesses that this was.
    ///
    /// # Panics
    /// When the driver reports anything but [`ProbeError::Gone`], when something of the device is left afterwards, or
    /// when another function of the machine cannot be claimed.
    pub fn at_every_access<D: Driver>(self) -> usize {
        let counts = POLICIES.map(|policy| self.at_every_access_in::<D>(policy));
        counts.into_iter().max().unwrap_or_default()
    }

    fn at_every_access_in<D: Driver>(self, policy: ModePolicy) -> usize {
        let here = self.address;
        for accesses in 0.. {
            let fake = (self.machine)(policy);
            let (before, others) = (stock(fake), addresses(fake));
            let function = fake.machine().take(here).expect("a function that nothing has taken");
            fake.remove_after(here, accesses);
            match attach::<D>(function) {
                Ok(device) => drop(device),
                Err(error) if fake.is_removed(here) => {
                    assert_eq!(error, ProbeError::Gone(Gone { address: here }), "after {accesses} accesses");
                }
                // The mode is not there.
                Err(ProbeError::Grant(_)) => return 0,
                Err(error) => panic!("a good device is refused: {error}"),
            }
            fake.machine().check_presence();
            fake.deliver_raised();
            assert_eq!(stock(fake), before, "after {accesses} accesses");
            assert_eq!(addresses(fake).contains(&here), !fake.is_removed(here), "after {accesses} accesses");
            let behind = |other: &Address| other.bus() != here.bus();
            for other in others.into_iter().filter(|other| *other != here && !behind(other)) {
                assert!(fake.machine().take(other).is_some_and(|function| function.claim().is_ok()), "{other}");
            }
            if !fake.is_removed(here) {
                return accesses;
            }
        }
        unreachable!("a range without an end")
    }

    /// Probes the device, in one mode; `None` when it does not have that.
    #[must_use]
    pub fn probed<D: Driver>(self, policy: ModePolicy) -> Option<(&'static FakeMachine, D)> {
        let fake = (self.machine)(policy);
        let device = attach(fake.machine().take(self.address)?).ok()?;
        Some((fake, device))
    }

    /// Pulls the device out.
    ///
    /// # Panics
    /// When the framework does not notice.
    pub fn remove(self, fake: &FakeMachine, notice: RemovalDetection) {
        fake.remove(self.address);
        let is_noticed = match notice {
            RemovalDetection::HotPlugPort => fake.machine().mark_removed(self.address),
            RemovalDetection::PresenceCheck => fake.machine().check_presence() > 0,
        };
        assert!(is_noticed, "it was not there");
        assert!(
            fake.machine().functions().iter().any(|report| report.state == FunctionState::Gone),
            "it is still there"
        );
        fake.deliver_raised();
    }

    /// Polls a future that waits for the device, pulls the device out, and polls on; returns what the future reports.
    ///
    /// # Panics
    /// When the future does not wait at first, when it is not woken, or when it waits on.
    pub fn remove_while<R>(self, fake: &FakeMachine, notice: RemovalDetection, future: impl Future<Output = R>) -> R {
        let wakes = Arc::new(Wakes::default());
        let waker = wakes.clone().into();
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        assert!(future.as_mut().poll(&mut context).is_pending(), "it does not wait");
        self.remove(fake, notice);
        for _ in 0..10 {
            assert!(wakes.0.swap(0, Ordering::SeqCst) > 0, "nothing was woken");
            if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
                return result;
            }
        }
        panic!("it waits for ever");
    }

    /// Runs `check`, which is to pull the device out, with the device in each mode that it has and for each way to notice.
    ///
    /// # Panics
    /// When something of the device is left afterwards, or when it has no mode.
    pub fn in_use<D: Driver>(self, check: impl Fn(&'static FakeMachine, D, RemovalDetection)) {
        let mut modes = 0;
        for (policy, notice) in POLICIES.into_iter().flat_map(|policy| {
            [RemovalDetection::HotPlugPort, RemovalDetection::PresenceCheck].map(|notice| (policy, notice))
        }) {
            let Some((fake, device)) = self.probed::<D>(policy) else { continue };
            let before = stock((self.machine)(policy));
            check(fake, device, notice);
            assert_eq!(stock(fake), before, "{policy:?}");
            assert!(!addresses(fake).contains(&self.address), "{policy:?}");
            modes += 1;
        }
        assert!(modes > 0, "it was never probed");
    }
}

/// A waker that counts.
#[derive(Debug, Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
