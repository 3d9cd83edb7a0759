//! What an interrupt calls: line handlers, message handlers, and the proof of being in one.

use core::fmt;
use core::marker::PhantomData;

use crate::vector::{Claim, InterruptCounters};

/// What a shared, level-triggered line calls.
///
/// The line is a wire that several functions may pull: the handler must look at its own function and say
/// whether the interrupt was its own. Reading a device register first also orders what the device wrote by
/// DMA before it (a line, unlike a message, can overtake data).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot serve a line",
    label = "this type has no line handler",
    note = "a line is shared: implement `LineIsr for {Self}` and let `on_line` say `Claim::Mine` or `Claim::NotMine`",
    note = "a driver that needs messages asks for them: `irq.grant_messages()`"
)]
pub trait LineIsr: Send + Sync + 'static {
    /// Serves the line: acknowledge the device if it raised it, wake whoever waits, say whose it was.
    fn on_line(&self, isr: &InIsr<'_>) -> Claim;
}

/// What messages call: the handler is told which one, by the driver's own name for it.
///
/// A call may stand for several messages, and on a folded vector it may have nothing to do.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot serve {N} messages",
    label = "this type has no message handler for {N} messages",
    note = "implement `MessageIsr<{N}> for {Self}`, with `type Message` made by `messages! {{ pub enum MyMessage {{ .. }} }}` with {N} names",
    note = "a driver that has only a line handler asks for a line: `irq.grant_line()`, or for one routine for both: `irq.grant_service()`"
)]
pub trait MessageIsr<const N: usize>: Send + Sync + 'static {
    /// The driver's names for its messages.
    type Message: MessageSet<N>;

    /// Serves one message.
    fn on_message(&self, message: Self::Message, isr: &InIsr<'_>);
}

/// The names of `N` messages. Made by [`messages!`](crate::messages).
///
/// A safe trait: the framework checks every number that comes from it before it uses it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name {N} messages",
    note = "the number of names in `messages! {{ .. }}` must be the `N` of `MessageIsr<N>`"
)]
pub trait MessageSet<const N: usize>: Copy + Send + Sync + 'static {
    /// Every message, in order of importance: when there are fewer vectors than messages, the first ones
    /// keep a vector of their own and the rest share the last.
    const ALL: [Self; N];
    /// Their names, for reports.
    const NAMES: [&'static str; N];

    /// The position in [`ALL`](Self::ALL).
    fn index(self) -> usize;
}

/// Names a driver's messages.
///
/// ```
/// switchboard::messages! {
///     /// What the card tells us.
///     pub enum NicMessage { Rx, Tx, Link }
/// }
/// use switchboard::interrupt::MessageSet;
/// assert_eq!(<NicMessage as MessageSet<3>>::NAMES[2], "Link");
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

/// Proof of being in an interrupt handler.
///
/// Lent to a handler for one call: it cannot be stored, sent to another CPU or kept across an `.await`.
pub struct InIsr<'a> {
    counters: &'a InterruptCounters,
    _not_send: PhantomData<*const ()>,
}

impl<'a> InIsr<'a> {
    pub(crate) fn new(counters: &'a InterruptCounters) -> Self {
        Self { counters, _not_send: PhantomData }
    }

    /// Counts this call as one that nobody claimed, in the handler's own counters of the interrupt report.
    pub fn count_unclaimed(&self) {
        self.counters.count_unclaimed();
    }
}

impl fmt::Debug for InIsr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InIsr").finish_non_exhaustive()
    }
}
