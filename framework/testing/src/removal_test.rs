//! Tests of drivers whose device is removed by surprise: at every access of a probe and of a drop, and while it is in
//! use.

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
use switchboard::function::FunctionState;
use switchboard::interrupt::ModePolicy;

/// A test of surprise removal: the same device, made again and again in a machine of its own, is removed at every
/// possible moment.
///
/// ```
/// use switchboard::config::Address;
/// use switchboard::driver::{Driver, Id, ProbeError};
/// use switchboard::function::{Function, Resources};
/// use switchboard::interrupt::ModePolicy;
/// use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock};
/// use switchboard_testing::{FakeFunction, FakeMachine, RemovalTest};
///
/// struct Registers;
/// impl RegisterBlock for Registers {
///     const SIZE: u64 = 0x100;
/// }
/// const ID: Reg<Registers, u32, ReadOnly> = Reg::at(0x00);
///
/// struct Card {
///     _registers: Bar<Registers>,
/// }
/// impl Driver for Card {
///     const NAME: &'static str = "card";
///     const MATCHES: &'static [Id] = &[Id::new(0x1234, 0x0001)];
///     fn probe(function: Function) -> Result<Self, ProbeError> {
///         let Resources { bar0, .. } = function.claim()?;
///         let registers: Bar<Registers> = bar0.map()?;
///         match registers.read(&ID) {
///             0 => Ok(Self { _registers: registers }),
///             // All ones, when the card has gone: reported as such, whatever the probe makes of them.
///             _ => Err(ProbeError::Device("another card")),
///         }
///     }
/// }
///
/// fn machine(policy: ModePolicy) -> &'static FakeMachine {
///     let card = FakeFunction::new(0x1234, 0x0001).bar(0, 0x1000).pin(1, 10);
///     let other = FakeFunction::new(0x1234, 0x0002).at("00:02.0");
///     Box::leak(Box::new(FakeMachine::with_policy(policy, [card, other])))
/// }
///
/// let test = RemovalTest { machine, address: Address::new(0, 0, 1, 0) };
/// let moments = test.remove_at_every_access::<Card>();
/// assert!(moments > 1);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct RemovalTest {
    /// Makes a machine with a device that can be probed, and at least one other function.
    pub machine: fn(ModePolicy) -> &'static FakeMachine,
    /// The address of the device.
    pub address: Address,
}

/// The way in which the framework detects the removal of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovalDetection {
    /// A hot-plug port reports it: [`Machine::mark_removed`](switchboard::machine::Machine::mark_removed).
    HotPlugPort,
    /// All functions are checked: [`Machine::check_presence`](switchboard::machine::Machine::check_presence).
    PresenceCheck,
}

const POLICIES: [ModePolicy; 3] = [ModePolicy::all(), ModePolicy::MSI, ModePolicy::INTX];

/// Returns the resources of a machine that a driver may leak: free vectors, vectors in use, pages of DMA memory in use.
fn resources(fake: &FakeMachine) -> (usize, usize, usize) {
    (fake.machine().free_vectors(), fake.machine().interrupt_report().len(), fake.dma_pages())
}

fn addresses(fake: &FakeMachine) -> Vec<Address> {
    fake.machine().functions().iter().map(|report| report.address).collect()
}

impl RemovalTest {
    /// Probes and drops the device, which is removed one access later each time, until it outlives its driver; in each
    /// interrupt mode that it has. Returns the largest number of accesses before which it was removed.
    ///
    /// # Panics
    /// When the probe fails with anything but [`ProbeError::Gone`], when resources are leaked, or when another function
    /// of the machine cannot be claimed afterwards.
    pub fn remove_at_every_access<D: Driver>(self) -> usize {
        let counts = POLICIES.map(|policy| self.count_accesses::<D>(policy));
        counts.into_iter().max().unwrap_or_default()
    }

    fn count_accesses<D: Driver>(self, policy: ModePolicy) -> usize {
        let here = self.address;
        for accesses in 0.. {
            let fake = (self.machine)(policy);
            let (before, others) = (resources(fake), addresses(fake));
            let function = fake.machine().take(here).expect("a function that nothing has taken");
            fake.remove_after(here, accesses);
            match attach::<D>(function) {
                Ok(device) => drop(device),
                Err(error) if fake.is_removed(here) => {
                    let is_reported = matches!(error, ProbeError::Gone(gone) if gone.address == here);
                    assert!(is_reported, "after {accesses} accesses: {error}");
                }
                // The device does not have this mode.
                Err(ProbeError::Grant(_)) => return 0,
                Err(error) => panic!("the probe of a present device fails: {error}"),
            }
            fake.machine().check_presence();
            fake.deliver_raised();
            assert_eq!(resources(fake), before, "after {accesses} accesses");
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

    /// Probes the device in one interrupt mode. Returns `None` when it does not have that mode.
    #[must_use]
    pub fn probe<D: Driver>(self, policy: ModePolicy) -> Option<(&'static FakeMachine, D)> {
        let fake = (self.machine)(policy);
        let device = attach(fake.machine().take(self.address)?).ok()?;
        Some((fake, device))
    }

    /// Removes the device, and lets the framework detect it.
    ///
    /// # Panics
    /// When the framework does not detect it.
    pub fn remove(self, fake: &FakeMachine, detection: RemovalDetection) {
        fake.remove(self.address);
        let is_detected = match detection {
            RemovalDetection::HotPlugPort => fake.machine().mark_removed(self.address),
            RemovalDetection::PresenceCheck => fake.machine().check_presence() > 0,
        };
        assert!(is_detected, "the removal was not detected");
        assert!(
            fake.machine().functions().iter().any(|report| report.state == FunctionState::Gone),
            "no function is reported as removed"
        );
        fake.deliver_raised();
    }

    /// Polls a future that waits for the device, removes the device, and polls on. Returns the output of the future.
    ///
    /// # Panics
    /// When the future is ready at first, when the removal does not wake it, or when it stays pending.
    pub fn remove_while<R>(
        self,
        fake: &FakeMachine,
        detection: RemovalDetection,
        future: impl Future<Output = R>,
    ) -> R {
        let wakes = Arc::new(Wakes::default());
        let waker = wakes.clone().into();
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        assert!(future.as_mut().poll(&mut context).is_pending(), "the future is ready before the removal");
        self.remove(fake, detection);
        for _ in 0..10 {
            assert!(wakes.0.swap(0, Ordering::SeqCst) > 0, "the removal wakes nothing");
            if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
                return result;
            }
        }
        panic!("the future stays pending");
    }

    /// Runs `check`, which removes the device, in each interrupt mode that the device has and for each way of
    /// detection.
    ///
    /// # Panics
    /// When resources are leaked, or when the device has no interrupt mode.
    pub fn remove_in_use<D: Driver>(self, check: impl Fn(&'static FakeMachine, D, RemovalDetection)) {
        let mut modes = 0;
        for (policy, detection) in POLICIES.into_iter().flat_map(|policy| {
            [RemovalDetection::HotPlugPort, RemovalDetection::PresenceCheck].map(|detection| (policy, detection))
        }) {
            let Some((fake, device)) = self.probe::<D>(policy) else { continue };
            let before = resources((self.machine)(policy));
            check(fake, device, detection);
            assert_eq!(resources(fake), before, "{policy:?}");
            assert!(!addresses(fake).contains(&self.address), "{policy:?}");
            modes += 1;
        }
        assert!(modes > 0, "the device has no interrupt mode");
    }
}

/// A waker that counts its calls.
#[derive(Debug, Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
