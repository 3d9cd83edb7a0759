//! Values of objects, locals and arguments.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

use crate::error::Reason;
use crate::namespace::NodeId;
use crate::path::Path;

/// Bytes that several values refer to.
pub(crate) type Bytes = Rc<RefCell<Vec<u8>>>;
/// Elements that several values refer to.
pub(crate) type Elements = Rc<RefCell<Vec<Value>>>;

/// A value.
#[derive(Debug, Clone, Default)]
pub(crate) enum Value {
    #[default]
    Uninitialized,
    Integer(u64),
    String(Rc<[u8]>),
    Buffer(Bytes),
    Package(Elements),
    /// A name in a package, with the scope in which it stands: its object may be defined later.
    Name(NodeId, Rc<Path>),
    /// An object that is no value: a device, a method; or a reference to one that is.
    Node(NodeId),
    /// An element of a package, by `Index`.
    Element(Elements, usize),
    /// A byte of a buffer, by `Index`.
    Byte(Bytes, usize),
}

impl Value {
    pub(crate) fn buffer(bytes: Vec<u8>) -> Self {
        Self::Buffer(Rc::new(RefCell::new(bytes)))
    }

    /// Returns the name of the type, with an article.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Uninitialized => "nothing",
            Self::Integer(_) => "an integer",
            Self::String(_) => "a string",
            Self::Buffer(_) => "a buffer",
            Self::Package(_) => "a package",
            Self::Name(..) | Self::Node(_) => "an object",
            Self::Element(..) | Self::Byte(..) => "a reference",
        }
    }

    /// Returns the error that this is not what an operator takes.
    pub(crate) fn is_not(&self, wanted: &'static str) -> Reason {
        Reason::Type { wanted, found: self.kind() }
    }

    /// Converts to an integer (ACPI 6.5, 19.3.5.7).
    pub(crate) fn to_integer(&self) -> Result<u64, Reason> {
        match self {
            Self::Integer(value) => Ok(*value),
            Self::Buffer(bytes) => {
                Ok(bytes.borrow().iter().take(8).rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
            }
            Self::String(text) => {
                let digits = text.strip_prefix(b"0x").unwrap_or(text);
                let digits = digits.iter().map_while(|digit| char::from(*digit).to_digit(16)).take(16);
                Ok(digits.fold(0, |value, digit| value << 4 | u64::from(digit)))
            }
            other => Err(other.is_not("an integer")),
        }
    }

    /// Returns the bytes of a buffer, a string or an integer.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, Reason> {
        match self {
            Self::Integer(value) => Ok(value.to_le_bytes().to_vec()),
            Self::Buffer(bytes) => Ok(bytes.borrow().clone()),
            Self::String(text) => Ok(text.to_vec()),
            other => Err(other.is_not("a buffer")),
        }
    }

    /// Copies what others refer to, so that a change of the copy is not one of the original.
    pub(crate) fn copied(&self) -> Self {
        match self {
            Self::Buffer(bytes) => Self::buffer(bytes.borrow().clone()),
            Self::Package(elements) => Self::Package(Rc::new(RefCell::new(elements.borrow().clone()))),
            other => other.clone(),
        }
    }
}
