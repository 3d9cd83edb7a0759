//! Why an evaluation ends without a value.

use alloc::string::String;
use core::fmt;

/// Why an evaluation ended without a value, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct AmlError {
    /// The reason.
    #[source]
    pub reason: Reason,
    /// The term at which it ended; `None` for errors outside any term.
    pub place: Option<Place>,
}

/// The position of a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The signature of the table, such as `DSDT`.
    pub table: [u8; 4],
    /// The offset of the term in the table, in bytes, with the table's header.
    pub offset: usize,
    /// The opcode of the term; the two-byte opcodes as `0x5bXX`, and names by their first character.
    pub opcode: u16,
}

/// The reason why an evaluation ended without a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// A term or a package goes beyond the end of what contains it.
    #[error("the code ends within a term")]
    Truncated,
    /// The byte is no opcode, or one that is not evaluated here.
    #[error("this opcode is not evaluated")]
    Opcode,
    /// A name has characters that names do not have.
    #[error("a name is malformed")]
    Name,
    /// There is no object of that name.
    #[error("there is no object {0}")]
    NotFound(String),
    /// An operand has another type than the operator takes.
    #[error("an operand is {found}, where {wanted} is needed")]
    Type {
        /// What the operator takes.
        wanted: &'static str,
        /// What there was.
        found: &'static str,
    },
    /// An index is behind the end of a package or buffer.
    #[error("index {index} of {length}")]
    Index {
        /// The index.
        index: u64,
        /// The number of elements or bytes.
        length: usize,
    },
    /// A division by zero.
    #[error("division by zero")]
    Division,
    /// A field is in a region that is not read: I/O ports, embedded controllers, memory that cannot be mapped.
    #[error("the region of a field, in address space {space:#x}, is not read at {address:#x}")]
    Region {
        /// The address space (ACPI 6.5, 5.5.2.4): 0 for memory, 1 for I/O ports, 2 for PCI configuration.
        space: u8,
        /// The address in that space.
        address: u64,
    },
    /// An entry of `_PRT` is not four elements of the right types.
    #[error("an entry of _PRT is malformed")]
    Entry,
    /// A link device is connected to no interrupt.
    #[error("the link {0} is not connected")]
    Link(String),
    /// More terms than are evaluated at a time.
    #[error("more than {0} terms")]
    TooLong(u32),
    /// Terms or calls nested more deeply than this.
    #[error("nested more than {0} deep")]
    TooDeep(u32),
    /// More memory than an evaluation may take.
    #[error("more than {0} bytes")]
    TooLarge(usize),
}

impl From<Reason> for AmlError {
    fn from(reason: Reason) -> Self {
        Self { reason, place: None }
    }
}

impl fmt::Display for AmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        match self.place {
            Some(Place { table, offset, opcode }) => {
                write!(f, " (opcode {opcode:#x} at {offset:#x} of {})", table.escape_ascii())
            }
            None => Ok(()),
        }
    }
}
