//! Lasting faults of a function, as the watch of its handlers finds them.

use core::fmt;

use super::counters::InterruptReport;

/// A lasting fault of a function that has a driver; part of a [`FunctionReport`](crate::function::FunctionReport).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Interrupts do not arrive, and the driver's handler is called at short intervals instead.
    Polled {
        /// The name of the message, or `line`.
        name: &'static str,
    },
    /// The device has not finished any request for at least five seconds.
    Stalled {
        /// The name of the queue's message, or `line`.
        name: &'static str,
        /// The number of requests in flight.
        outstanding: u32,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Polled { name } => write!(f, "interrupts do not arrive ({name}): polled"),
            Self::Stalled { name, outstanding } => {
                write!(f, "{outstanding} {} not finish ({name})", requests(*outstanding))
            }
        }
    }
}

fn requests(count: u32) -> &'static str {
    if count == 1 { "request does" } else { "requests do" }
}

impl Fault {
    /// Returns the faults in a row of the interrupt report.
    pub(crate) fn of(row: &InterruptReport) -> impl Iterator<Item = Self> {
        let name = row.names.first().copied().unwrap_or("none");
        let polled = row.is_polled.then_some(Self::Polled { name });
        let stalled = row.stalled.map(|outstanding| Self::Stalled { name, outstanding });
        polled.into_iter().chain(stalled)
    }
}
