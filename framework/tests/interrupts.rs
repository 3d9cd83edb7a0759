//! The typed interrupts on a machine made of memory: every mode, from grant to drop.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use switchboard::config::Address;
use switchboard::fake::{FakeFunction, FakeMachine};
use switchboard::function::Resources;
use switchboard::interrupt::{
    Claim, Either, GrantError, InIsr, InterruptPort, Interrupts, LineIsr, MessageIsr, Mode, ModePolicy, Pin, TheMessage,
};
use switchboard::sync::IrqLock;

switchboard::messages! {
    enum Nic { Rx, Tx, Link }
}

#[derive(Default)]
struct Shared {
    mine: AtomicUsize,
    calls: AtomicUsize,
    messages: IrqLockLog,
}

#[derive(Default)]
struct IrqLockLog(std::sync::Mutex<Vec<Nic>>);

impl Shared {
    /// A context whose line handler claims the next `count` interrupts.
    fn raising(count: usize) -> Arc<Self> {
        Arc::new(Self { mine: AtomicUsize::new(count), ..Self::default() })
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    fn messages(&self) -> Vec<Nic> {
        self.messages.0.lock().unwrap().clone()
    }
}

impl LineIsr for Shared {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        self.calls.fetch_add(1, Ordering::Relaxed);
        match self.mine.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |mine| mine.checked_sub(1)) {
            Ok(_) => Claim::Mine,
            Err(_) => Claim::NotMine,
        }
    }
}

impl MessageIsr<3> for Shared {
    type Message = Nic;
    fn on_message(&self, message: Nic, _isr: &InIsr<'_>) {
        self.messages.0.lock().unwrap().push(message);
    }
}

fn address(device: u8) -> Address {
    Address::new(0, 0, device, 0)
}

fn nic() -> FakeFunction {
    FakeFunction::new(0x1af4, 0x1041).at("00:03.0").bar(1, 0x1000).pin(1, 11)
}

fn port(fake: &FakeMachine, device: u8) -> InterruptPort {
    let Resources { irq, .. } = fake.machine().take(address(device)).expect("a function").claim().expect("claimed");
    irq
}

#[test]
fn a_claimed_function_is_silent() {
    let fake = FakeMachine::new([nic().msi(4).msix(4, 1, 0, 0x800)]);
    assert_eq!(fake.mode(address(3)), Some(Mode::Intx), "INTx is what a function begins with");
    let irq = port(&fake, 3);
    assert_eq!(fake.mode(address(3)), None);
    assert_eq!(irq.offers().to_string(), "INTA, MSI 4, MSI-X 4");
}

#[test]
fn the_ladder_prefers_msix_then_msi_then_the_line() {
    let functions = [nic().msi(4).msix(4, 1, 0, 0x800), nic().msi(4), nic()];
    for (function, mode) in functions.into_iter().zip([Mode::Msix, Mode::Msi, Mode::Intx]) {
        let fake = FakeMachine::new([function]);
        let live = port(&fake, 3).grant().unwrap().register(Shared::raising(0)).unmask();
        assert_eq!((live.mode(), fake.mode(address(3))), (mode, Some(mode)));
        assert_eq!(fake.machine().functions()[0].mode, Some(mode));
    }
}

#[test]
fn a_forced_mode_is_the_only_one() {
    let fake = FakeMachine::with_policy(ModePolicy::MSIX, [nic().msi(1)]);
    let (error, _port) = port(&fake, 3).grant::<3, Shared>().unwrap_err();
    assert!(matches!(error, GrantError::NoMode { .. }));
    assert_eq!(
        error.to_string(),
        "no interrupt mode fits: the function offers INTA, MSI 1, MSI-X 0; the machine permits msix"
    );
}

