//! The interrupt port of a function: selection of an interrupt mode, and the grant of a line or of messages.
//!
//! Modes are tried in this order: MSI-X, MSI, the line (INTx). A mode is tried only if the function offers it and the machine
//! permits it. Messages may be granted fewer vectors than there are messages, when vectors are short. When a mode fails, the next
//! one is tried; when all fail, the driver gets the error of the first that was offered and permitted. A driver may
//! [prefer](InterruptPort::prefer) a mode, which is then tried first, and require a
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
use crate::vector::{Cpu, Placement};

/// The interrupts of a claimed function, disabled and not granted yet; a field of
/// [`Resources`](crate::function::Resources).
///
/// A driver that serves both forms takes what is granted:
///
/// ```
/// use std::sync::Arc;
/// use switchboard::interrupt::{Claim, InIsr, LineIsr, MessageIsr, Mode};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// switchboard::messages! {
///     enum NicMessage { Receive, Transmit }
/// }
/// struct Shared;
/// impl LineIsr for Shared {
///     fn on_line(&self, _: &InIsr<'_>) -> Claim {
///         Claim::Mine
///     }
/// }
/// impl MessageIsr<2> for Shared {
///     type Message = NicMessage;
///     fn on_message(&self, _: NicMessage, _: &InIsr<'_>) {}
/// }
///
/// # let nic = || FakeFunction::new(0x1af4, 0x1041).bar(1, 0x1000).pin(1, 11);
/// # let fake = FakeMachine::new([nic().at("00:03.0").msi(2).msix(4, 1, 0, 0x800), nic().at("00:04.0")]);
/// # let mut ports = fake.machine().take_all().into_iter().map(|function| function.claim().unwrap().irq);
/// # let mut next = || ports.next().unwrap();
/// # let irq = next();
/// assert_eq!(irq.offers().to_string(), "INTA, MSI 2, MSI-X 4");
/// let interrupts = irq.grant()?.register(Arc::new(Shared)).unmask();
/// assert_eq!(interrupts.mode(), Mode::Msix);
///
/// // A function that has only a pin.
/// # let irq = next();
/// let interrupts = irq.grant()?.register(Arc::new(Shared)).unmask();
/// assert_eq!(interrupts.mode(), Mode::Intx);
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
#[derive(Debug)]
pub struct InterruptPort {
    claimed: Arc<Claimed>,
    preferred: Option<Mode>,
    placement: Placement,
    min_vectors: usize,
}

impl InterruptPort {
    pub(crate) fn new(claimed: Arc<Claimed>) -> Self {
        Self { claimed, preferred: None, placement: Placement::Policy, min_vectors: 1 }
    }

    /// Tries `mode` first; the others follow in their order.
    ///
    /// ```
    /// # use switchboard::interrupt::{Claim, InIsr, LineAsMessage, LineIsr, Mode};
    /// # use switchboard_testing::{FakeFunction, FakeMachine};
    /// # struct Shared;
    /// # impl LineIsr for Shared {
    /// #     fn on_line(&self, _: &InIsr<'_>) -> Claim { Claim::Mine }
    /// # }
    /// # let nic = FakeFunction::new(0x1af4, 0x1041).bar(1, 0x1000).msi(1).msix(4, 1, 0, 0x800);
    /// # let fake = FakeMachine::new([nic]);
    /// # let irq = fake.machine().take_all().remove(0).claim()?.irq;
    /// let messages = irq.prefer(Mode::Msi).grant_messages::<1, LineAsMessage<Shared>>()?;
    /// assert_eq!(messages.mode(), Mode::Msi);
    /// # Ok::<(), switchboard::driver::ProbeError>(())
    /// ```
    #[must_use]
    pub fn prefer(self, mode: Mode) -> Self {
        Self { preferred: Some(mode), ..self }
    }

    /// Returns the CPUs that run, the boot CPU first.
    pub fn cpus(&self) -> impl ExactSizeIterator<Item = Cpu> + use<> {
        self.claimed.machine().cpus.all()
    }

