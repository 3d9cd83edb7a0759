//! Handlers with state of their own: `&mut self`, and nothing to wait for.
//!
//! A vector belongs to one CPU and does not interrupt itself, so what only one vector's handler touches is never
//! contended. A context in an `Arc` cannot show that, since anyone may hold it; here the registration alone owns
//! the state, and the driver reaches it through [`with_state`](Line::with_state), while no handler runs. Windows
//! calls that KeSynchronizeExecution, and spins on a lock in every interrupt for it. Here an ISR only tries one
//! that is always free; it is there so that no argument about CPUs has to be believed.

use alloc::sync::Arc;
use core::fmt;

use super::isr::{InIsr, LineIsr, MessageIsr, MessageSet};
use super::line::Line;
use super::messages::Messages;
use super::state::{Granted, Live, Masked};
use crate::sync::primitives::SpinMutex;
use crate::vector::Claim;

/// A line handler with state of its own.
pub trait LineRoutine: Send + 'static {
    /// Serves the line; see [`LineIsr::on_line`].
    fn on_line(&mut self, isr: &InIsr<'_>) -> Claim;
}

/// A handler for one message, with state of its own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot serve a message by itself",
    note = "implement `MessageRoutine for {Self}`; a routine is for one message and has its own state"
)]
pub trait MessageRoutine: Send + 'static {
    /// Serves the message; see [`MessageIsr::on_message`].
    fn on_message(&mut self, isr: &InIsr<'_>);
}

/// The context of a line whose handler has state of its own; see [`Line::register_exclusive`].
pub struct Exclusive<T> {
    state: SpinMutex<T>,
}

impl<T: LineRoutine> LineIsr for Exclusive<T> {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        self.state.try_lock().map_or(Claim::NotMine, |mut state| state.on_line(isr))
    }
}

impl<T: LineRoutine> Line<Exclusive<T>, Granted> {
    /// Registers a handler with state of its own.
    pub fn register_exclusive(self, state: T) -> Line<Exclusive<T>, Masked> {
        self.register(Arc::new(Exclusive { state: SpinMutex::new(state) }))
    }
}

impl<T: LineRoutine> Line<Exclusive<T>, Live> {
    /// Runs `work` on the handler's state while the handler does not run.
    pub fn with_state<R>(&mut self, work: impl FnOnce(&mut T) -> R) -> R {
        self.synchronize(|context| work(&mut context.state.lock()))
    }
}

/// The context of messages with a handler each: `R` is a tuple of [`MessageRoutine`]s in the order of the names
/// `M`; see [`Messages::register_each`].
pub struct Each<M, R: RoutineTuple> {
    cells: R::Cells,
    _message: core::marker::PhantomData<fn() -> M>,
}

/// Tuples of message routines, one to eight.
pub trait RoutineTuple: Send + 'static {
    /// The routines, each in a cell.
    #[doc(hidden)]
    type Cells: Send + Sync;
    /// All of them, borrowed.
    type Borrowed<'a>;
    #[doc(hidden)]
    fn into_cells(self) -> Self::Cells;
    #[doc(hidden)]
    fn call(cells: &Self::Cells, index: usize, isr: &InIsr<'_>);
    #[doc(hidden)]
    fn with<T>(cells: &Self::Cells, work: impl FnOnce(Self::Borrowed<'_>) -> T) -> T;
}

/// Tuples of `N` message routines.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not {N} message routines",
    note = "give a tuple with one `MessageRoutine` for each of the {N} names, in their order"
)]
pub trait Routines<const N: usize>: RoutineTuple {}

macro_rules! routines {
    ($count:literal: $($name:ident $index:tt),+) => {
        impl<$($name: MessageRoutine),+> RoutineTuple for ($($name,)+) {
            type Cells = ($(SpinMutex<$name>,)+);
            type Borrowed<'a> = ($(&'a mut $name,)+);

            fn into_cells(self) -> Self::Cells {
                ($(SpinMutex::new(self.$index),)+)
            }

            #[inline]
            fn call(cells: &Self::Cells, index: usize, isr: &InIsr<'_>) {
                match index {
                    $($index => match cells.$index.try_lock() {
                        Some(mut routine) => routine.on_message(isr),
                        // Two messages with one index: the set of names lies.
                        None => isr.count_unclaimed(),
                    },)+
                    _ => isr.count_unclaimed(),
                }
            }

            fn with<T>(cells: &Self::Cells, work: impl FnOnce(Self::Borrowed<'_>) -> T) -> T {
                let mut guards = ($(cells.$index.lock(),)+);
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
}

impl<const N: usize, M: MessageSet<N>, R: Routines<N>> Messages<N, Each<M, R>, Granted> {
    /// Registers a handler for each message, each with state of its own.
    pub fn register_each(self, routines: R) -> Messages<N, Each<M, R>, Masked> {
        self.register(Arc::new(Each { cells: routines.into_cells(), _message: core::marker::PhantomData }))
    }
}

impl<const N: usize, M: MessageSet<N>, R: Routines<N>> Messages<N, Each<M, R>, Live> {
    /// Runs `work` on the handlers' states while none of them runs.
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
