//! Tests of interrupts on several CPUs: where they are granted, and that they move.

use core::cell::Cell;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use switchboard::interrupt::{Claim, Cpu, InIsr, LineIsr, MessageIsr, PerCpu, SteerError};
use switchboard_testing::{FakeFunction, FakeMachine};

use crate::widths::Numbered;
use crate::{Nic, address, nic, port};

/// Counts calls on each CPU.
struct Calls {
    on: [AtomicUsize; 16],
}

impl Calls {
    fn new() -> Arc<Self> {
        Arc::new(Self { on: [const { AtomicUsize::new(0) }; 16] })
    }

    fn count(&self, isr: &InIsr<'_>) {
        self.on[isr.cpu().number()].fetch_add(1, Ordering::Relaxed);
    }

    /// Takes the counts of the first CPUs.
    fn take<const N: usize>(&self) -> [usize; N] {
        core::array::from_fn(|cpu| self.on[cpu].swap(0, Ordering::Relaxed))
    }
}

impl MessageIsr<3> for Calls {
    type Message = Nic;
    fn on_message(&self, _: Nic, isr: &InIsr<'_>) {
        self.count(isr);
    }
}

impl MessageIsr<2048> for Calls {
    type Message = Numbered<2048>;
    fn on_message(&self, _: Numbered<2048>, isr: &InIsr<'_>) {
        self.count(isr);
    }
}

impl LineIsr for Calls {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        self.count(isr);
        Claim::Mine
    }
}

fn machine(cpus: u32, functions: impl IntoIterator<Item = FakeFunction>) -> (FakeMachine, Vec<Cpu>) {
    let fake = FakeMachine::builder().cpus(cpus).build();
    functions.into_iter().for_each(|function| fake.insert(function));
    fake.machine().scan();
    let cpus = fake.machine().cpus().collect();
    (fake, cpus)
}

/// The CPUs of the handlers, in the order of the report.
fn places(fake: &FakeMachine) -> Vec<usize> {
    fake.machine().interrupt_report().iter().map(|row| row.cpu.number()).collect()
}

#[test]
fn all_messages_of_a_large_table_are_live_somewhere() {
    let (fake, _) = machine(16, [nic().bar(2, 0x1_0000).msix(2048, 2, 0, 0x8000)]);
    let (free, calls) = (fake.machine().free_vectors(), Calls::new());
    let live = port(&fake, 3).grant_messages::<2048, Calls>().unwrap().register(calls.clone()).unmask();
    assert_eq!((live.vectors(), fake.machine().free_vectors()), (2048, free - 2048));
    (0..2048).for_each(|entry| fake.send(address(3), entry).expect("sent"));
    // One in eight of the 208 vectors of a CPU is left to others. Those that the boot CPU has no vectors for are spread.
    let counts: [usize; 16] = calls.take();
    assert_eq!((counts.iter().sum::<usize>(), counts[0]), (2048, 182));
    assert!(counts[1..].iter().all(|count| (124..=125).contains(count)), "{counts:?}");
    drop(live);
    assert_eq!(fake.machine().free_vectors(), free);
}

#[test]
fn grants_are_on_the_boot_cpu_on_a_preferred_one_or_spread() {
    let others = ["00:04.0", "00:05.0"].map(|at| nic().at(at).msix(4, 1, 0, 0x800));
    let (fake, cpus) = machine(3, [nic().msix(4, 1, 0, 0x800)].into_iter().chain(others));
    let boot = port(&fake, 3).grant_messages::<3, Calls>().unwrap().register(Calls::new());
    assert_eq!(places(&fake), [0, 0, 0]);
    let preferred = port(&fake, 4).prefer_cpu(cpus[1]).grant_messages::<3, Calls>().unwrap().register(Calls::new());
    assert_eq!(places(&fake), [0, 0, 0, 1, 1, 1]);
    fake.machine().spread_interrupts(true);
    let spread = port(&fake, 5).grant_messages::<3, Calls>().unwrap().register(Calls::new());
    assert_eq!(places(&fake), [0, 0, 0, 1, 1, 1, 2, 2, 2]);
    drop((boot, preferred));
    fake.machine().limit_vectors(210);
    let (error, irq) = port(&fake, 3).prefer_cpu(cpus[1]).min_vectors(4).grant_messages::<3, Calls>().unwrap_err();
    assert_eq!(error.to_string(), "4 vectors are the driver's minimum, 3 can be granted");
    // CPU 1 has two left, of which none is kept from other functions.
    let preferred = irq.min_vectors(1).prefer_cpu(cpus[1]).grant_messages::<3, Calls>().unwrap().register(Calls::new());
    assert_eq!(places(&fake)[..3], [0, 1, 1]);
    drop((preferred, spread));
}

