//! What network drivers can do besides embassy's interface.

use embassy_net_driver::Driver;

/// A network card that can do without its interrupts.
pub trait NetworkCard: Driver {
    /// Turns polling on or off. While it is on, the card does not interrupt for frames that arrive, and no task is woken for
    /// them: the caller looks by itself. Once it is off, a look that finds no frame registers the task to be woken again.
    fn set_polled(&mut self, is_polled: bool);
}
