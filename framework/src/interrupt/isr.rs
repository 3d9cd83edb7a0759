//! Interrupt handlers: the traits of line handlers and message handlers, and the proof of being in one.

use core::fmt;
use core::marker::PhantomData;

use crate::vector::{Activity, Claim, Cpu, InterruptCounters};

/// The handler of a shared, level-triggered line.
///
/// Several functions may assert the line: the handler checks its own function and returns whether that raised the interrupt.
/// It reads a device register first, which also orders the device's DMA writes before the handler's reads of them (a line,
/// unlike a message, can overtake data).
///
/// ```
/// use std::sync::Arc;
/// use switchboard::interrupt::{Claim, InIsr, LineIsr};
/// use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock, WriteOnly};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// struct Edu;
/// impl RegisterBlock for Edu {
///     const SIZE: u64 = 0x100;
/// }
/// const INTERRUPT_STATUS: Reg<Edu, u32, ReadOnly> = Reg::at(0x24);
/// const INTERRUPT_ACKNOWLEDGE: Reg<Edu, u32, WriteOnly> = Reg::at(0x64);
///
/// struct Shared {
///     registers: Bar<Edu>,
/// }
/// impl LineIsr for Shared {
///     fn on_line(&self, _: &InIsr<'_>) -> Claim {
///         let status = self.registers.read(&INTERRUPT_STATUS);
///         if status == 0 {
///             return Claim::NotMine;
///         }
///         self.registers.write(&INTERRUPT_ACKNOWLEDGE, status);
///         Claim::Mine
///     }
/// }
///
/// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).bar(0, 0x1000).pin(1, 11)]);
/// # let function = fake.machine().take_all().remove(0);
/// # let address = function.address();
/// # let resources = function.claim()?;
/// let shared = Arc::new(Shared { registers: resources.bar0.map()? });
/// let line = resources.irq.grant_line()?.register(shared).unmask();
/// # fake.assert_line(11);
/// # fake.write_register(address, 0, 0x24, 1);
/// # fake.assert_line(11);
/// # assert_eq!(fake.read_register(address, 0, 0x64), 1);
/// # let report = &fake.machine().interrupt_report()[0];
/// # assert_eq!((report.count, report.claimed()), (2, 1));
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot serve a line",
    label = "this type has no line handler",
    note = "a line is shared: implement `LineIsr for {Self}`, whose `on_line` returns `Claim::Mine` or `Claim::NotMine`",
    note = "a driver that needs messages requests them: `irq.grant_messages()`"
)]
pub trait LineIsr: Send + Sync + 'static {
    /// Serves the line: acknowledges the interrupt at the device if that raised it, notifies tasks, and returns the claim.
    fn on_line(&self, isr: &InIsr<'_>) -> Claim;

    /// Shows the activity of the device, for the [watch](crate::machine::Machine::check_interrupts) of interrupts that do not
    /// arrive and requests that do not finish. The default shows nothing, so nothing is watched.
    ///
    /// Called from a task, about once a second, with interrupts disabled: it reads memory or a few registers, without side
    /// effects at the device.
    fn activity(&self) -> Activity {
        Activity::IDLE
    }
}

/// The handler of `N` messages (MSI or MSI-X), called with the driver's own name of each.
///
/// Messages are edge-triggered and not shared, so a call needs no register read and no claim. Messages coalesce: a call may stand
/// for several. On a folded vector, a call may have nothing to do.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use switchboard::interrupt::{InIsr, MessageIsr};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// switchboard::messages! {
///     enum NicMessage { Receive, Transmit }
/// }
/// #[derive(Default)]
/// struct Shared {
///     received: AtomicU32,
///     transmitted: AtomicU32,
/// }
/// impl MessageIsr<2> for Shared {
///     type Message = NicMessage;
///     fn on_message(&self, message: NicMessage, _: &InIsr<'_>) {
///         match message {
///             NicMessage::Receive => self.received.fetch_add(1, Ordering::Relaxed),
///             NicMessage::Transmit => self.transmitted.fetch_add(1, Ordering::Relaxed),
///         };
///     }
/// }
///
/// # let fake = FakeMachine::new([FakeFunction::new(0x1af4, 0x1041).bar(1, 0x1000).msix(4, 1, 0, 0x800)]);
/// # let function = fake.machine().take_all().remove(0);
/// # let address = function.address();
/// # let irq = function.claim()?.irq;
/// let shared = Arc::new(Shared::default());
/// let messages = irq.grant_messages()?.register(shared.clone()).unmask();
/// # fake.send(address, messages.entry(NicMessage::Transmit)).expect("sent");
/// assert_eq!(shared.transmitted.load(Ordering::Relaxed), 1);
/// # assert_eq!(shared.received.load(Ordering::Relaxed), 0);
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot serve {N} messages",
    label = "this type has no message handler for {N} messages",
    note = "implement `MessageIsr<{N}> for {Self}`, with `type Message` made by `messages! {{ pub enum MyMessage {{ .. }} }}` with {N} names",
    note = "a driver that has only a line handler requests a line: `irq.grant_line()`, or one handler for both forms: `irq.grant_service()`"
)]
pub trait MessageIsr<const N: usize>: Send + Sync + 'static {
    /// The driver's names for its messages.
    type Message: MessageSet<N>;

    /// Serves one message.
    fn on_message(&self, message: Self::Message, isr: &InIsr<'_>);

    /// Shows the activity of the device that concerns this message; see [`LineIsr::activity`].
    fn activity(&self, message: Self::Message) -> Activity {
        let _ = message;
        Activity::IDLE
    }
}

