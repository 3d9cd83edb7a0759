//! The teardown test of a single MSI-X entry: it is registered and dropped while the others of its table are in use.
//!
//! MSI-X stays enabled throughout, because QEMU aborts with an assertion if MSI-X is disabled while the card has a delayed
//! message. So the whole registration of this card cannot be dropped while it interrupts.

use alloc::sync::Arc;
use core::array;
use core::sync::atomic::{AtomicU64, Ordering};

use embassy_futures::yield_now;
use embassy_time::Instant;
use switchboard::driver::{Driver, Id, ProbeError, attach};
use switchboard::function::{Function, Resources};
use switchboard::interrupt::{InIsr, Live, MessageIsr, MessageSet, Messages, Mode, ServiceMessage};
use switchboard::messages;
use switchboard::mmio::Bar;
use switchboard_runtime::devices::Found;

use super::super::{Failure, SERVICE_TIMEOUT, outstanding, report, wait_served};
use super::device_under_test::CallRecord;
use super::generators::{CTRL, E1000eRegisters, EIAC, ICR, ICS, IMC, IMS, IVAR, RESET};
use super::{FreeResources, TeardownTest, Totals, WARM_UP, until_called};
use crate::e1000e::E1000e;
use crate::raise::{Raise, RaiseError, SourceCounts};

/// The number of causes whose handlers stay registered.
const PERMANENT: usize = 4;
messages! {
    /// The causes whose handlers stay registered.
    pub enum PermanentMessage { RxQueue0, RxQueue1, TxQueue0, TxQueue1 }
}

/// The cause whose handler is registered and dropped.
const FIFTH: usize = 4;

const fn bit(cause: usize) -> u32 {
    1 << (20 + cause)
}

/// The context of the permanent handlers. A handler serves all interrupts raised before it clears its cause.
struct Shared {
    registers: Bar<E1000eRegisters>,
    raised: [AtomicU64; PERMANENT],
    served: [AtomicU64; PERMANENT],
    handled: [AtomicU64; PERMANENT],
}

impl MessageIsr<PERMANENT> for Shared {
    type Message = PermanentMessage;

