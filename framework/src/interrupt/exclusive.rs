//! Exclusive handlers: handlers with state of their own, which take `&mut self` and never wait for a lock.
//!
//! A vector belongs to one CPU and does not interrupt itself, so state that only one vector's handler uses is never contended. A
//! context in an `Arc` cannot express that, since anything may hold a reference to it. Here the registration alone owns the
//! state, and the driver accesses it through [`with_state`](Line::with_state) while no handler runs. Windows has
//! KeSynchronizeExecution for this, with a spin lock in every interrupt. Here the handler tries a lock that is always free, except for a
//! few instructions while another CPU looks at the device's [`Activity`]; the lock only makes the exclusion checked at run time instead
//! of assumed.

use alloc::sync::Arc;
use core::fmt;

use super::isr::{InIsr, LineIsr, MessageIsr, MessageSet};
use super::line::Line;
use super::messages::Messages;
use super::state::{Granted, Live, Masked};
use crate::sync::primitives::{AtomicBool, Ordering, SpinMutex, SpinMutexGuard, spin_loop};
use crate::vector::{Activity, Claim};

/// A line handler with state of its own; see [`Line::register_exclusive`].
pub trait LineRoutine: Send + 'static {
    /// Serves the line; see [`LineIsr::on_line`].
    fn on_line(&mut self, isr: &InIsr<'_>) -> Claim;

    /// Shows the activity of the device; see [`LineIsr::activity`].
    fn activity(&self) -> Activity {
        Activity::IDLE
    }
}

/// A handler for one message, with state of its own; see [`Messages::register_each`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot serve a message by itself",
    note = "implement `MessageRoutine for {Self}`; a routine is for one message and has its own state"
)]
pub trait MessageRoutine: Send + 'static {
    /// Serves the message; see [`MessageIsr::on_message`].
    fn on_message(&mut self, isr: &InIsr<'_>);

    /// Shows the activity of the device that concerns the message; see [`MessageIsr::activity`].
    fn activity(&self) -> Activity {
        Activity::IDLE
    }
}

/// State of one handler, which also the watch of its activity looks at, from any CPU.
#[doc(hidden)]
#[derive(Debug)]
pub struct HandlerState<T> {
    state: SpinMutex<T>,
    is_looked_at: AtomicBool,
}

impl<T> HandlerState<T> {
    fn new(state: T) -> Self {
        Self { state: SpinMutex::new(state), is_looked_at: AtomicBool::new(false) }
    }

    /// Enters the state by its handler. Returns `None` if the driver has it: the source is masked then, and the interrupt forged.
    #[inline]
    fn enter(&self) -> Option<SpinMutexGuard<'_, T>> {
        self.state.try_lock().or_else(|| self.wait_for_look())
    }

    #[cold]
    fn wait_for_look(&self) -> Option<SpinMutexGuard<'_, T>> {
        while self.is_looked_at.load(Ordering::SeqCst) {
            spin_loop();
        }
        self.state.try_lock()
    }

    /// Looks at the state unless the handler or the driver has it. Called with interrupts disabled.
    fn look(&self, look: impl FnOnce(&T) -> Activity) -> Activity {
        self.is_looked_at.store(true, Ordering::SeqCst);
        let activity = self.state.try_lock().map_or(Activity::IDLE, |state| look(&state));
        self.is_looked_at.store(false, Ordering::SeqCst);
        activity
    }
}

/// The context of a line whose handler has state of its own, made by [`Line::register_exclusive`].
pub struct Exclusive<T> {
    state: HandlerState<T>,
}

impl<T: LineRoutine> LineIsr for Exclusive<T> {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        self.state.enter().map_or(Claim::NotMine, |mut state| state.on_line(isr))
    }

    fn activity(&self) -> Activity {
        self.state.look(LineRoutine::activity)
    }
}

impl<T: LineRoutine> Line<Exclusive<T>, Granted> {
    /// Registers a handler with state of its own.
    ///
    /// ```
    /// use switchboard::interrupt::{Claim, InIsr, LineRoutine};
    /// # use switchboard_testing::{FakeFunction, FakeMachine};
    ///
    /// /// Counts without atomics.
    /// struct Counter {
    ///     interrupts: u32,
    /// }
    /// impl LineRoutine for Counter {
    ///     fn on_line(&mut self, _: &InIsr<'_>) -> Claim {
    ///         self.interrupts += 1;
    ///         Claim::Mine
    ///     }
    /// }
    ///
    /// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).pin(1, 11)]);
    /// # let resources = fake.machine().take_all().remove(0).claim()?;
    /// let mut line = resources.irq.grant_line()?.register_exclusive(Counter { interrupts: 0 }).unmask();
    /// # fake.assert_line(11);
    /// assert_eq!(line.with_state(|counter| counter.interrupts), 1);
    /// # Ok::<(), switchboard::driver::ProbeError>(())
    /// ```
    pub fn register_exclusive(self, state: T) -> Line<Exclusive<T>, Masked> {
        self.register(Arc::new(Exclusive { state: HandlerState::new(state) }))
    }
}

impl<T: LineRoutine> Line<Exclusive<T>, Live> {
    /// Runs `work` on the state of the handler while the handler does not run.
    pub fn with_state<R>(&mut self, work: impl FnOnce(&mut T) -> R) -> R {
        self.synchronize(|context| work(&mut context.state.state.lock()))
    }
}

/// The context of messages that have a handler each, made by [`Messages::register_each`]: `R` is a tuple of
/// [`MessageRoutine`]s in the order of the names `M`.
pub struct Each<M, R: RoutineTuple> {
    cells: R::Cells,
    _message: core::marker::PhantomData<fn() -> M>,
}

