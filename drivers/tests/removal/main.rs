//! Every driver against a device that goes away: at every single access of its probe and of its end, and while it is
//! in use. What the driver had comes back, it and those who wait for it hear that the device is gone, and the device
//! beside it does not notice.

mod devices;

use core::future::Future;
use core::pin::pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll};
use std::sync::Arc;
use std::task::Wake;

use devices::here;
use embassy_net_driver::{Driver as NetDriver, LinkState};
use switchboard::config::Address;
use switchboard::driver::{Driver, ProbeError, attach};
use switchboard::function::{Gone, State};
use switchboard::interrupt::{Mode, ModePolicy};
use switchboard_drivers::block::{BlockDevice, BlockError};
use switchboard_drivers::e1000::E1000;
use switchboard_drivers::e1000e::E1000e;
use switchboard_drivers::edu::{Edu, EduError, EduRaiser};
use switchboard_drivers::hotplug::{HotplugPort, SlotChange};
use switchboard_drivers::ivshmem::Ivshmem;
use switchboard_drivers::raise::{Raise, RaiseError};
use switchboard_drivers::virtio::rng::RngError;
use switchboard_drivers::virtio::{VirtioBlk, VirtioNet, VirtioRng};
use switchboard_drivers::xhci::Xhci;
use switchboard_testing::FakeMachine;

const POLICIES: [ModePolicy; 3] = [ModePolicy::all(), ModePolicy::MSI, ModePolicy::INTX];

type Make = fn(ModePolicy) -> &'static FakeMachine;

/// What a machine has to give.
fn stock(fake: &FakeMachine) -> (usize, usize, usize) {
    (fake.machine().free_vectors(), fake.machine().interrupt_report().len(), fake.dma_pages())
}

fn addresses(fake: &FakeMachine) -> Vec<Address> {
    fake.machine().functions().iter().map(|report| report.address).collect()
}

/// Probes and drops a device that goes away one access later each time, until it has not gone at the end. Returns how
/// many times that was.
fn at_every_access<D: Driver>(make: Make, policy: ModePolicy) -> usize {
    for accesses in 0.. {
        let fake = make(policy);
        let (before, neighbour) = (stock(fake), Address::new(0, 0, 4, 0));
        let function = fake.machine().take(here()).expect("nobody has it");
        fake.remove_after(here(), accesses);
        match attach::<D>(function) {
            Ok(device) => drop(device),
            Err(error) if fake.is_removed(here()) => {
                assert_eq!(error, ProbeError::Gone(Gone { address: here() }), "after {accesses} accesses");
            }
            // The mode is not there.
            Err(ProbeError::Grant(_)) => return 0,
            Err(error) => panic!("a good device is refused: {error}"),
        }
        fake.machine().check_presence();
        fake.settle();
        assert_eq!(stock(fake), before, "after {accesses} accesses");
        assert_eq!(addresses(fake).contains(&here()), !fake.is_removed(here()), "after {accesses} accesses");
        assert!(fake.machine().take(neighbour).is_some_and(|function| function.claim().is_ok()));
        if !fake.is_removed(here()) {
            return accesses;
        }
    }
    unreachable!("a range without an end")
}

fn exhaust<D: Driver>(make: Make) {
    let counts = POLICIES.map(|policy| at_every_access::<D>(make, policy));
    assert!(counts.iter().any(|count| *count > 20), "{}: only {counts:?} accesses", D::NAME);
}

#[test]
fn at_every_access_of_virtio() {
    exhaust::<VirtioNet>(|policy| devices::virtio(policy, 0x1041));
    exhaust::<VirtioBlk>(|policy| devices::virtio(policy, 0x1042));
    exhaust::<VirtioRng>(|policy| devices::virtio(policy, 0x1044));
}

#[test]
fn at_every_access_of_the_intel_cards() {
    exhaust::<E1000>(devices::e1000);
    exhaust::<E1000e>(devices::e1000e);
}

#[test]
fn at_every_access_of_the_others() {
    exhaust::<Edu>(devices::edu);
    exhaust::<EduRaiser>(devices::edu);
    exhaust::<Ivshmem>(devices::ivshmem);
    exhaust::<Xhci>(devices::xhci);
    exhaust::<HotplugPort>(devices::port);
}

/// A waker that counts.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A probed device, on its own.
fn probed<D: Driver>(make: Make, policy: ModePolicy) -> Option<(&'static FakeMachine, D)> {
    let fake = make(policy);
    let device = attach(fake.machine().take(here()).expect("nobody has it")).ok()?;
    Some((fake, device))
}

/// Takes the device out in the way that only an interrupt or an access can tell, or so that the port says it.
fn pull(fake: &FakeMachine, is_told: bool) {
    fake.remove(here());
    if is_told {
        assert!(fake.machine().mark_removed(here()));
    } else {
        fake.machine().check_presence();
    }
    assert!(fake.machine().functions().iter().any(|report| report.state == State::Gone));
    fake.settle();
}

/// Polls a future that waits for its device, takes that out, and polls again: it was woken, and what it says.
fn waits_for_the_gone<R>(fake: &FakeMachine, is_told: bool, future: impl Future<Output = R>) -> R {
    let woken = Arc::new(Count::default());
    let waker = woken.clone().into();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    assert!(future.as_mut().poll(&mut context).is_pending(), "it has nothing to wait for");
    pull(fake, is_told);
    for _ in 0..10 {
        assert!(woken.0.swap(0, Ordering::SeqCst) > 0, "nobody was woken");
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return result;
        }
    }
    panic!("it waits for ever");
}

