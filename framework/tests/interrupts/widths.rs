//! Tests of every number of messages, in every variant of the capabilities.

use std::sync::{Arc, Mutex};

use switchboard::interrupt::{InIsr, LineAsMessage, MessageIsr, MessageSet, Mode, ServiceMessage};
use switchboard_testing::{FakeFunction, FakeMachine};

use crate::{Nic, Shared, address, nic, port};

/// Any number of messages, by their numbers.
#[derive(Clone, Copy)]
pub(crate) struct Numbered<const N: usize>(usize);

impl<const N: usize> MessageSet<N> for Numbered<N> {
    const ALL: [Self; N] = {
        let mut all = [Self(0); N];
        let mut index = 0;
        while index < N {
            all[index] = Self(index);
            index += 1;
        }
        all
    };
    const NAMES: [&'static str; N] = ["numbered"; N];

    fn index(self) -> usize {
        self.0
    }
}

#[derive(Default)]
struct Log<const N: usize>(Mutex<Vec<usize>>);

impl<const N: usize> Log<N> {
    fn take(&self) -> Vec<usize> {
        core::mem::take(&mut self.0.lock().unwrap())
    }
}

impl<const N: usize> MessageIsr<N> for Log<N> {
    type Message = Numbered<N>;

    fn on_message(&self, message: Numbered<N>, _isr: &InIsr<'_>) {
        self.0.lock().unwrap().push(message.0);
    }
}

/// `N` messages by MSI on a function that can send `capable`.
fn by_msi<const N: usize>(capable: usize, is_64bit: bool, is_maskable: bool) {
    let shape = format!("{N} messages of {capable}, 64 bits: {is_64bit}, mask bits: {is_maskable}");
    let count = u8::try_from(capable).unwrap();
    let other = nic().at("00:04.0").msi(1);
    let fake = FakeMachine::new([nic().msi_with(count, is_64bit, is_maskable), other]);
    let machine = fake.machine();
    // One vector is taken, so that the first free vector is not aligned for a block by chance.
    let odd = port(&fake, 4).grant_messages::<1, LineAsMessage<Shared>>().unwrap();
    let free = machine.free_vectors();

    let log = Arc::new(Log::<N>::default());
    let masked = port(&fake, 3).grant_messages::<N, Log<N>>().unwrap().register(log.clone());
    let block = N.next_power_of_two().min(capable);
    let entries = N.min(block);
    assert_eq!(
        (masked.mode(), masked.vectors(), machine.free_vectors()),
        (Mode::Msi, entries, free - block),
        "{shape}"
    );
    let first = machine.interrupt_report()[0].vector.number();
    assert!(usize::from(first).is_multiple_of(block), "{shape}: vector {first}");
    let send = |entry: usize| fake.send(address(3), u16::try_from(entry).unwrap());
    assert!((0..capable).all(|entry| send(entry).is_none()), "{shape}: masked");
    assert!(log.take().is_empty(), "{shape}: masked");

    let live = masked.unmask();
    for entry in 0..entries {
        send(entry).unwrap_or_else(|| panic!("{shape}: entry {entry}"));
        let last = if entry == entries - 1 { N } else { entry + 1 };
        assert_eq!(log.take(), (entry..last).collect::<Vec<_>>(), "{shape}: entry {entry}");
    }
    assert!((block..32).all(|entry| send(entry).is_none()), "{shape}: more than was granted");

    let masked = live.mask();
    assert!((0..entries).all(|entry| send(entry).is_none()), "{shape}: masked again");
    let live = masked.unmask();
    fake.send_pending(address(3));
    fake.deliver_raised();
    assert_eq!(log.take(), (0..N).collect::<Vec<_>>(), "{shape}: each once, and none lost");

    drop(live);
    assert!((0..capable).all(|entry| send(entry).is_none()), "{shape}: released");
    assert_eq!((fake.mode(address(3)), machine.free_vectors(), Arc::strong_count(&log)), (None, free, 1), "{shape}");
    drop(odd);
}

fn in_every_shape<const N: usize>() {
    for capable in [1, 2, 4, 8, 16, 32] {
        for (is_64bit, is_maskable) in [(false, false), (false, true), (true, false), (true, true)] {
            by_msi::<N>(capable, is_64bit, is_maskable);
        }
    }
}

#[test]
fn msi_of_one_to_thirty_two_messages() {
    macro_rules! each {
        ($($count:literal)+) => { $(in_every_shape::<$count>();)+ };
    }
    each!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
}

/// The largest table there can be: more entries than a CPU has vectors.
#[test]
fn msix_of_two_thousand_and_forty_eight_entries() {
    const ENTRIES: u16 = 2048;
    const PENDING: u64 = 0x8000;
    let function = FakeFunction::new(0x1af4, 0x1041).at("00:03.0").bar(1, 0x10000);
    let fake = FakeMachine::new([function.msix(ENTRIES, 1, 0, 0x8000)]);
    let free = fake.machine().free_vectors();
    let shared = Shared::raising(0);
    let mut live = port(&fake, 3).grant_messages().unwrap().register(shared.clone()).unmask();
    let is_masked = |entry: u16| fake.read_register(address(3), 1, u64::from(entry) * 16 + 12) & 1 == 1;
    assert_eq!((0..ENTRIES).filter(|entry| !is_masked(*entry)).collect::<Vec<_>>(), [0, 1, 2]);

    let mut more = Vec::new();
    let error = loop {
        let later = Arc::new(LineAsMessage(Shared::default()));
        match live.as_msix().expect("MSI-X").another::<LineAsMessage<Shared>>() {
            Ok(message) => more.push((message.register(later.clone()).unmask(), later)),
            Err(error) => break error,
        }
    };
    assert_eq!((more.len(), error.to_string().as_str()), (free - free / 8 - 3, "out of vectors: 1 wanted, 0 free"));
    for (expected, (message, later)) in (3..).zip(&more) {
        assert_eq!(message.entry(ServiceMessage), expected);
        fake.send(address(3), expected).expect("it is bound");
        assert_eq!(later.0.calls(), 1, "entry {expected}");
    }
    // The last entry is not granted: its message stays pending, in the last pending bit.
    assert_eq!(fake.send(address(3), ENTRIES - 1), None);
    assert_eq!(fake.read_register(address(3), 1, PENDING + 63 * 4), 1 << 31);
    assert_eq!((live.entry(Nic::Link), shared.messages().len()), (2, 0));
    drop((live, more));
    assert_eq!((fake.mode(address(3)), fake.machine().free_vectors()), (None, free));
}

#[test]
fn a_function_with_many_messages_leaves_vectors_to_others() {
    let greedy = nic().bar(2, 0x1_0000).msix(2048, 2, 0, 0x8000);
    let others = ["00:04.0", "00:05.0"].map(|at| nic().at(at).msix(4, 1, 0, 0x800));
    let [first, second] = others;
    let fake = FakeMachine::new([greedy, first, second]);
    let all = fake.machine().free_vectors();

    let log = Arc::new(Log::<512>::default());
    let mut live = port(&fake, 3).grant_messages::<512, Log<512>>().unwrap().register(log).unmask();
    assert_eq!((live.vectors(), fake.machine().free_vectors()), (all - all / 8, all / 8));
    let more = live.as_msix().expect("MSI-X").another::<LineAsMessage<Shared>>();
    assert_eq!(more.unwrap_err().to_string(), "out of vectors: 1 wanted, 0 free");

    // A function with fewer vectors than messages folds them, and never has none.
    for device in [4, 5] {
        let granted = port(&fake, device).grant_messages::<3, Shared>().unwrap();
        assert_eq!(granted.vectors(), 1);
    }
    drop(live);
    assert_eq!(fake.machine().free_vectors(), all);
}
