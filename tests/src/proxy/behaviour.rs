//! What a list of bytes cannot say about a function: how it changes under the reader.

/// A way to lie. The counts begin when the firmware is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// It is gone after so many reads of its configuration space: all ones from then on.
    GoneAfterReads(u32),
    /// The same after so many writes to it.
    GoneAfterWrites(u32),
    /// The register there has another value from its second read on.
    SecondRead {
        /// Where it begins.
        offset: usize,
        /// Its bytes: one, two or four.
        width: usize,
        /// What it is then.
        value: u32,
    },
    /// The register there ignores writes.
    ReadOnly {
        /// Where it begins.
        offset: usize,
    },
}