#[test]
fn a_message_moves_alone_and_what_is_sent_meanwhile_is_served_there() {
    let (fake, cpus) = machine(2, [nic().msix(3, 1, 0x100, 0x800)]);
    let (free, calls) = (fake.machine().free_vectors(), Calls::new());
    let mut live = port(&fake, 3).grant_messages::<3, Calls>().unwrap().register(calls.clone()).unmask();
    let send = |entry| fake.send(address(3), entry);
    live.as_msix().unwrap().steer(Nic::Tx, cpus[1]).unwrap();
    assert_eq!(places(&fake), [0, 0, 1]);
    (0..3).for_each(|entry| send(entry).expect("sent"));
    assert_eq!(calls.take(), [2, 1]);
    // What its driver has masked stays masked, and pending.
    live.as_msix().unwrap().mask(Nic::Tx);
    let mask = live.mask_of(Nic::Rx).expect("MSI-X");
    mask.mask();
    assert!(send(0).is_none());
    live.as_msix().unwrap().steer(Nic::Rx, cpus[1]).unwrap();
    assert!(live.as_msix().unwrap().is_pending(Nic::Rx) && send(0).is_none());
    mask.unmask();
    send(0).expect("sent");
    assert_eq!((calls.take(), fake.machine().free_vectors()), ([0, 1], free - 3));
    // There and back, and the vector of the other CPU is free again.
    for cpu in [cpus[1], cpus[0], cpus[1], cpus[0]] {
        live.as_msix().unwrap().steer(Nic::Rx, cpu).unwrap();
        assert_eq!(live.cpu(Nic::Rx), cpu);
    }
    assert_eq!(fake.machine().free_vectors(), free - 3);
    assert!(live.as_msi().is_none(), "these are no MSI messages");
    let unexpected = fake.machine().unexpected_interrupts();
    drop(live);
    assert_eq!((fake.machine().free_vectors(), unexpected, Arc::strong_count(&calls)), (free, 0, 1));
}

#[test]
fn without_vectors_there_a_message_stays() {
    let (fake, cpus) = machine(2, [nic().msix(3, 1, 0x100, 0x800)]);
    let calls = Calls::new();
    let mut live = port(&fake, 3).grant_messages::<3, Calls>().unwrap().register(calls.clone()).unmask();
    fake.machine().limit_vectors(208);
    let error = live.as_msix().unwrap().steer(Nic::Rx, cpus[1]).unwrap_err();
    assert_eq!(error.to_string(), "CPU 1: out of vectors: 1 wanted, 0 free");
    fake.send(address(3), 0).expect("sent");
    assert_eq!(calls.take(), [1, 0]);
}

#[test]
fn msi_messages_move_as_a_block() {
    for is_maskable in [false, true] {
        let (fake, cpus) = machine(2, [nic().msi_with(4, true, is_maskable)]);
        let (free, calls) = (fake.machine().free_vectors(), Calls::new());
        let mut live = port(&fake, 3).grant_messages::<3, Calls>().unwrap().register(calls.clone()).unmask();
        let send_all = || (0..3).for_each(|entry| fake.send(address(3), entry).expect("sent"));
        for (cpu, counts) in [(1, [0, 3]), (1, [0, 3]), (0, [3, 0])] {
            live.as_msi().expect("MSI").steer(cpus[cpu]).unwrap();
            // A function without mask bits may have lost messages: each handler was called once.
            fake.deliver_raised();
            calls.take::<2>();
            send_all();
            assert_eq!((calls.take(), places(&fake)), (counts, vec![cpu; 3]));
        }
        assert_eq!((fake.machine().free_vectors(), fake.machine().unexpected_interrupts()), (free - 4, 0));
        assert!(live.as_msix().is_none(), "these are no MSI-X messages");
        drop(live);
        assert_eq!(fake.machine().free_vectors(), free);
    }
}

#[test]
fn a_line_moves_with_all_its_sharers() {
    let (fake, cpus) = machine(2, [nic(), nic().at("00:04.0")]);
    let calls = [Calls::new(), Calls::new()];
    let [first, second] = [3, 4].map(|device| port(&fake, device).grant_line().unwrap());
    let mut first = first.register(calls[0].clone()).unmask();
    let second = second.register(calls[1].clone());
    assert_eq!((first.cpu(), fake.assert_line(11)), (cpus[0], true));
    first.steer(cpus[1]).unwrap();
    // One that joins later is on the same CPU.
    let second = second.unmask();
    assert_eq!((first.cpu(), second.cpu(), fake.assert_line(11)), (cpus[1], cpus[1], true));
    assert_eq!(calls.each_ref().map(|calls| calls.take()), [[1, 1], [0, 1]]);
    assert_eq!(places(&fake), [1, 1]);
    first.steer(cpus[0]).unwrap();
    assert!(fake.assert_line(11));
    assert_eq!(calls.each_ref().map(|calls| calls.take()), [[1, 0], [1, 0]]);
    // A line that has no sharer stays masked where it is moved to.
    drop(second);
    let masked = first.mask();
    assert!(!fake.assert_line(11));
    let mut live = masked.unmask();
    live.steer(cpus[1]).unwrap();
    assert!(fake.assert_line(11));
    drop(live);
    assert_eq!((fake.machine().free_vectors(), fake.machine().unexpected_interrupts()), (2 * 208, 0));
}