/// Calls `check` for each way to be told, with a device in each mode that there is, and looks that all comes back.
fn in_use<D: Driver>(make: Make, check: impl Fn(&'static FakeMachine, D, bool)) {
    let mut modes = 0;
    for (policy, is_told) in POLICIES.into_iter().flat_map(|policy| [(policy, true), (policy, false)]) {
        let Some((fake, device)) = probed::<D>(make, policy) else { continue };
        let before = stock(make(policy));
        check(fake, device, is_told);
        assert_eq!(stock(fake), before, "{policy:?}");
        assert!(!addresses(fake).contains(&here()), "{policy:?}");
        modes += 1;
    }
    assert!(modes > 0, "it was never probed");
}

#[test]
fn requests_under_way_end() {
    in_use(
        |policy| devices::virtio(policy, 0x1042),
        |fake, disk: VirtioBlk, is_told| {
            let mut buffer = [0; 1024];
            let outcome = waits_for_the_gone(fake, is_told, disk.read(7, &mut buffer));
            assert_eq!(outcome, Err(BlockError::Gone { sector: 7 }));
            let mut later = pin!(disk.write(9, &buffer));
            let outcome = later.as_mut().poll(&mut Context::from_waker(core::task::Waker::noop()));
            assert_eq!(outcome, Poll::Ready(Err(BlockError::Gone { sector: 9 })));
        },
    );
    in_use(
        |policy| devices::virtio(policy, 0x1044),
        |fake, mut rng: VirtioRng, is_told| {
            let outcome = waits_for_the_gone(fake, is_told, rng.fill(&mut [0; 8]));
            assert_eq!(outcome, Err(RngError::Gone(Gone { address: here() })));
        },
    );
    in_use(devices::edu, |fake, mut edu: Edu, is_told| {
        fake.write_register(here(), 0, 0x20, 1);
        assert_eq!(waits_for_the_gone(fake, is_told, edu.factorial(3)), Err(EduError::Gone));
    });
    in_use(devices::xhci, |fake, mut xhci: Xhci, is_told| {
        let outcome = waits_for_the_gone(fake, is_told, xhci.no_op());
        assert_eq!(outcome, Err(RaiseError::Gone(Gone { address: here() })));
    });
}

/// A card whose link was up: the stack's task is woken, and finds it down and without a frame.
fn link_goes_down<D: NetDriver>(fake: &FakeMachine, mut card: D, is_told: bool) {
    let down = core::future::poll_fn(|context| {
        let _ = card.receive(context).map(drop);
        let is_up = card.link_state(context) == LinkState::Up;
        if is_up { Poll::Pending } else { Poll::Ready(card.transmit(context).is_none()) }
    });
    assert!(waits_for_the_gone(fake, is_told, down), "it still sends");
}

#[test]
fn links_go_down() {
    in_use(
        |policy| devices::virtio(policy, 0x1041),
        |fake, card: VirtioNet, is_told| link_goes_down(fake, card, is_told),
    );
    in_use(devices::e1000, |fake, card: E1000, is_told| link_goes_down(fake, card, is_told));
}

#[test]
fn nothing_is_raised_any_more() {
    fn check<D: Driver + Raise>(fake: &'static FakeMachine, mut device: D, is_told: bool) {
        assert_eq!(device.raise(0), Ok(()));
        pull(fake, is_told);
        assert_eq!(device.raise(0), Err(RaiseError::Gone(Gone { address: here() })), "{}", D::NAME);
    }
    in_use(devices::edu, check::<EduRaiser>);
    in_use(devices::e1000e, check::<E1000e>);
    in_use(devices::xhci, check::<Xhci>);
    in_use(devices::ivshmem, check::<Ivshmem>);
}

#[test]
fn a_line_that_is_shared_goes_on_when_one_of_its_functions_is_gone() {
    let (fake, edu) = probed::<Edu>(devices::edu, ModePolicy::INTX).expect("it has a pin");
    assert_eq!(edu.mode(), Mode::Intx);
    fake.remove(here());
    // The other pulls the wire: the one that is gone finds out, and does not claim it.
    for _ in 0..5 {
        assert!(fake.pull(10));
    }
    let rows = fake.machine().interrupt_report();
    assert_eq!((rows[0].count, rows[0].unclaimed, fake.machine().has_storm()), (5, 5, false));
    assert_eq!(fake.machine().functions()[0].state, State::Gone);
    drop(edu);
    assert_eq!(addresses(fake), [Address::new(0, 0, 4, 0)]);
}

/// Nobody waits by the clock here.
struct NoDelay;

impl embedded_hal_async::delay::DelayNs for NoDelay {
    async fn delay_ns(&mut self, _: u32) {
        core::future::pending::<()>().await;
    }
}

#[test]
fn a_port_that_is_gone_takes_with_it_what_was_behind() {
    in_use(devices::port, |fake, port: HotplugPort, is_told| {
        let (runner, mut slot) = port.split(0);
        let function = fake.machine().take(Address::new(0, 1, 0, 0)).expect("nobody has it");
        waits_for_the_gone(fake, is_told, runner.run(NoDelay));
        assert!(function.presence().is_gone());
        let mut context = Context::from_waker(core::task::Waker::noop());
        let mut next = || pin!(slot.next()).poll(&mut context);
        assert_eq!((next(), next()), (Poll::Ready(Some(SlotChange::Gone)), Poll::Ready(None)));
    });
}
