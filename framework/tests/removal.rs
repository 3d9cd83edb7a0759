//! Surprise removal of a function: waking of its tasks and handlers, and release of its resources.

use core::pin::pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll};
use std::sync::Arc;
use std::task::Wake;

use switchboard::config::Address;
use switchboard::function::{FunctionState, Resources};
use switchboard::interrupt::{Claim, GrantError, InIsr, LineAsMessage, LineIsr, MessageIsr, Mode};
use switchboard::messages;
use switchboard::mmio::MapError;
use switchboard_testing::{FakeFunction, FakeMachine};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

messages! {
    enum OnlyMessage { Only }
}

impl MessageIsr<1> for Count {
    type Message = OnlyMessage;

    fn on_message(&self, OnlyMessage::Only: OnlyMessage, _isr: &InIsr<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn here() -> Address {
    Address::new(0, 0, 3, 0)
}

fn machine() -> FakeMachine {
    let function = FakeFunction::new(0x1234, 0x11e8).at("00:03.0").bar(0, 0x1000).bar(1, 0x1000).pin(1, 11);
    FakeMachine::new([function.msix(4, 1, 0, 0x800)])
}

#[test]
fn removal_wakes_waiting_tasks_and_calls_the_handlers_once_more() {
    let fake = machine();
    let free = fake.machine().free_vectors();
    let function = fake.machine().take(here()).expect("free");
    let presence = function.presence();
    let Resources { irq, dma, config, .. } = function.claim().expect("a claim");
    let calls = Arc::new(Count::default());
    let messages = irq.grant_messages().expect("messages").register(calls.clone()).unmask();
    let memory = dma.buffer(4096).expect("memory");
    let woken = Arc::new(Count::default());
    let waker = woken.clone().into();
    let mut gone = pin!(presence.gone());
    assert_eq!(gone.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
    assert_eq!(presence.confirm(), Ok(()));

    fake.remove(here());
    assert!(!presence.is_gone(), "the removal was not reported yet");
    assert_eq!(presence.confirm().map_err(|gone| gone.address), Err(here()));
    assert_eq!((presence.is_gone(), presence.check().is_err()), (true, true));
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert_eq!(gone.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Ready(()));
    fake.deliver_raised();
    assert_eq!(calls.0.load(Ordering::SeqCst), 1);
    // A second report has no effect.
    assert!(fake.machine().mark_removed(here()));
    fake.deliver_raised();
    assert_eq!(calls.0.load(Ordering::SeqCst), 1);
    assert_eq!(fake.machine().functions()[0].state, FunctionState::Gone);

    drop((messages, memory, dma));
    assert_eq!((fake.machine().free_vectors(), fake.machine().interrupt_report().len()), (free, 0));
    assert_eq!(fake.machine().functions().len(), 1, "the driver still owns its configuration space");
    drop(config);
    assert_eq!((fake.machine().functions().len(), fake.dma_pages()), (0, 0));
    assert!(!fake.machine().mark_removed(here()));
}

#[test]
fn a_removed_function_maps_and_grants_nothing() {
    let fake = machine();
    let resources = fake.machine().take(here()).expect("free").claim().expect("a claim");
    fake.remove(here());
    let Err((error, port)) = resources.irq.grant_messages::<1, Count>() else { panic!("it was granted") };
    assert!(matches!(error, GrantError::Gone(gone) if gone.address == here()));
    assert!(matches!(port.grant_messages::<1, Count>(), Err((GrantError::Gone(_), _))));
    assert!(matches!(resources.bar0.windows(), Err((MapError::Gone(found), _)) if found.address == here()));
}

#[test]
fn the_record_of_an_unclaimed_function_is_dropped_at_once() {
    let fake = machine();
    fake.remove(here());
    assert_eq!(fake.machine().check_presence(), 1);
    assert!(fake.machine().functions().is_empty());
    assert!(fake.machine().take(here()).is_none());
}

#[test]
fn a_card_at_the_same_address_is_another_function() {
    let fake = machine();
    let function = fake.machine().take(here()).expect("free");
    let presence = function.presence();
    // The same slot, another card: its Device ID is not that of the function that was found.
    fake.set_config(here(), 2, 0x5678);
    assert!(function.claim().is_err());
    fake.machine().scan();
    assert_eq!(fake.machine().functions()[0].device, 0x5678);
    let other = fake.machine().take(here()).expect("the new one");
    assert!(presence.is_gone() && !other.presence().is_gone());
    assert!(other.claim().is_ok());
}

/// Returns every word of the function's configuration space.
fn configuration(fake: &FakeMachine) -> Vec<u16> {
    (0..128).map(|word| fake.read_config(here(), 2 * word)).collect()
}

#[test]
fn releasing_a_removed_function_does_not_write_to_its_successor() {
    for mode in [Mode::Intx, Mode::Msi, Mode::Msix] {
        let function = || FakeFunction::new(0x1234, 0x11e8).at("00:03.0").bar(0, 0x1000).bar(1, 0x1000).pin(1, 11);
        let offered = || function().msi_with(4, true, true).msix(4, 1, 0, 0x800);
        let fake = FakeMachine::new([offered()]);
        let Resources { irq, dma, .. } = fake.machine().take(here()).expect("free").claim().expect("a claim");
        let handler = Arc::new(Count::default());
        let interrupts =
            irq.prefer(mode).grant_service().expect("granted").register(Arc::new(LineAsMessage(Service(handler))));
        let interrupts = interrupts.unmask();
        assert_eq!(interrupts.mode(), mode);
        let memory = dma.buffer(4096).expect("memory");
        fake.remove(here());
        fake.insert(offered().byte(2, 1));
        assert_eq!(fake.machine().check_presence(), 1);
        let before = configuration(&fake);
        drop((interrupts, memory, dma));
        fake.machine().scan();
        let mut after = configuration(&fake);
        // The release of the old function writes Command, which sets INTx Disable, and nothing else.
        assert_eq!(core::mem::replace(&mut after[2], before[2]), 0x400, "{mode}");
        assert_eq!(before, after, "{mode}");
        assert_eq!((fake.machine().functions()[0].device, fake.dma_pages()), (0x1101, 0));
        assert_eq!(fake.machine().interrupt_report().len(), 0);
    }
}

/// A handler for line and message.
struct Service(Arc<Count>);

impl LineIsr for Service {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        Claim::Mine
    }
}

/// Returns a function with everything that a walk reads.
fn walked(at: &str) -> FakeFunction {
    let function = FakeFunction::new(0x1234, 0x11e8).at(at).pin(1, 11).bar(0, 0x1000).bar(2, 0x4000);
    function.msi_with(4, true, true).msix(4, 2, 0, 0x800).capability(9, &[16, 1, 0])
}

#[test]
fn a_walk_continues_when_a_function_is_removed_during_it() {
    let address = |bus, device| Address::new(0, bus, device, 0);
    let seen = |fake: &FakeMachine| -> Vec<Address> {
        fake.machine().functions().iter().map(|report| report.address).collect()
    };
    // The function that is removed; the functions behind it are out of reach then.
    for leaving in [address(0, 3), address(0, 4), address(1, 0)] {
        for accesses in 0.. {
            let fake = FakeMachine::new([]);
            fake.insert(FakeFunction::new(0x8086, 0x29c0).at("00:00.0"));
            fake.insert(walked("00:03.0"));
            fake.insert(FakeFunction::new(0x1b36, 0x000c).at("00:04.0").root_port(1, 0x60));
            fake.insert(walked("01:00.0"));
            fake.insert(walked("00:05.0"));
            fake.remove_after(leaving, accesses);
            fake.machine().scan();
            let found = seen(&fake);
            for other in [address(0, 0), address(0, 3), address(0, 4), address(0, 5)] {
                assert!(found.contains(&other) || other == leaving, "{other} after {accesses} of {leaving}");
            }
            let untouched =
                &fake.machine().functions()[found.iter().position(|other| *other == address(0, 5)).expect("there")];
            assert_eq!((untouched.bars.len(), untouched.offers.msi, untouched.offers.msix), (2, 4, 4));
            // A function that is removed during the walk is in the inventory only if it was complete when it was added.
            fake.machine().check_presence();
            assert_eq!(seen(&fake).contains(&leaving), !fake.is_removed(leaving), "after {accesses} of {leaving}");
            let taken = fake.machine().take_all();
            assert!(taken.iter().all(|function| function.address() != leaving) || !fake.is_removed(leaving));
            if !fake.is_removed(leaving) {
                assert!(accesses > 20, "only {accesses} accesses to {leaving}");
                break;
            }
        }
    }
}