    /// Takes vectors of `cpu` while it has some, then those of others. A line that is in use stays where it is.
    ///
    /// Without this, the machine's policy decides: the boot CPU while it has vectors, or the CPU that has fewest in use
    /// ([`Machine::spread_interrupts`](crate::machine::Machine::spread_interrupts)).
    ///
    /// ```
    /// # use switchboard::interrupt::{Claim, InIsr, LineAsMessage, LineIsr, ServiceMessage};
    /// # use switchboard_testing::{FakeFunction, FakeMachine};
    /// # struct Shared;
    /// # impl LineIsr for Shared {
    /// #     fn on_line(&self, _: &InIsr<'_>) -> Claim { Claim::Mine }
    /// # }
    /// # let fake = FakeMachine::builder().cpus(2).build();
    /// # fake.insert(FakeFunction::new(0x1af4, 0x1041).bar(1, 0x1000).msix(4, 1, 0, 0x800));
    /// # fake.machine().scan();
    /// # let irq = fake.machine().take_all().remove(0).claim()?.irq;
    /// let cpu = irq.cpus().last().expect("the boot CPU, if no other runs");
    /// let messages = irq.prefer_cpu(cpu).grant_messages::<1, LineAsMessage<Shared>>()?;
    /// assert_eq!(messages.cpu(ServiceMessage), cpu);
    /// # Ok::<(), switchboard::driver::ProbeError>(())
    /// ```
    #[must_use]
    pub fn prefer_cpu(self, cpu: Cpu) -> Self {
        Self { placement: Placement::Prefer(cpu), ..self }
    }

    /// Sets where vectors are taken. Returns where they were.
    pub(super) fn set_placement(&mut self, placement: Placement) -> Placement {
        core::mem::replace(&mut self.placement, placement)
    }

    /// Requires at least `vectors` vectors for messages, instead of folding them further. With fewer,
    /// [`grant`](Self::grant) goes on to the line.
    ///
    /// ```
    /// # use switchboard::interrupt::{InIsr, MessageIsr};
    /// # use switchboard_testing::{FakeFunction, FakeMachine};
    /// # switchboard::messages! { enum NicMessage { Receive, Transmit, Link } }
    /// # struct Shared;
    /// # impl MessageIsr<3> for Shared {
    /// #     type Message = NicMessage;
    /// #     fn on_message(&self, _: NicMessage, _: &InIsr<'_>) {}
    /// # }
    /// # let fake = FakeMachine::new([FakeFunction::new(0x1af4, 0x1041).bar(1, 0x1000).msix(4, 1, 0, 0x800)]);
    /// # let irq = fake.machine().take_all().remove(0).claim()?.irq;
    /// # fake.machine().limit_vectors(2);
    /// let (error, irq) = irq.min_vectors(3).grant_messages::<3, Shared>().unwrap_err();
    /// assert_eq!(error.to_string(), "3 vectors are the driver's minimum, 2 can be granted");
    /// // The error returns the port, for another attempt.
    /// assert_eq!(irq.min_vectors(2).grant_messages::<3, Shared>()?.vectors(), 2);
    /// # Ok::<(), switchboard::driver::ProbeError>(())
    /// ```
    #[must_use]
    pub fn min_vectors(self, vectors: usize) -> Self {
        Self { min_vectors: vectors, ..self }
    }

    /// Returns the interrupt modes that the function offers.
    #[must_use]
    pub fn offers(&self) -> Offers {
        self.claimed.record().offers()
    }

    /// Grants the first mode that works: messages, else the line.
    ///
    /// # Errors
    /// [`GrantError`] and the port, when no mode works.
    pub fn grant<const N: usize, I>(self) -> Result<Interrupts<N, I>, (GrantError, Self)>
    where
        I: LineIsr + MessageIsr<N>,
    {
        let messages = |port: Self| port.grant_messages().map(Interrupts::Messages);
        let line = |port: Self| port.grant_line().map(Interrupts::Line);
        if self.preferred == Some(Mode::Intx) {
            line(self).or_else(|(refusal, port)| {
                messages(port).map_err(|(last, port)| (refusal.or_more_specific(last), port))
            })
        } else {
            messages(self)
                .or_else(|(refusal, port)| line(port).map_err(|(last, port)| (refusal.or_more_specific(last), port)))
        }
    }

