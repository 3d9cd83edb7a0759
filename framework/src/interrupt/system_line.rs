//! A line of the platform itself, which no PCI function asserts.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use core::fmt;

use super::error::GrantError;
use super::isr::LineIsr;
use super::line_grant::Handler;
use super::lines::LineHold;
use crate::config::Address;
use crate::machine::Machine;
use crate::platform::{Gsi, Mode};
use crate::vector::{InterruptCounters, Placement, Sharer};

/// A line of the platform with its handler, made by [`Machine::system_line`]. Dropping it removes the handler.
pub struct SystemLine {
    hold: LineHold,
    sharer: Sharer,
    machine: &'static Machine,
}

impl SystemLine {
    /// Returns the line.
    #[must_use]
    pub fn gsi(&self) -> Gsi {
        self.hold.gsi()
    }
}

impl Machine {
    /// Registers a handler for a line of the platform, such as ACPI's system control interrupt, and unmasks the line. PCI functions may
    /// share it. In reports it belongs to the host bridge, 00:00.0, under the name of its driver.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use switchboard::interrupt::{Claim, Gsi, InIsr, LineIsr};
    /// # use switchboard_testing::{FakeFunction, FakeMachine};
    ///
    /// struct PowerButton;
    /// impl LineIsr for PowerButton {
    ///     fn on_line(&self, _: &InIsr<'_>) -> Claim {
    ///         Claim::Mine
    ///     }
    /// }
    ///
    /// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8)]);
    /// # let machine = fake.machine();
    /// let line = machine.system_line(Gsi(9), "acpi", Arc::new(PowerButton))?;
    /// # assert!(fake.assert_line(9));
    /// assert_eq!(machine.interrupt_report()[0].driver, "acpi");
    /// drop(line);
    /// # assert!(!fake.assert_line(9));
    /// # Ok::<(), switchboard::interrupt::GrantError>(())
    /// ```
    ///
    /// # Errors
    /// [`GrantError`] when there is no such line, or no vector for it.
    pub fn system_line(
        &'static self,
        gsi: Gsi,
        driver: &'static str,
        isr: Arc<impl LineIsr>,
    ) -> Result<SystemLine, GrantError> {
        let hold = LineHold::new(self, gsi, Placement::Policy)?;
        let context = isr.clone();
        let activity = Box::new(move || context.activity());
        let (function, names) = (Address::new(0, 0, 0, 0), vec!["line"]);
        let counters = InterruptCounters::new(&self.cpus, function, driver, Mode::Intx, Some(gsi), names, activity);
        let counters = Arc::new(counters);
        let sharer = Sharer::new(Handler { isr, counters: counters.clone() }, counters.clone());
        hold.join(sharer.clone());
        self.handlers.add_counters(counters);
        Ok(SystemLine { hold, sharer, machine: self })
    }
}

impl Drop for SystemLine {
    fn drop(&mut self) {
        self.hold.leave(&self.sharer);
        self.machine.handlers.remove_counters(self.sharer.counters());
    }
}

impl fmt::Debug for SystemLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SystemLine(GSI {})", self.gsi())
    }
}
