//! Lines: shared, level-triggered interrupts, each of whose handlers returns whether it claims the interrupt.

use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;

use super::error::SteerError;
use super::isr::LineIsr;
use super::line_grant::LineGrant;
use super::state::{Granted, Live, Masked};
use crate::platform::{Gsi, RouteSource};
use crate::vector::Cpu;

/// A line (INTx) for the handler `I`, in the state `S`: [`Granted`], then [`Masked`], then [`Live`].
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use switchboard::interrupt::{Claim, Gsi, InIsr, LineIsr};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// #[derive(Default)]
/// struct Shared {
///     interrupts: AtomicUsize,
/// }
/// impl LineIsr for Shared {
///     fn on_line(&self, _: &InIsr<'_>) -> Claim {
///         self.interrupts.fetch_add(1, Ordering::Relaxed);
///         Claim::Mine
///     }
/// }
///
/// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).pin(1, 11)]);
/// # let resources = fake.machine().take_all().remove(0).claim()?;
/// let shared = Arc::new(Shared::default());
/// let mut line = resources.irq.grant_line()?.register(shared.clone()).unmask();
/// assert_eq!(line.gsi(), Gsi(11));
/// # fake.assert_line(11);
/// // The handler does not run during the call.
/// assert_eq!(line.synchronize(|shared| shared.interrupts.load(Ordering::Relaxed)), 1);
/// // Dropping the line removes the handler.
/// drop(line);
/// # assert!(!fake.assert_line(11));
/// assert_eq!(Arc::strong_count(&shared), 1);
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
pub struct Line<I: 'static, S = Granted> {
    grant: LineGrant,
    isr: Option<Arc<I>>,
    _marker: PhantomData<fn() -> S>,
}

impl<I> Line<I, Granted> {
    pub(super) fn new(grant: LineGrant) -> Self {
        Self { grant, isr: None, _marker: PhantomData }
    }
}

impl<I, S> Line<I, S> {
    /// Returns the global system interrupt of the line.
    #[must_use]
    pub fn gsi(&self) -> Gsi {
        self.grant.gsi()
    }

    /// Returns the CPU that serves the line.
    #[must_use]
    pub fn cpu(&self) -> Cpu {
        self.grant.cpu()
    }

    /// Returns the source from which the global system interrupt is known.
    #[must_use]
    pub fn route_source(&self) -> RouteSource {
        self.grant.source()
    }
}

impl<I: LineIsr> Line<I, Granted> {
    /// Registers the context with which the handler is called. The registration holds it until it is dropped.
    pub fn register(self, isr: Arc<I>) -> Line<I, Masked> {
        Line { grant: self.grant, isr: Some(isr), _marker: PhantomData }
    }
}

impl<I: LineIsr> Line<I, Masked> {
    /// Adds the handler to those of the line and enables the pin of the function.
    pub fn unmask(mut self) -> Line<I, Live> {
        if let Some(isr) = &self.isr {
            self.grant.join(isr.clone());
        }
        Line { grant: self.grant, isr: self.isr, _marker: PhantomData }
    }
}

impl<I: LineIsr> Line<I, Live> {
    /// Runs `work` on the context while the handler does not run, on any CPU. The other sharers of the line are not affected. A
    /// level that this function asserts meanwhile is served afterwards.
    pub fn synchronize<R>(&mut self, work: impl FnOnce(&I) -> R) -> R {
        let isr = self.isr.as_deref().unwrap_or_else(|| unreachable!("a live line has a context"));
        self.grant.pause();
        let result = work(isr);
        self.grant.resume();
        result
    }

    /// Moves the line, with the handlers of all functions that share it, to a CPU. A level that is asserted meanwhile is served
    /// there.
    ///
    /// # Errors
    /// [`SteerError`]; the line stays where it was.
    pub fn steer(&mut self, cpu: Cpu) -> Result<(), SteerError> {
        self.grant.steer(cpu)
    }

    /// Disables the pin of the function and removes its handler, which is not running afterwards.
    pub fn mask(mut self) -> Line<I, Masked> {
        self.grant.leave();
        Line { grant: self.grant, isr: self.isr, _marker: PhantomData }
    }
}

impl<I, S> fmt::Debug for Line<I, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line(GSI {})", self.gsi())
    }
}