    /// Grants `N` messages, by MSI-X or MSI. With fewer than `N` vectors, the last messages share one: see
    /// [`Messages::folding`].
    ///
    /// # Errors
    /// [`GrantError`] and the port.
    pub fn grant_messages<const N: usize, I: MessageIsr<N>>(self) -> Result<Messages<N, I>, (GrantError, Self)> {
        match self.grant_message_mode(N) {
            Ok(grant) => Ok(Messages::new(grant)),
            Err(error) => Err(self.explain(error)),
        }
    }

    /// Tries MSI-X and MSI. A function of its own, so that it is compiled once and not for each driver.
    #[inline(never)]
    fn grant_message_mode(&self, count: usize) -> Result<MessageGrant, GrantError> {
        let by_msix = || {
            self.check_mode(Mode::Msix).and_then(|()| {
                self.log_error(MessageGrant::by_msix(&self.claimed, count, self.min_vectors, self.placement))
            })
        };
        let by_msi = || {
            self.check_mode(Mode::Msi).and_then(|()| {
                self.log_error(MessageGrant::by_msi(&self.claimed, count, self.min_vectors, self.placement))
            })
        };
        if self.preferred == Some(Mode::Msi) {
            by_msi().or_else(|refusal| by_msix().map_err(|last| refusal.or_more_specific(last)))
        } else {
            by_msix().or_else(|refusal| by_msi().map_err(|last| refusal.or_more_specific(last)))
        }
    }

    /// Grants the line (INTx).
    ///
    /// # Errors
    /// [`GrantError`] and the port.
    pub fn grant_line<I: LineIsr>(self) -> Result<Line<I>, (GrantError, Self)> {
        match self.check_mode(Mode::Intx).and_then(|()| LineGrant::new(&self.claimed, self.placement)) {
            Ok(grant) => Ok(Line::new(grant)),
            Err(error) => Err(self.explain(error)),
        }
    }

    /// Grants one interrupt in the first mode that works, served by a line handler in each. A driver with a single cause then
    /// needs no second handler. See [`LineAsMessage`].
    ///
    /// # Errors
    /// [`GrantError`] and the port.
    pub fn grant_service<I: LineIsr>(self) -> Result<Interrupts<1, LineAsMessage<I>>, (GrantError, Self)> {
        self.grant()
    }

    /// Replaces the error by [`GrantError::Gone`] if the function was removed: it looks like a broken one.
    fn explain(self, error: GrantError) -> (GrantError, Self) {
        (self.claimed.confirm().map_or_else(GrantError::Gone, |()| error), self)
    }

    /// Logs why a mode failed. When the next mode works, the driver does not get this error.
    fn log_error<T>(&self, attempt: Result<T, GrantError>) -> Result<T, GrantError> {
        attempt.inspect_err(|error| log::warn!("{}: {error}", self.claimed.record().address()))
    }

    fn check_mode(&self, mode: Mode) -> Result<(), GrantError> {
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

/// Returns whether `defect` is the reason why a function does not offer `mode`.
fn denies(defect: Defect, mode: Mode) -> bool {
    match (defect, mode) {
        (Defect::Pin { .. }, Mode::Intx) | (Defect::Msix { .. }, Mode::Msix) => true,
        (Defect::MsiCount { .. } | Defect::MsiGranted { .. }, Mode::Msi) => true,
        (Defect::Truncated { id, .. } | Defect::Overlap { id, .. }, Mode::Msi) => id == Capability::MSI,
        (Defect::Truncated { id, .. } | Defect::Overlap { id, .. }, Mode::Msix) => id == Capability::MSIX,
        _ => false,
    }
}
