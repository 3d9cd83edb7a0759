//! Tests of messages: names, folding, masks, tables.

use std::sync::Arc;

use switchboard::config::Defect;
use switchboard::interrupt::{GrantError, LineAsMessage, Mode, Pin, ServiceMessage};
use switchboard_testing::FakeMachine;

use crate::{Counting, Nic, Shared, address, nic, port};

#[test]
fn each_message_arrives_by_its_name() {
    for (function, first_unused) in [(nic().msix(5, 1, 0x100, 0x800), 3), (nic().msi(8), 4)] {
        let fake = FakeMachine::new([function]);
        let shared = Shared::raising(0);
        let messages = port(&fake, 3).grant_messages().unwrap().register(shared.clone()).unmask();
        assert_eq!([Nic::Rx, Nic::Tx, Nic::Link].map(|message| messages.entry(message)), [0, 1, 2]);
        for entry in [2, 0, 1] {
            fake.send(address(3), entry).expect("sent");
        }
        assert_eq!(shared.messages(), [Nic::Link, Nic::Rx, Nic::Tx]);
        // Entries that were not granted send nothing.
        assert!((first_unused..9).all(|entry| fake.send(address(3), entry).is_none()));
    }
}

#[test]
fn few_entries_fold_and_the_first_messages_keep_their_own() {
    let fake = FakeMachine::new([nic().msix(2, 1, 0, 0x800)]);
    let shared = Shared::raising(0);
    let messages = port(&fake, 3).grant_messages().unwrap().register(shared.clone()).unmask();
    assert_eq!(messages.folding().collect::<Vec<_>>(), [vec![Nic::Rx], vec![Nic::Tx, Nic::Link]]);
    fake.send(address(3), messages.entry(Nic::Rx)).expect("sent");
    fake.send(address(3), messages.entry(Nic::Link)).expect("sent");
    assert_eq!(shared.messages(), [Nic::Rx, Nic::Tx, Nic::Link]);
    let reports = fake.machine().interrupt_report();
    assert_eq!(reports.iter().map(|report| report.names.join("+")).collect::<Vec<_>>(), ["Rx", "Tx+Link"]);
    assert!(reports.iter().all(|report| report.count == 1 && report.mode == Mode::Msix));
}

#[test]
fn few_vectors_fold_and_no_vector_is_an_error_with_their_number() {
    for (left, folds) in [(3, 3), (2, 2), (1, 1)] {
        let fake = FakeMachine::new([nic().msix(4, 1, 0, 0x800)]);
        fake.machine().limit_vectors(left);
        assert_eq!(port(&fake, 3).grant_messages::<3, Shared>().unwrap().vectors(), folds);
    }
    let fake = FakeMachine::new([nic().msix(4, 1, 0, 0x800)]);
    fake.machine().limit_vectors(0);
    let (error, _port) = port(&fake, 3).grant::<3, Shared>().unwrap_err();
    assert_eq!(error.to_string(), "out of vectors: 1 wanted, 0 free");
}

#[test]
fn a_masked_message_stays_pending_until_the_unmask() {
    let fake = FakeMachine::new([nic().msix(4, 1, 0, 0x800)]);
    let shared = Shared::raising(0);
    let masked = port(&fake, 3).grant_messages().unwrap().register(shared.clone());
    assert!(fake.send(address(3), 0).is_none(), "masked at the source");
    let mut live = masked.unmask();
    let mut entries = live.as_msix().expect("MSI-X");
    assert!(entries.is_pending(Nic::Rx) && !entries.is_pending(Nic::Tx));
    entries.mask(Nic::Tx);
    assert!(fake.send(address(3), 1).is_none());
    entries.unmask(Nic::Tx);
    fake.send(address(3), 1).expect("sent");
    let masked = live.mask();
    assert!(fake.send(address(3), 1).is_none());
    assert_eq!(shared.messages(), [Nic::Tx]);
    drop(masked);
}

