//! A line: shared, level-triggered; its handler says whether the interrupt was its own.

use alloc::sync::Arc;
use alloc::vec;
use core::fmt;
use core::marker::PhantomData;

use super::interrupts::{Granted, Live, Masked};
use super::lines::{LineHold, Sharer};
use super::row::Row;
use super::{Claim, GrantError, Gsi, InIsr, LineIsr, Mode, RouteError, RouteSource, Serve, Wire};
use crate::function::Claimed;

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
        self.grant.hold.gsi()
    }

    /// Who knew that.
    #[must_use]
    pub fn route_source(&self) -> RouteSource {
        self.grant.source
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

/// What a line holds of the machine. Dropping takes the function off the line, then its handler, then the hold.
pub(super) struct LineGrant {
    claimed: Arc<Claimed>,
    source: RouteSource,
    joined: Option<Sharer>,
    hold: LineHold,
}

impl LineGrant {
    pub(super) fn new(claimed: &Arc<Claimed>) -> Result<Self, GrantError> {
        let (machine, header) = (claimed.machine(), claimed.record().header());
        let pin = header.pin.ok_or(RouteError::NoPin)?;
        let wire = Wire::follow(claimed.record().address(), pin, |function| machine.bridge_above(function))?;
        let route = machine.controller.route(wire, header.interrupt_line)?;
        let hold = LineHold::new(machine, route.gsi)?;
        claimed.record().update(|status| (status.mode, status.route) = (Some(Mode::Intx), Some(route)));
        Ok(Self { claimed: claimed.clone(), source: route.source, joined: None, hold })
    }

    fn join<I: LineIsr>(&mut self, isr: Arc<I>) {
        let row = Row::new(&self.claimed, self.hold.vector(), Mode::Intx, Some(self.hold.gsi()), vec!["line"]);
        let row = Arc::new(row);
        let sharer = Sharer::new(Handler { isr, row: row.clone() }, row.clone());
        self.claimed.machine().vectors.add_row(row);
        self.joined = Some(sharer);
        self.resume();
    }

    /// Takes the function and its handler off the line; the handler is not running afterwards.
    fn pause(&self) {
        // One that is gone holds no wire.
        if !self.claimed.is_gone() {
            self.claimed.enable_pin(false);
            // Read back, so that the function has let go of the wire before its handler goes.
            let _ = self.claimed.space().read_u16(0);
        }
        if let Some(sharer) = &self.joined {
            self.hold.leave(sharer);
        }
    }

    fn resume(&self) {
        if let Some(sharer) = &self.joined {
            self.hold.join(sharer.clone());
        }
        if !self.claimed.is_gone() {
            self.claimed.enable_pin(true);
        }
    }

    fn leave(&mut self) {
        self.pause();
        if let Some(sharer) = self.joined.take() {
            self.claimed.machine().vectors.remove_row(sharer.row());
        }
    }
}

impl Drop for LineGrant {
    fn drop(&mut self) {
        self.leave();
        self.claimed.record().update(|status| (status.mode, status.route) = (None, None));
    }
}

/// One function's handler on a line.
struct Handler<I> {
    isr: Arc<I>,
    row: Arc<Row>,
}

impl<I: LineIsr> Serve for Handler<I> {
    fn serve(&self) -> Claim {
        self.row.count();
        let claim = self.isr.on_line(&InIsr::new(&self.row));
        if claim == Claim::NotMine {
            self.row.count_unclaimed();
        }
        claim
    }
}
