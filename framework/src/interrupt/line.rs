//! A line: shared, level-triggered; its handler says whether the interrupt was its own.

use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;

use super::isr::LineIsr;
use super::line_grant::LineGrant;
use super::state::{Granted, Live, Masked};
use crate::platform::{Gsi, RouteSource};

/// A line for the handler `I`, in the state `S`.
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
    /// The global system interrupt that the line is.
    #[must_use]
    pub fn gsi(&self) -> Gsi {
        self.grant.gsi()
    }

    /// Who knew that.
    #[must_use]
    pub fn route_source(&self) -> RouteSource {
        self.grant.source()
    }
}

impl<I: LineIsr> Line<I, Granted> {
    /// Registers the context that the handler is called with. It is owned by the registration from here on.
    pub fn register(self, isr: Arc<I>) -> Line<I, Masked> {
        Line { grant: self.grant, isr: Some(isr), _marker: PhantomData }
    }
}

impl<I: LineIsr> Line<I, Masked> {
    /// Joins the line's sharers and lets the function drive its pin.
    pub fn unmask(mut self) -> Line<I, Live> {
        if let Some(isr) = &self.isr {
            self.grant.join(isr.clone());
        }
        Line { grant: self.grant, isr: self.isr, _marker: PhantomData }
    }
}

impl<I: LineIsr> Line<I, Live> {
    /// Runs `work` on the context while the handler does not run, on any CPU. The line's other sharers are not
    /// touched; a level that this function raises meanwhile is served afterwards.
    pub fn synchronize<R>(&mut self, work: impl FnOnce(&I) -> R) -> R {
        let isr = self.isr.as_deref().unwrap_or_else(|| unreachable!("what is live was registered"));
        self.grant.pause();
        let result = work(isr);
        self.grant.resume();
        result
    }

    /// Takes the function off the line. Afterwards its handler is not running.
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