    fn on_message(&self, message: PermanentMessage, _isr: &InIsr<'_>) {
        let source = message.index();
        self.registers.write(&ICR, bit(source));
        let raised = self.raised[source].load(Ordering::SeqCst);
        if self.served[source].swap(raised, Ordering::SeqCst) < raised {
            self.handled[source].fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// The handler that is registered and dropped: it clears its cause and sets it again.
struct FifthHandler {
    shared: Arc<Shared>,
    record: Arc<CallRecord>,
}

impl MessageIsr<1> for FifthHandler {
    type Message = ServiceMessage;

    fn on_message(&self, ServiceMessage: ServiceMessage, _isr: &InIsr<'_>) {
        self.record.record_call();
        self.shared.registers.write(&ICR, bit(FIFTH));
        self.shared.registers.write(&ICS, bit(FIFTH));
        self.record.record_served();
    }
}

/// The card with permanent handlers for four of its five causes.
struct Card {
    messages: Messages<PERMANENT, Shared, Live>,
    shared: Arc<Shared>,
}

impl Driver for Card {
    const NAME: &'static str = E1000e::NAME;
    const MATCHES: &'static [Id] = E1000e::MATCHES;

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let Resources { bar0, irq, .. } = function.claim()?;
        let zeros = || array::from_fn(|_| AtomicU64::new(0));
        let shared = Shared { registers: bar0.map()?, raised: zeros(), served: zeros(), handled: zeros() };
        let shared = Arc::new(shared);
        let messages = irq.min_vectors(PERMANENT).grant_messages()?.register(shared.clone()).unmask();
        let entries = PermanentMessage::ALL.into_iter().enumerate();
        let assigned = entries.map(|(cause, message)| ivar_bits(cause, messages.entry(message)));
        shared.registers.write(&EIAC, 0);
        shared.registers.write(&IVAR, assigned.fold(0, |value, bits| value | bits));
        shared.registers.write(&IMS, (0..=FIFTH).fold(0, |mask, cause| mask | bit(cause)));
        Ok(Self { messages, shared })
    }
}

/// Returns the bits of `IVAR` that assign a valid entry to a cause.
fn ivar_bits(cause: usize, entry: u16) -> u32 {
    (u32::from(entry) & 7 | 8) << (4 * cause)
}

impl Raise for Card {
    fn mode(&self) -> Mode {
        self.messages.mode()
    }

    fn sources(&self) -> usize {
        PERMANENT
    }

    fn raise(&mut self, source: usize) -> Result<(), RaiseError> {
        let raised =
            self.shared.raised.get(source).ok_or(RaiseError::NoSource { index: source, sources: PERMANENT })?;
        raised.fetch_add(1, Ordering::SeqCst);
        self.shared.registers.write(&ICS, bit(source));
        Ok(())
    }

    fn count(&self, source: usize) -> SourceCounts {
        let of =
            |numbers: &[AtomicU64; PERMANENT]| numbers.get(source).map_or(0, |number| number.load(Ordering::SeqCst));
        let handled = of(&self.shared.handled);
        let coalesced = of(&self.shared.served).saturating_sub(handled);
        SourceCounts { raised: of(&self.shared.raised), handled, coalesced, idle: 0 }
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        self.shared.registers.write(&IMC, u32::MAX);
        self.shared.registers.write(&ICR, u32::MAX);
        // The reset discards delayed messages.
        self.shared.registers.write(&CTRL, self.shared.registers.read(&CTRL) | RESET);
    }
}

pub(super) async fn rounds(test: &mut TeardownTest, rounds: u64) -> Result<(), Failure> {
    let function = test.machine.take(test.function).ok_or(Failure::NotReleased)?;
    let mut card: Card = attach(function)?;
    let mut totals = Totals::default();
    for number in 0..WARM_UP {
        round(test, &mut card, number, &mut totals).await?;
    }
    let (before, start) = (FreeResources::measure(test.machine), Instant::now());
    for number in 0..rounds {
        round(test, &mut card, number, &mut totals).await?;
    }
    test.conclude(card.mode(), rounds, &totals, before, start)?;
    let found = Found { function: test.function, driver: test.driver, device: card };
    report([(&found, &found.device as &dyn Raise)].into_iter())
}

async fn round(test: &mut TeardownTest, card: &mut Card, number: u64, totals: &mut Totals) -> Result<(), Failure> {
    let record = Arc::new(CallRecord::default());
    let shared = card.shared.clone();
    let isr = Arc::new(FifthHandler { shared: shared.clone(), record: record.clone() });
    let entries = card.messages.as_msix().ok_or(Failure::NoDevice)?;
    let fifth = entries.another().map_err(ProbeError::from)?.register(isr).unmask();
    let registers = &shared.registers;
    let others = registers.read(&IVAR) & !(0xf << (4 * FIFTH));
    registers.write(&IVAR, others | ivar_bits(FIFTH, fifth.entry(ServiceMessage)));
    registers.write(&ICS, bit(FIFTH));
    until_called(&record, number).await?;

    raise_all(test, card)?;
    registers.write(&ICS, bit(FIFTH));
    drop(fifth);
    record.mark_dropped();
    let is_leaked = Arc::strong_count(&record) > 1;
    registers.write(&ICS, bit(FIFTH));
    raise_all(test, card)?;

    let start = Instant::now();
    while outstanding(card) > 0 && start.elapsed() < SERVICE_TIMEOUT {
        yield_now().await;
    }
    if outstanding(card) > 0 || !wait_served(&test.others).await {
        return Err(Failure::Lost(
            outstanding(card) + test.others.iter().map(|one| outstanding(&*one.device)).sum::<u64>(),
        ));
    }
    totals.add(&record, is_leaked);
    Ok(())
}

fn raise_all(test: &mut TeardownTest, card: &mut Card) -> Result<(), Failure> {
    (0..PERMANENT).try_for_each(|source| card.raise(source))?;
    test.raise_others()
}
