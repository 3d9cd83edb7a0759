//! One entry of a table comes and goes under fire, and the others of the same table lose nothing.
//!
//! The card's causes keep MSI-X on all the while: QEMU's ends with an assertion if MSI-X is turned off while the card
//! holds a message back, so a whole registration of it cannot be dropped under fire.

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

use super::super::{ANSWER_TIMEOUT, Failure, answered, outstanding, tell};
use super::device_under_test::Witness;
use super::generators::{CTRL, E1000eRegisters, EIAC, ICR, ICS, IMC, IMS, IVAR, RESET};
use super::{FreeResources, Range, Tally, WARM_UP, until_called};
use crate::e1000e::E1000e;
use crate::raise::{Count, Raise, RaiseError};

const KEPT: usize = 4;
messages! {
    /// The causes whose handlers stay.
    pub enum Kept { RxQueue0, RxQueue1, TxQueue0, TxQueue1 }
}

/// The cause whose handler comes and goes.
const FIFTH: usize = 4;

const fn bit(cause: usize) -> u32 {
    1 << (20 + cause)
}

/// What stays. A handler answers for all that was raised before it cleared its cause.
struct Shared {
    registers: Bar<E1000eRegisters>,
    raised: [AtomicU64; KEPT],
    answered: [AtomicU64; KEPT],
    handled: [AtomicU64; KEPT],
}

impl MessageIsr<KEPT> for Shared {
    type Message = Kept;

    fn on_message(&self, message: Kept, _isr: &InIsr<'_>) {
        let source = message.index();
        self.registers.write(&ICR, bit(source));
        let raised = self.raised[source].load(Ordering::SeqCst);
        if self.answered[source].swap(raised, Ordering::SeqCst) < raised {
            self.handled[source].fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// What comes and goes: it clears its cause and sets it again.
struct Fifth {
    shared: Arc<Shared>,
    witness: Arc<Witness>,
}

impl MessageIsr<1> for Fifth {
    type Message = ServiceMessage;

    fn on_message(&self, ServiceMessage: ServiceMessage, _isr: &InIsr<'_>) {
        self.witness.called();
        self.shared.registers.write(&ICR, bit(FIFTH));
        self.shared.registers.write(&ICS, bit(FIFTH));
        self.witness.served();
    }
}

/// The card with four of its five causes served.
struct Card {
    messages: Messages<KEPT, Shared, Live>,
    shared: Arc<Shared>,
}

impl Driver for Card {
    const NAME: &'static str = E1000e::NAME;
    const MATCHES: &'static [Id] = E1000e::MATCHES;

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let Resources { bar0, irq, .. } = function.claim()?;
        let zeros = || array::from_fn(|_| AtomicU64::new(0));
        let shared = Shared { registers: bar0.map()?, raised: zeros(), answered: zeros(), handled: zeros() };
        let shared = Arc::new(shared);
        let messages = irq.min_vectors(KEPT).grant_messages()?.register(shared.clone()).unmask();
        let entries = Kept::ALL.into_iter().enumerate();
        let valid = entries.map(|(cause, message)| place(cause, messages.entry(message)));
        shared.registers.write(&EIAC, 0);
        shared.registers.write(&IVAR, valid.fold(0, |value, place| value | place));
        shared.registers.write(&IMS, (0..=FIFTH).fold(0, |mask, cause| mask | bit(cause)));
        Ok(Self { messages, shared })
    }
}

/// A cause's part of `IVAR`: the entry, and that it is valid.
fn place(cause: usize, entry: u16) -> u32 {
    (u32::from(entry) & 7 | 8) << (4 * cause)
}

impl Raise for Card {
    fn mode(&self) -> Mode {
        self.messages.mode()
    }

    fn sources(&self) -> usize {
        KEPT
    }

    fn raise(&mut self, source: usize) -> Result<(), RaiseError> {
        let raised = self.shared.raised.get(source).ok_or(RaiseError::NoSource { index: source, sources: KEPT })?;
        raised.fetch_add(1, Ordering::SeqCst);
        self.shared.registers.write(&ICS, bit(source));
        Ok(())
    }

    fn count(&self, source: usize) -> Count {
        let of = |numbers: &[AtomicU64; KEPT]| numbers.get(source).map_or(0, |number| number.load(Ordering::SeqCst));
        let handled = of(&self.shared.handled);
        let coalesced = of(&self.shared.answered).saturating_sub(handled);
        Count { raised: of(&self.shared.raised), handled, coalesced, idle: 0 }
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        self.shared.registers.write(&IMC, u32::MAX);
        self.shared.registers.write(&ICR, u32::MAX);
        // A reset: it forgets the messages that it holds back.
        self.shared.registers.write(&CTRL, self.shared.registers.read(&CTRL) | RESET);
    }
}

pub(super) async fn rounds(range: &mut Range, rounds: u64) -> Result<(), Failure> {
    let function = range.machine.take(range.function).ok_or(Failure::NotGivenBack)?;
    let mut card: Card = attach(function)?;
    let mut tally = Tally::default();
    for number in 0..WARM_UP {
        round(range, &mut card, number, &mut tally).await?;
    }
    let (before, start) = (FreeResources::measure(range.machine), Instant::now());
    for number in 0..rounds {
        round(range, &mut card, number, &mut tally).await?;
    }
    range.account(card.mode(), rounds, &tally, before, start)?;
    let found = Found { function: range.function, driver: range.driver, device: card };
    tell([(&found, &found.device as &dyn Raise)].into_iter())
}

async fn round(range: &mut Range, card: &mut Card, number: u64, tally: &mut Tally) -> Result<(), Failure> {
    let witness = Arc::new(Witness::default());
    let shared = card.shared.clone();
    let isr = Arc::new(Fifth { shared: shared.clone(), witness: witness.clone() });
    let entries = card.messages.as_msix().ok_or(Failure::NoDevice)?;
    let fifth = entries.another().map_err(ProbeError::from)?.register(isr).unmask();
    let registers = &shared.registers;
    let others = registers.read(&IVAR) & !(0xf << (4 * FIFTH));
    registers.write(&IVAR, others | place(FIFTH, fifth.entry(ServiceMessage)));
    registers.write(&ICS, bit(FIFTH));
    until_called(&witness, number).await?;

    raise_all(range, card)?;
    registers.write(&ICS, bit(FIFTH));
    drop(fifth);
    witness.dropped();
    let is_kept = Arc::strong_count(&witness) > 1;
    registers.write(&ICS, bit(FIFTH));
    raise_all(range, card)?;

    let start = Instant::now();
    while outstanding(card) > 0 && start.elapsed() < ANSWER_TIMEOUT {
        yield_now().await;
    }
    if outstanding(card) > 0 || !answered(&range.others).await {
        return Err(Failure::Lost(
            outstanding(card) + range.others.iter().map(|one| outstanding(&*one.device)).sum::<u64>(),
        ));
    }
    tally.add(&witness, is_kept);
    Ok(())
}

fn raise_all(range: &mut Range, card: &mut Card) -> Result<(), Failure> {
    (0..KEPT).try_for_each(|source| card.raise(source))?;
    range.raise_others()
}