/// The names of `N` messages, made by [`messages!`](crate::messages).
///
/// The trait is safe to implement: the framework checks every index from it before use.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name {N} messages",
    note = "the number of names in `messages! {{ .. }}` must be the `N` of `MessageIsr<N>`"
)]
pub trait MessageSet<const N: usize>: Copy + Send + Sync + 'static {
    /// All messages, in order of importance: with fewer vectors than messages, the first messages have a vector of their own and
    /// the rest share the last vector.
    const ALL: [Self; N];
    /// The names of the messages, for reports.
    const NAMES: [&'static str; N];

    /// Returns the index in [`ALL`](Self::ALL).
    fn index(self) -> usize;
}

/// Defines the messages of a driver: an enum that implements [`MessageSet`](crate::interrupt::MessageSet).
///
/// ```
/// use switchboard::interrupt::MessageSet;
///
/// switchboard::messages! {
///     /// The messages of the card, in order of importance.
///     pub enum NicMessage { Receive, Transmit, Link }
/// }
/// assert_eq!(NicMessage::ALL, [NicMessage::Receive, NicMessage::Transmit, NicMessage::Link]);
/// assert_eq!(NicMessage::NAMES[NicMessage::Link.index()], "Link");
/// ```
#[macro_export]
macro_rules! messages {
    ($(#[$meta:meta])* $visibility:vis enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $visibility enum $name { $($(#[$variant_meta])* #[doc = concat!("`", stringify!($variant), "`")] $variant),+ }

        impl $crate::interrupt::MessageSet<{ [$(stringify!($variant)),+].len() }> for $name {
            const ALL: [Self; [$(stringify!($variant)),+].len()] = [$(Self::$variant),+];
            const NAMES: [&'static str; [$(stringify!($variant)),+].len()] = [$(stringify!($variant)),+];
            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

/// Proof of running in an interrupt handler.
///
/// The framework lends it to a handler for one call: it cannot be stored, sent to another thread or kept across an `.await`.
/// Functions that are only for handlers take it, as [`Notifier::notify`](crate::event::Notifier::notify) does.
///
/// ```
/// use std::sync::Arc;
/// use switchboard::interrupt::{InIsr, MessageIsr};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// switchboard::messages! {
///     enum DiskMessage { Done }
/// }
/// struct Shared;
/// impl Shared {
///     /// Completes requests, in interrupt context. Returns whether there were any.
///     fn complete(&self, _: &InIsr<'_>) -> bool {
///         false
///     }
/// }
/// impl MessageIsr<1> for Shared {
///     type Message = DiskMessage;
///     fn on_message(&self, _: DiskMessage, isr: &InIsr<'_>) {
///         if !self.complete(isr) {
///             isr.count_unclaimed();
///         }
///     }
/// }
///
/// # let fake = FakeMachine::new([FakeFunction::new(0x1af4, 0x1042).msi(1)]);
/// # let function = fake.machine().take_all().remove(0);
/// # let address = function.address();
/// # let irq = function.claim()?.irq;
/// let messages = irq.grant_messages()?.register(Arc::new(Shared)).unmask();
/// # fake.send(address, 0).expect("sent");
/// assert_eq!(fake.machine().interrupt_report()[0].unclaimed, 1);
/// # drop(messages);
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
pub struct InIsr<'a> {
    counters: &'a InterruptCounters,
    _not_send: PhantomData<*const ()>,
}

impl<'a> InIsr<'a> {
    pub(crate) fn new(counters: &'a InterruptCounters) -> Self {
        Self { counters, _not_send: PhantomData }
    }

    /// Returns the CPU that the handler runs on.
    #[must_use]
    pub fn cpu(&self) -> Cpu {
        self.counters.cpu()
    }

    /// Counts this call as unclaimed, in the counters of the handler in the interrupt report.
    pub fn count_unclaimed(&self) {
        self.counters.count_unclaimed();
    }
}

impl fmt::Debug for InIsr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InIsr").finish_non_exhaustive()
    }
}
