//! Tests of synchronised calls, and of the release of resources by dropping.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use switchboard::interrupt::{Claim, InIsr, Interrupts, LineIsr, MessageIsr, Mode};
use switchboard::sync::IrqLock;
use switchboard_testing::FakeMachine;

use crate::{Nic, Shared, address, nic, port};

#[test]
fn nothing_is_served_during_a_synchronised_call_and_nothing_is_lost() {
    let fake = FakeMachine::new([nic(), nic().at("00:07.0"), nic().at("00:08.0").msi(1)]);
    let [shared, other, third] = [Shared::raising(9), Shared::raising(9), Shared::raising(0)];
    let mut live = port(&fake, 3).grant_line().unwrap().register(shared.clone()).unmask();
    let _other = port(&fake, 7).grant_line().unwrap().register(other.clone()).unmask();
    live.synchronize(|_| {
        assert_eq!(fake.mode(address(3)), None, "its function deasserts the line");
        assert!(fake.assert_line(11), "the others do not");
        assert_eq!((shared.calls(), other.calls()), (0, 1));
    });
    assert!(fake.assert_line(11));
    assert_eq!((shared.calls(), other.calls()), (1, 2));

    let mut messages = port(&fake, 8).grant_messages::<3, _>().unwrap().register(third.clone()).unmask();
    messages
        .synchronize(|_| assert!(fake.send(address(8), 0).is_none(), "MSI without mask bits keeps nothing pending"));
    assert!(third.messages().is_empty());
    fake.deliver_raised();
    assert_eq!(third.messages(), [Nic::Rx, Nic::Tx, Nic::Link], "every handler is called once instead");
}

#[test]
fn a_registration_is_masked_and_unmasked_whatever_its_mode_is() {
    for function in [nic(), nic().msi(1), nic().msix(4, 1, 0, 0x800)] {
        let fake = FakeMachine::new([function]);
        let shared = Shared::raising(0);
        let live = port(&fake, 3).grant().unwrap().register(shared.clone()).unmask();
        let mode = live.mode();
        assert_eq!(format!("{live:?}"), format!("Interrupts({mode})"));
        let masked = live.mask();
        let raise = || match mode {
            Mode::Intx => fake.assert_line(11),
            _ => fake.send(address(3), 1).is_some(),
        };
        assert!(!raise(), "{mode}: no handler is called");
        let calls = || shared.calls() + shared.messages().len();
        assert_eq!(calls(), 0, "{mode}");
        let _live = masked.unmask();
        raise();
        fake.deliver_raised();
        assert!(calls() > 0, "{mode}");
    }
}

#[test]
fn a_registration_outlives_a_reset_of_its_function() {
    for (function, id) in [(nic().msix(4, 1, 0, 0x800), 0x11), (nic().msi(4), 0x05)] {
        let fake = FakeMachine::new([function]);
        let shared = Shared::raising(0);
        let live = port(&fake, 3).grant_messages::<3, _>().unwrap().register(shared.clone()).unmask();
        let masked = live.mask();
        // The reset: Command, the capability's control and address, and the table are as after power-on.
        let capability = fake.find_capability(address(3), id).expect("there");
        let control = if id == 0x11 { 3 } else { 0x84 };
        for (offset, value) in [(4, 0), (capability + 2, control)] {
            fake.set_config(address(3), offset, value);
        }
        if id == 0x11 {
            (0..16).for_each(|word| fake.write_register(address(3), 1, 4 * word, u32::from(word % 4 == 3)));
        } else {
            (4..14).step_by(2).for_each(|offset| fake.set_config(address(3), capability + offset, 0));
        }
        assert!(fake.send(address(3), 1).is_none());
        let live = masked.unmask();
        fake.send(address(3), 1).expect("sent");
        assert_eq!(shared.messages(), [Nic::Tx]);
        drop(live);
    }
}

#[test]
fn dropping_releases_everything_in_every_mode_and_state() {
    for function in [nic().msix(4, 1, 0, 0x800), nic().msi(4), nic()] {
        let fake = FakeMachine::new([function]);
        let free = fake.machine().free_vectors();
        let shared = Shared::raising(0);
        for steps in 0..300 {
            let granted = port(&fake, 3).grant::<3, Shared>().unwrap();
            match steps % 3 {
                0 => drop(granted),
                1 => drop(granted.register(shared.clone())),
                _ => drop(granted.register(shared.clone()).unmask()),
            }
            assert_eq!(fake.mode(address(3)), None);
        }
        assert_eq!(Arc::strong_count(&shared), 1, "the context was dropped with the registration");
        assert_eq!(fake.machine().free_vectors(), free);
        assert!(fake.machine().interrupt_report().is_empty());
        assert_eq!(fake.machine().functions()[0].mode, None);
    }
}

#[test]
fn a_forgotten_registration_leaks_and_stays_sound() {
    let fake = FakeMachine::new([nic().msix(4, 1, 0, 0x800)]);
    let shared = Shared::raising(0);
    let live = port(&fake, 3).grant_messages::<3, _>().unwrap().register(shared.clone()).unmask();
    #[expect(clippy::mem_forget, reason = "what the test is about")]
    core::mem::forget(live);
    fake.send(address(3), 0).expect("sent");
    assert_eq!(shared.messages(), [Nic::Rx]);
}

/// A context whose handler drops the registration that it is called by.
struct DropsItself(IrqLock<Option<Interrupts<1, DropsItself, switchboard::interrupt::Live>>>, Arc<AtomicUsize>);

switchboard::messages! {
    enum Last { Word }
}

impl MessageIsr<1> for DropsItself {
    type Message = Last;
    fn on_message(&self, Last::Word: Last, _isr: &InIsr<'_>) {
        let own = self.0.lock().take();
        drop(own);
        // `self` must still be there.
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

impl LineIsr for DropsItself {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        self.on_message(Last::Word, isr);
        Claim::Mine
    }
}

#[test]
fn a_handler_may_drop_its_own_registration() {
    for function in [nic().msix(1, 1, 0, 0x800), nic()] {
        let fake = FakeMachine::new([function]);
        let free = fake.machine().free_vectors();
        let calls = Arc::new(AtomicUsize::new(0));
        for round in 1..=3 {
            let shared = Arc::new(DropsItself(IrqLock::new(None), calls.clone()));
            let live = port(&fake, 3).grant().unwrap().register(shared.clone()).unmask();
            *shared.0.lock() = Some(live);
            drop(shared);
            let sent = fake.send(address(3), 0).is_some() || fake.assert_line(11);
            assert!(sent && calls.load(Ordering::Relaxed) == round);
            assert_eq!(fake.machine().free_vectors(), free);
        }
    }
}