#[test]
fn a_handler_that_moves_its_own_message_is_refused() {
    use std::sync::Mutex;
    use switchboard::interrupt::{LineAsMessage, Live, Messages, ServiceMessage};

    struct Mover {
        own: Mutex<Option<Messages<1, LineAsMessage<Self>, Live>>>,
        to: Cpu,
        error: Mutex<Option<SteerError>>,
    }
    impl LineIsr for Mover {
        fn on_line(&self, _: &InIsr<'_>) -> Claim {
            let mut own = self.own.lock().unwrap();
            let mut entries = own.as_mut().expect("registered").as_msix().expect("MSI-X");
            *self.error.lock().unwrap() = entries.steer(ServiceMessage, self.to).err();
            Claim::Mine
        }
    }

    let (fake, cpus) = machine(2, [nic().msix(3, 1, 0x100, 0x800)]);
    let mover = LineAsMessage(Mover { own: Mutex::new(None), to: cpus[1], error: Mutex::new(None) });
    let mover = Arc::new(mover);
    let live = port(&fake, 3).grant_messages().unwrap().register(mover.clone()).unmask();
    *mover.0.own.lock().unwrap() = Some(live);
    for _ in 0..2 {
        fake.send(address(3), 0).expect("sent");
        assert_eq!(mover.0.error.lock().unwrap().take(), Some(SteerError::InHandler));
    }
    let live = mover.0.own.lock().unwrap().take();
    assert_eq!(live.expect("registered").cpu(ServiceMessage), cpus[0]);
}

/// Two threads are CPUs whose handlers run at once, each on a state of its own without a lock.
#[test]
fn handlers_of_two_cpus_have_states_of_their_own() {
    const ROUNDS: u32 = 20_000;

    struct Shared {
        calls: PerCpu<Cell<u32>>,
    }
    impl MessageIsr<3> for Shared {
        type Message = Nic;
        fn on_message(&self, _: Nic, isr: &InIsr<'_>) {
            let calls = self.calls.get(isr);
            calls.set(calls.get() + 1);
        }
    }

    let (fake, cpus) = machine(2, [nic().msix(3, 1, 0x100, 0x800)]);
    let irq = port(&fake, 3);
    let shared = Arc::new(Shared { calls: irq.per_cpu(|_| Cell::new(0)) });
    let mut live = irq.grant_messages::<3, Shared>().unwrap().register(shared.clone()).unmask();
    live.as_msix().unwrap().steer(Nic::Tx, cpus[1]).unwrap();
    let fake = &fake;
    std::thread::scope(|scope| {
        for entry in [0, 1] {
            scope.spawn(move || (0..ROUNDS).for_each(|_| fake.send(address(3), entry).expect("sent")));
        }
    });
    drop(live);
    let mut shared = Arc::into_inner(shared).expect("the only reference");
    let counts: Vec<_> = shared.calls.iter_mut().map(|(_, calls)| calls.get()).collect();
    assert_eq!(counts, [ROUNDS, ROUNDS]);
}

#[test]
fn a_pinned_context_needs_no_lock_and_folds_on_its_cpu() {
    use switchboard::interrupt::PinnedIsr;

    struct Pinned {
        calls: Cell<usize>,
        cpu: Cell<Option<Cpu>>,
    }
    impl PinnedIsr<3> for Pinned {
        type Message = Nic;
        fn on_message(&self, _: Nic, isr: &InIsr<'_>) {
            self.calls.set(self.calls.get() + 1);
            self.cpu.set(Some(isr.cpu()));
        }
    }

    let (fake, cpus) = machine(2, [nic().msix(3, 1, 0x100, 0x800)]);
    fake.machine().limit_vectors(210);
    let (error, irq) = port(&fake, 3).min_vectors(3).grant_pinned::<3, Pinned>(cpus[1]).unwrap_err();
    assert_eq!(error.to_string(), "3 vectors are the driver's minimum, 2 can be granted");
    let granted = irq.min_vectors(1).grant_pinned::<3, Pinned>(cpus[1]).unwrap();
    let mut live = granted.register(Pinned { calls: Cell::new(0), cpu: Cell::new(None) }).unmask();
    fake.send(address(3), live.entry(Nic::Rx)).expect("sent");
    let (calls, cpu) = live.with_context(|context| {
        // Masked, and a message that the device forges finds no handler.
        assert!(fake.send(address(3), 0).is_none());
        let vector = fake.machine().interrupt_report()[0].vector;
        fake.deliver_to(vector);
        (context.calls.get(), context.cpu.get())
    });
    assert_eq!((calls, cpu, fake.machine().unexpected_interrupts()), (1, Some(cpus[1]), 1));
    fake.send(address(3), live.entry(Nic::Link)).expect("sent");
    assert_eq!(live.with_context(|context| context.calls.get()), 3, "two messages are folded");
    drop(live);
    assert_eq!(fake.machine().free_vectors(), 210);
}
