//! What network drivers can do besides embassy's interface.

use embassy_net_driver::Driver;

/// A network card that can do without its interrupts.
pub trait Card: Driver {
    /// Says whether the caller looks for frames by itself for a while. Meanwhile the card does not interrupt for those that
    /// arrive, and nobody is woken for them. Once that is over, a look that finds none promises to wake, as always.
    fn set_polled(&mut self, is_polled: bool);
}