#[test]
fn each_message_arrives_by_its_name() {
    for (function, first_silent) in [(nic().msix(5, 1, 0x100, 0x800), 3), (nic().msi(8), 4)] {
        let fake = FakeMachine::new([function]);
        let shared = Shared::raising(0);
        let messages = port(&fake, 3).grant_messages().unwrap().register(shared.clone()).unmask();
        assert_eq!([Nic::Rx, Nic::Tx, Nic::Link].map(|message| messages.entry(message)), [0, 1, 2]);
        for entry in [2, 0, 1] {
            fake.send(address(3), entry).expect("sent");
        }
        assert_eq!(shared.messages(), [Nic::Link, Nic::Rx, Nic::Tx]);
        // Entries and vectors that were not asked for reach nobody.
        assert!((first_silent..9).all(|entry| fake.send(address(3), entry).is_none()));
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
    let rows = fake.machine().vectors.report();
    assert_eq!(rows.iter().map(|row| row.names.join("+")).collect::<Vec<_>>(), ["Rx", "Tx+Link"]);
    assert!(rows.iter().all(|row| row.count == 1 && row.mode == Mode::Msix));
}

#[test]
fn few_vectors_fold_and_none_is_an_error_that_counts_them() {
    for (left, folds) in [(3, 3), (2, 2), (1, 1)] {
        let fake = FakeMachine::new([nic().msix(4, 1, 0, 0x800)]);
        fake.machine().vectors.limit(left);
        assert_eq!(port(&fake, 3).grant_messages::<3, Shared>().unwrap().vectors(), folds);
    }
    let fake = FakeMachine::new([nic().msix(4, 1, 0, 0x800)]);
    fake.machine().vectors.limit(0);
    let (error, _port) = port(&fake, 3).grant::<3, Shared>().unwrap_err();
    assert_eq!(error.to_string(), "out of vectors: 1 wanted, 0 free");
}

#[test]
fn a_masked_message_stays_pending_and_comes_with_the_unmask() {
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
fn a_driver_may_prefer_a_mode_and_ask_for_a_minimum() {
    let all = || FakeMachine::new([nic().msi(2).msix(4, 1, 0, 0x800)]);
    for mode in [Mode::Msix, Mode::Msi, Mode::Intx] {
        let fake = all();
        assert_eq!(port(&fake, 3).prefer(mode).grant::<3, Shared>().unwrap().mode(), mode);
    }
    let fake = all();
    fake.machine().vectors.limit(2);
    let (error, port) = port(&fake, 3).at_least(3).grant_messages::<3, Shared>().unwrap_err();
    assert_eq!(error.to_string(), "3 vectors are the driver's minimum, 2 can be granted");
    assert_eq!(port.grant::<3, Shared>().unwrap().mode(), Mode::Intx, "the minimum is for messages");
}

#[test]
fn one_more_message_can_be_bound_after_the_fact() {
    let fake = FakeMachine::new([nic().msix(5, 1, 0, 0x800)]);
    let (shared, later) = (Shared::raising(0), Arc::new(Either(Shared { mine: 9.into(), ..Shared::default() })));
    let mut live = port(&fake, 3).grant_messages::<3, Shared>().unwrap().register(shared.clone()).unmask();
    let fourth = live.as_msix().expect("MSI-X").another::<Either<Shared>>().unwrap().register(later.clone()).unmask();
    assert_eq!(fourth.entry(TheMessage), 3);
    let fifth = live.as_msix().expect("MSI-X").another::<Either<Shared>>().unwrap();
    let none = live.as_msix().expect("MSI-X").another::<Either<Shared>>().unwrap_err();
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
fn nothing_is_served_during_a_synchronised_call_and_nothing_is_lost() {
    let fake = FakeMachine::new([nic(), nic().at("00:07.0"), nic().at("00:08.0").msi(1)]);
    let [shared, other, third] = [Shared::raising(9), Shared::raising(9), Shared::raising(0)];
    let mut live = port(&fake, 3).grant_line().unwrap().register(shared.clone()).unmask();
    let _other = port(&fake, 7).grant_line().unwrap().register(other.clone()).unmask();
    live.synchronize(|_| {
        assert_eq!(fake.mode(address(3)), None, "its function has let go of the wire");
        assert!(fake.pull(11), "the others have not");
        assert_eq!((shared.calls(), other.calls()), (0, 1));
    });
    assert!(fake.pull(11));
    assert_eq!((shared.calls(), other.calls()), (1, 2));

    let mut messages = port(&fake, 8).grant_messages::<3, _>().unwrap().register(third.clone()).unmask();
    messages.synchronize(|_| assert!(fake.send(address(8), 0).is_none(), "MSI has nowhere to keep it"));
    assert!(third.messages().is_empty());
    fake.settle();
    assert_eq!(third.messages(), [Nic::Rx, Nic::Tx, Nic::Link], "so every handler is called once");
}

/// A routine with state of its own, which needs neither atomics nor locks.
struct Counting {
    calls: usize,
}

impl switchboard::interrupt::MessageRoutine for Counting {
    fn on_message(&mut self, _isr: &InIsr<'_>) {
        self.calls += 1;
    }
}

impl switchboard::interrupt::LineRoutine for Counting {
    fn on_line(&mut self, _isr: &InIsr<'_>) -> Claim {
        self.calls += 1;
        if self.calls % 2 == 1 { Claim::Mine } else { Claim::NotMine }
    }
}

#[test]
fn each_message_may_have_a_routine_with_state_of_its_own() {
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
fn a_line_may_have_a_routine_with_state_of_its_own() {
    let fake = FakeMachine::new([nic()]);
    let granted = port(&fake, 3).grant_line().unwrap();
    let mut live = granted.register_exclusive(Counting { calls: 0 }).unmask();
    assert!(fake.pull(11) && fake.pull(11));
    assert_eq!(live.with_state(|counting| core::mem::take(&mut counting.calls)), 2);
    assert!(fake.pull(11));
    assert_eq!(live.with_state(|counting| counting.calls), 1);
    assert_eq!(fake.machine().vectors.report()[0].unclaimed, 1);
}

#[test]
fn dropping_gives_everything_back_in_every_mode_and_state() {
    for function in [nic().msix(4, 1, 0, 0x800), nic().msi(4), nic()] {
        let fake = FakeMachine::new([function]);
        let free = fake.machine().vectors.free();
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
        assert_eq!(Arc::strong_count(&shared), 1, "the context went with the registration");
        assert_eq!(fake.machine().vectors.free(), free);
        assert!(fake.machine().vectors.report().is_empty());
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

#[test]
fn every_sharer_is_asked_and_has_its_own_counts() {
    let functions = ["00:03.0", "00:07.0", "00:0b.0"].map(|at| nic().at(at));
    let fake = FakeMachine::new(functions);
    let shared = [Shared::raising(5), Shared::raising(0), Shared::raising(2)];
    let live = [3, 7, 11].map(|device| {
        let place = usize::from(device / 4);
        port(&fake, device).grant_line().unwrap().register(shared[place].clone()).unmask()
    });
    for _ in 0..5 {
        assert!(fake.pull(11));
    }
    let rows = fake.machine().vectors.report();
    assert_eq!(rows.iter().map(|row| (row.count, row.unclaimed)).collect::<Vec<_>>(), [(5, 0), (5, 5), (5, 3)]);
    assert!(rows.iter().all(|row| row.vector == rows[0].vector && row.gsi == Some(live[0].gsi())));
    let [first, second, third] = live;
    drop(second);
    fake.pull(11);
    assert_eq!(shared.each_ref().map(|shared| shared.calls()), [6, 5, 6]);
    drop(first);
    assert!(fake.pull(11), "a sharer is left");
    drop(third);
    assert!(!fake.pull(11), "nobody is left");
}

#[test]
fn a_storm_trips_the_breaker_and_a_newcomer_resets_it() {
    let fake = FakeMachine::new([nic(), nic().at("00:07.0")]);
    let shared = Shared::raising(1);
    let _live = port(&fake, 3).grant_line().unwrap().register(shared.clone()).unmask();
    let delivered = (0..10_000).take_while(|_| fake.pull(11)).count();
    assert_eq!((delivered, shared.calls()), (1_001, 1_001), "one claimed, then a thousand unclaimed");
    assert_eq!(fake.machine().vectors.storms(), 1);
    for _ in 0..5 {
        fake.machine().tend_lines();
        assert_eq!((0..100).take_while(|_| fake.pull(11)).count(), 10, "polled slowly");
    }
    fake.machine().tend_lines();
    fake.machine().tend_lines();
    assert_eq!((0..100).take_while(|_| fake.pull(11)).count(), 100, "it behaved for a while");
    assert_eq!(fake.machine().vectors.storms(), 1, "reported once");
    let _ = (0..10_000).take_while(|_| fake.pull(11)).count();
    let _other = port(&fake, 7).grant_line().unwrap().register(Shared::raising(1)).unmask();
    assert!(fake.pull(11));
}

#[test]
fn one_routine_serves_both_forms() {
    for (function, mode) in [(nic().msi(1), Mode::Msi), (nic(), Mode::Intx)] {
        let fake = FakeMachine::new([function]);
        let shared = Arc::new(Either(Shared { mine: 1.into(), ..Shared::default() }));
        let live = port(&fake, 3).grant_service().unwrap().register(shared.clone()).unmask();
        assert_eq!(live.mode(), mode);
        for _ in 0..2 {
            match mode {
                Mode::Intx => assert!(fake.pull(11)),
                _ => fake.send(address(3), 0).expect("sent"),
            }
        }
        let rows = fake.machine().vectors.report();
        assert_eq!((shared.0.calls(), rows[0].count, rows[0].unclaimed), (2, 2, 1));
    }
}

/// A context whose handler drops the registration that it is called by.
struct Suicidal(IrqLock<Option<Interrupts<1, Suicidal, switchboard::interrupt::Live>>>, Arc<AtomicUsize>);

switchboard::messages! {
    enum Last { Word }
}

impl MessageIsr<1> for Suicidal {
    type Message = Last;
    fn on_message(&self, Last::Word: Last, _isr: &InIsr<'_>) {
        let own = self.0.lock().take();
        drop(own);
        // `self` must still be there.
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

impl LineIsr for Suicidal {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        self.on_message(Last::Word, isr);
        Claim::Mine
    }
}

#[test]
fn a_handler_may_drop_its_own_registration() {
    for function in [nic().msix(1, 1, 0, 0x800), nic()] {
        let fake = FakeMachine::new([function]);
        let free = fake.machine().vectors.free();
        let calls = Arc::new(AtomicUsize::new(0));
        for round in 1..=3 {
            let shared = Arc::new(Suicidal(IrqLock::new(None), calls.clone()));
            let live = port(&fake, 3).grant().unwrap().register(shared.clone()).unmask();
            *shared.0.lock() = Some(live);
            drop(shared);
            let sent = fake.send(address(3), 0).is_some() || fake.pull(11);
            assert!(sent && calls.load(Ordering::Relaxed) == round);
            assert_eq!(fake.machine().vectors.free(), free);
        }
    }
}

#[test]
fn messages_to_nobody_are_counted() {
    let fake = FakeMachine::new([nic()]);
    for vector in 32..=255 {
        fake.deliver(vector);
    }
    assert_eq!(fake.machine().vectors.unexpected(), 224);
}

#[test]
fn a_line_without_a_route_says_so() {
    let fake = FakeMachine::new([nic().pin(1, 255), nic().at("00:07.0").pin(0, 11), nic().at("00:09.0").pin(1, 99)]);
    let error = |device| port(&fake, device).grant_line::<Shared>().unwrap_err().0.to_string();
    assert_eq!(error(3), "firmware left no route: Interrupt Line is 255");
    assert!(error(7).starts_with("no interrupt mode fits: the function offers no pin"));
    assert_eq!(error(9), "no I/O APIC has an input for GSI 99");
}

#[test]
fn a_table_that_lies_is_refused_and_the_line_serves() {
    for (bar, table) in [(5, 0), (1, 0xff0), (7, 0)] {
        let fake = FakeMachine::new([nic().msix(4, bar, table, 0x800)]);
        let (error, port) = port(&fake, 3).grant_messages::<3, Shared>().unwrap_err();
        assert!(matches!(error, GrantError::TablePlace { .. }), "{error}");
        assert_eq!(port.grant::<3, Shared>().unwrap().mode(), Mode::Intx);
    }
    assert_eq!(Pin::from_register(5), None);
}

#[test]
fn handlers_come_and_go_while_a_line_fires() {
    let fake = FakeMachine::new([nic(), nic().at("00:07.0")]);
    let stays = Shared::raising(usize::MAX);
    let _live = port(&fake, 3).grant_line().unwrap().register(stays.clone()).unmask();
    let done = core::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let device = scope.spawn(|| {
            let mut pulled = 0;
            while !done.load(Ordering::Relaxed) {
                pulled += usize::from(fake.pull(11));
            }
            pulled
        });
        for _ in 0..2_000 {
            let shared = Shared::raising(0);
            let live = port(&fake, 7).grant_line().unwrap().register(shared.clone()).unmask();
            drop(live);
            let calls = shared.calls();
            assert_eq!(Arc::strong_count(&shared), 1);
            core::hint::spin_loop();
            assert_eq!(shared.calls(), calls, "called after it was taken out");
        }
        done.store(true, Ordering::Relaxed);
        assert_eq!(device.join().expect("no panic"), stays.calls(), "none lost");
    });
}