/// A tuple of one to eight message routines.
pub trait RoutineTuple: Send + 'static {
    /// The routines, each in a cell.
    #[doc(hidden)]
    type Cells: Send + Sync;
    /// Mutable references to all routines.
    type Borrowed<'a>;
    #[doc(hidden)]
    fn into_cells(self) -> Self::Cells;
    #[doc(hidden)]
    fn call(cells: &Self::Cells, index: usize, isr: &InIsr<'_>);
    #[doc(hidden)]
    fn activity(cells: &Self::Cells, index: usize) -> Activity;
    #[doc(hidden)]
    fn with<T>(cells: &Self::Cells, work: impl FnOnce(Self::Borrowed<'_>) -> T) -> T;
}

/// A tuple of `N` message routines.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not {N} message routines",
    note = "give a tuple with one `MessageRoutine` for each of the {N} names, in their order"
)]
pub trait Routines<const N: usize>: RoutineTuple {}

macro_rules! routines {
    ($count:literal: $($name:ident $index:tt),+) => {
        impl<$($name: MessageRoutine),+> RoutineTuple for ($($name,)+) {
            type Cells = ($(HandlerState<$name>,)+);
            type Borrowed<'a> = ($(&'a mut $name,)+);

            fn into_cells(self) -> Self::Cells {
                ($(HandlerState::new(self.$index),)+)
            }

            #[inline]
            fn call(cells: &Self::Cells, index: usize, isr: &InIsr<'_>) {
                match index {
                    $($index => match cells.$index.enter() {
                        Some(mut routine) => routine.on_message(isr),
                        // Two messages have one index: the message set is invalid.
                        None => isr.count_unclaimed(),
                    },)+
                    _ => isr.count_unclaimed(),
                }
            }

            fn activity(cells: &Self::Cells, index: usize) -> Activity {
                match index {
                    $($index => cells.$index.look(MessageRoutine::activity),)+
                    _ => Activity::IDLE,
                }
            }

            fn with<T>(cells: &Self::Cells, work: impl FnOnce(Self::Borrowed<'_>) -> T) -> T {
                let mut guards = ($(cells.$index.state.lock(),)+);
                work(($(&mut *guards.$index,)+))
            }
        }
        impl<$($name: MessageRoutine),+> Routines<$count> for ($($name,)+) {}
    };
}

routines!(1: A 0);
routines!(2: A 0, B 1);
routines!(3: A 0, B 1, C 2);
routines!(4: A 0, B 1, C 2, D 3);
routines!(5: A 0, B 1, C 2, D 3, E 4);
routines!(6: A 0, B 1, C 2, D 3, E 4, F 5);
routines!(7: A 0, B 1, C 2, D 3, E 4, F 5, G 6);
routines!(8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

impl<const N: usize, M: MessageSet<N>, R: Routines<N>> MessageIsr<N> for Each<M, R> {
    type Message = M;
    #[inline]
    fn on_message(&self, message: M, isr: &InIsr<'_>) {
        R::call(&self.cells, message.index(), isr);
    }

    fn activity(&self, message: M) -> Activity {
        R::activity(&self.cells, message.index())
    }
}

impl<const N: usize, M: MessageSet<N>, R: Routines<N>> Messages<N, Each<M, R>, Granted> {
    /// Registers a handler for each message, each with state of its own.
    ///
    /// ```
    /// use switchboard::interrupt::{Each, InIsr, MessageRoutine};
    /// # use switchboard_testing::{FakeFunction, FakeMachine};
    ///
    /// switchboard::messages! {
    ///     enum NicMessage { Receive, Transmit }
    /// }
    /// struct Receive {
    ///     frames: u32,
    /// }
    /// impl MessageRoutine for Receive {
    ///     fn on_message(&mut self, _: &InIsr<'_>) {
    ///         self.frames += 1;
    ///     }
    /// }
    /// struct Transmit;
    /// impl MessageRoutine for Transmit {
    ///     fn on_message(&mut self, _: &InIsr<'_>) {}
    /// }
    ///
    /// # let fake = FakeMachine::new([FakeFunction::new(0x1af4, 0x1041).bar(1, 0x1000).msix(4, 1, 0, 0x800)]);
    /// # let function = fake.machine().take_all().remove(0);
    /// # let address = function.address();
    /// # let irq = function.claim()?.irq;
    /// let granted = irq.grant_messages::<2, Each<NicMessage, (Receive, Transmit)>>()?;
    /// let mut messages = granted.register_each((Receive { frames: 0 }, Transmit)).unmask();
    /// # fake.send(address, messages.entry(NicMessage::Receive)).expect("sent");
    /// assert_eq!(messages.with_routines(|(receive, _)| receive.frames), 1);
    /// # Ok::<(), switchboard::driver::ProbeError>(())
    /// ```
    pub fn register_each(self, routines: R) -> Messages<N, Each<M, R>, Masked> {
        self.register(Arc::new(Each { cells: routines.into_cells(), _message: core::marker::PhantomData }))
    }
}

impl<const N: usize, M: MessageSet<N>, R: Routines<N>> Messages<N, Each<M, R>, Live> {
    /// Runs `work` on the states of the handlers while none of them runs.
    pub fn with_routines<T>(&mut self, work: impl FnOnce(R::Borrowed<'_>) -> T) -> T {
        self.synchronize(|context| R::with(&context.cells, work))
    }
}

impl<T> fmt::Debug for Exclusive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exclusive").finish_non_exhaustive()
    }
}

impl<M, R: RoutineTuple> fmt::Debug for Each<M, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Each").finish_non_exhaustive()
    }
}