#[test]
fn a_driver_may_mask_a_message_while_it_polls() {
    let fake = FakeMachine::new([nic().msix(4, 1, 0, 0x800)]);
    let shared = Shared::raising(0);
    let granted = port(&fake, 3).grant_messages::<3, Shared>().unwrap();
    let rx = granted.mask_of(Nic::Rx).expect("MSI-X");
    rx.unmask();
    let masked = granted.register(shared.clone());
    assert!(fake.send(address(3), 0).is_none(), "the registration is not live yet");
    let live = masked.unmask();
    rx.mask();
    assert!(fake.send(address(3), 0).is_none() && fake.send(address(3), 1).is_some());
    let live = live.mask().unmask();
    assert!(fake.send(address(3), 0).is_none(), "it still polls");
    rx.unmask();
    fake.send(address(3), 0).expect("sent");
    assert_eq!(shared.messages(), [Nic::Tx, Nic::Rx]);
    drop(live);
    rx.unmask();
    assert!(fake.send(address(3), 0).is_none(), "the registration was dropped");

    let fake = FakeMachine::new([nic().msi(4)]);
    assert!(port(&fake, 3).grant_messages::<3, Shared>().unwrap().mask_of(Nic::Rx).is_none());
}

#[test]
fn one_more_message_can_be_granted_later() {
    let fake = FakeMachine::new([nic().msix(5, 1, 0, 0x800)]);
    let (shared, later) = (Shared::raising(0), Arc::new(LineAsMessage(Shared { mine: 9.into(), ..Shared::default() })));
    let mut live = port(&fake, 3).grant_messages::<3, Shared>().unwrap().register(shared.clone()).unmask();
    let fourth =
        live.as_msix().expect("MSI-X").another::<LineAsMessage<Shared>>().unwrap().register(later.clone()).unmask();
    assert_eq!(fourth.entry(ServiceMessage), 3);
    let fifth = live.as_msix().expect("MSI-X").another::<LineAsMessage<Shared>>().unwrap();
    let none = live.as_msix().expect("MSI-X").another::<LineAsMessage<Shared>>().unwrap_err();
    assert_eq!(none.to_string(), "all 5 entries are in use");
    drop((fifth, live));
    fake.send(address(3), 3).expect("it outlives the others");
    assert!(fake.send(address(3), 0).is_none());
    assert_eq!((later.0.calls(), shared.messages().len()), (1, 0));
    assert_eq!(fake.machine().functions()[0].mode, Some(Mode::Msix));
    drop(fourth);
    assert_eq!(fake.machine().functions()[0].mode, None);
}

#[test]
fn each_message_may_have_a_handler_with_state_of_its_own() {
    use switchboard::interrupt::Each;
    let routine = || Counting { calls: 0 };
    for entries in [4, 2] {
        let fake = FakeMachine::new([nic().msix(entries, 1, 0, 0x800)]);
        let granted = port(&fake, 3).grant_messages::<3, Each<Nic, (Counting, Counting, Counting)>>().unwrap();
        let mut live = granted.register_each((routine(), routine(), routine())).unmask();
        for message in [Nic::Rx, Nic::Link, Nic::Rx] {
            fake.send(address(3), live.entry(message)).expect("sent");
        }
        let calls = live.with_routines(|(rx, tx, link)| [rx.calls, tx.calls, link.calls]);
        assert_eq!(calls, if entries == 4 { [2, 0, 1] } else { [2, 1, 1] });
    }
}

#[test]
fn messages_to_vectors_without_a_handler_are_counted() {
    let fake = FakeMachine::new([nic()]);
    for vector in 32..=255 {
        fake.deliver(vector);
    }
    assert_eq!(fake.machine().unexpected_interrupts(), 224);
}

#[test]
fn an_invalid_table_is_refused_and_the_line_is_granted() {
    for (bar, table) in [(5, 0), (1, 0xff0), (7, 0)] {
        let fake = FakeMachine::new([nic().msix(4, bar, table, 0x800)]);
        let (error, port) = port(&fake, 3).grant_messages::<3, Shared>().unwrap_err();
        assert!(matches!(error, GrantError::Defect(Defect::Msix { .. })), "{error}");
        assert_eq!(port.grant::<3, Shared>().unwrap().mode(), Mode::Intx);
    }
    assert_eq!(Pin::from_register(5), None);
}
