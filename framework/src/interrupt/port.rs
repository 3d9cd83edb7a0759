//! A function's interrupts before they are granted, and the ladder by which they are.
//!
//! The ladder, told once: MSI-X, else MSI, else the line; each rung only if the function offers it and the
//! machine permits it, and with fewer vectors than messages when the machine runs short. A rung that fails
//! gives way to the next, and the first failure is what a driver hears when nothing was left. A driver may
//! [prefer](InterruptPort::prefer) a mode, which then comes first, and ask for a
//! [minimum](InterruptPort::min_vectors) of vectors.

use alloc::sync::Arc;

use super::error::GrantError;
use super::grant::MessageGrant;
use super::interrupts::Interrupts;
use super::isr::{LineIsr, MessageIsr};
use super::line::Line;
use super::line_grant::LineGrant;
use super::messages::Messages;
use super::service::LineAsMessage;
use crate::config::{Capability, Defect};
use crate::ownership::{Claimed, Gone};
use crate::platform::{Mode, Offers, PermittedModes};

/// A function's interrupts, silent and not granted yet.
#[derive(Debug)]
pub struct InterruptPort {
    claimed: Arc<Claimed>,
    preferred: Option<Mode>,
    least: usize,
}

impl InterruptPort {
    pub(crate) fn new(claimed: Arc<Claimed>) -> Self {
        Self { claimed, preferred: None, least: 1 }
    }

    /// Puts `mode` first on the ladder; the others follow in their order.
    #[must_use]
    pub fn prefer(self, mode: Mode) -> Self {
        Self { preferred: Some(mode), ..self }
    }

    /// Refuses messages on fewer than `vectors` vectors, instead of folding them further. The ladder goes on to the
    /// line then.
    #[must_use]
    pub fn min_vectors(self, vectors: usize) -> Self {
        Self { least: vectors, ..self }
    }

    /// What the function offers.
    #[must_use]
    pub fn offers(&self) -> Offers {
        self.claimed.record().offers()
    }

    /// Grants whatever the function offers and the machine can route: messages, else the line.
    ///
    /// # Errors
    /// [`GrantError`] and the port, when no rung of the ladder holds.
    pub fn grant<const N: usize, I>(self) -> Result<Interrupts<N, I>, (GrantError, Self)>
    where
        I: LineIsr + MessageIsr<N>,
    {
        let messages = |port: Self| port.grant_messages().map(Interrupts::Messages);
        let line = |port: Self| port.grant_line().map(Interrupts::Line);
        if self.preferred == Some(Mode::Intx) {
            line(self).or_else(|(refusal, port)| messages(port).map_err(|(last, port)| (refusal.or(last), port)))
        } else {
            messages(self).or_else(|(refusal, port)| line(port).map_err(|(last, port)| (refusal.or(last), port)))
        }
    }

    /// Grants `N` messages, by MSI-X or MSI. With fewer vectors than that, the last ones share one: see
    /// [`Messages::folding`].
    ///
    /// # Errors
    /// [`GrantError`] and the port.
    pub fn grant_messages<const N: usize, I: MessageIsr<N>>(self) -> Result<Messages<N, I>, (GrantError, Self)> {
        match self.climb(N) {
            Ok(grant) => Ok(Messages::new(grant)),
            Err(error) => Err(self.refuse(error)),
        }
    }

    /// The rungs of the ladder that are messages. Apart, so that it is compiled once, and not for each driver.
    #[inline(never)]
    fn climb(&self, count: usize) -> Result<MessageGrant, GrantError> {
        let by_msix = || {
            self.permit(Mode::Msix).and_then(|()| self.tell(MessageGrant::by_msix(&self.claimed, count, self.least)))
        };
        let by_msi =
            || self.permit(Mode::Msi).and_then(|()| self.tell(MessageGrant::by_msi(&self.claimed, count, self.least)));
        if self.preferred == Some(Mode::Msi) {
            by_msi().or_else(|refusal| by_msix().map_err(|last| refusal.or(last)))
        } else {
            by_msix().or_else(|refusal| by_msi().map_err(|last| refusal.or(last)))
        }
    }

    /// Grants the line.
    ///
    /// # Errors
    /// [`GrantError`] and the port.
    pub fn grant_line<I: LineIsr>(self) -> Result<Line<I>, (GrantError, Self)> {
        match self.permit(Mode::Intx).and_then(|()| LineGrant::new(&self.claimed)) {
            Ok(grant) => Ok(Line::new(grant)),
            Err(error) => Err(self.refuse(error)),
        }
    }

    /// Grants one interrupt in whatever form there is, served by a line handler in all of them. A driver that has
    /// just one cause needs no second handler; what `on_line` answers to a message is counted, nothing more.
    ///
    /// # Errors
    /// [`GrantError`] and the port.
    pub fn grant_service<I: LineIsr>(self) -> Result<Interrupts<1, LineAsMessage<I>>, (GrantError, Self)> {
        self.grant()
    }

    /// What a refusal was about: a function that is gone looks like one that is broken.
    fn refuse(self, error: GrantError) -> (GrantError, Self) {
        (self.claimed.confirm().map_or_else(GrantError::Gone, |()| error), self)
    }

    /// Says why a rung failed that was there: the next may hold, and then nobody else would.
    fn tell<T>(&self, rung: Result<T, GrantError>) -> Result<T, GrantError> {
        rung.inspect_err(|error| log::warn!("{}: {error}", self.claimed.record().address()))
    }

    fn permit(&self, mode: Mode) -> Result<(), GrantError> {
        if self.claimed.is_gone() {
            return Err(Gone { address: self.claimed.record().address() }.into());
        }
        let (offers, policy) = (self.offers(), self.claimed.machine().policy);
        match (offers.has(mode), policy.permits(mode)) {
            (true, true) => Ok(()),
            (false, true) => {
                let defect = self.claimed.record().defects.iter().find(|defect| denies(**defect, mode));
                Err(defect.map_or(GrantError::NoMode { offers, permitted: PermittedModes(policy) }, |defect| {
                    (*defect).into()
                }))
            }
            (_, false) => Err(GrantError::NoMode { offers, permitted: PermittedModes(policy) }),
        }
    }
}

/// Whether `defect` is why a function does not offer `mode`.
fn denies(defect: Defect, mode: Mode) -> bool {
    match (defect, mode) {
        (Defect::Pin { .. }, Mode::Intx) | (Defect::Msix { .. }, Mode::Msix) => true,
        (Defect::MsiCount { .. } | Defect::MsiGranted { .. }, Mode::Msi) => true,
        (Defect::Truncated { id, .. } | Defect::Overlap { id, .. }, Mode::Msi) => id == Capability::MSI,
        (Defect::Truncated { id, .. } | Defect::Overlap { id, .. }, Mode::Msix) => id == Capability::MSIX,
        _ => false,
    }
}
