//! Behaviour of a function that a list of bytes cannot describe: values that change while it is read.

/// A deviation from the rules of configuration space. Accesses are counted from the end of the firmware's phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// The function is removed after so many reads of its configuration space: all ones from then on.
    GoneAfterReads(u32),
    /// The function is removed after so many writes to its configuration space.
    GoneAfterWrites(u32),
    /// A register has another value from its second read on.
    SecondRead {
        /// Offset of the register.
        offset: usize,
        /// Width in bytes: one, two or four.
        width: usize,
        /// The value from the second read on.
        value: u32,
    },
    /// A register ignores writes.
    ReadOnly {
        /// Offset of the register.
        offset: usize,
    },
}
