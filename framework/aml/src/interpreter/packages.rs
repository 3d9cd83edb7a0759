//! Buffers and packages, and what is within them.

use alloc::rc::Rc;
use alloc::vec::Vec;

use super::expressions::is_name;
use super::targets::Target;
use super::{Frame, Interpreter};
use crate::error::{AmlError, Reason};
use crate::integer::to_usize;
use crate::namespace::Object;
use crate::reader::Reader;
use crate::value::Value;

/// The longest buffer.
const MAX_BUFFER_BYTES: u64 = 64 << 10;
/// The longest package.
const MAX_ELEMENTS: u64 = 4096;

impl Interpreter<'_> {
    pub(super) fn buffer(&mut self, code: &mut Reader, frame: &mut Frame) -> Result<Value, AmlError> {
        let mut body = code.package()?;
        let length = self.integer(&mut body, frame)?;
        let bytes = body.rest();
        let length = length.max(bytes.len() as u64);
        if length > MAX_BUFFER_BYTES {
            return Err(Reason::TooLarge(to_usize(MAX_BUFFER_BYTES)).into());
        }
        self.spend_bytes(to_usize(length))?;
        let mut buffer = bytes.to_vec();
        buffer.resize(to_usize(length), 0);
        Ok(Value::buffer(buffer))
    }

    pub(super) fn package(
        &mut self,
        has_length_term: bool,
        code: &mut Reader,
        frame: &mut Frame,
    ) -> Result<Value, AmlError> {
        let mut body = code.package()?;
        let length = if has_length_term { self.integer(&mut body, frame)? } else { u64::from(body.byte()?) };
        if length > MAX_ELEMENTS {
            return Err(Reason::TooLarge(to_usize(MAX_ELEMENTS)).into());
        }
        self.spend_bytes(to_usize(length) * size_of::<Value>())?;
        let mut elements = Vec::with_capacity(to_usize(length));
        while !body.is_empty() && (elements.len() as u64) < length {
            let is_named = body.peek().is_some_and(|byte| is_name(byte.into()));
            elements.push(if is_named {
                self.spend_term()?;
                let path = body.path()?;
                self.spend_bytes(size_of_val(path.segments.as_slice()) + 64)?;
                Value::Name(frame.scope, Rc::new(path))
            } else {
                self.operand(&mut body, frame)?
            });
        }
        elements.resize(to_usize(length), Value::Uninitialized);
        Ok(self.new_package(elements)?)
    }

    /// Index: a reference to an element of a package, or to a byte of a buffer.
    pub(super) fn index(&mut self, code: &mut Reader, frame: &mut Frame) -> Result<Value, AmlError> {
        let source = self.operand(code, frame)?;
        let index = self.integer(code, frame)?;
        let length = match &source {
            Value::Package(elements) => elements.borrow().len(),
            Value::Buffer(bytes) => bytes.borrow().len(),
            other => return Err(other.is_not("a package or a buffer").into()),
        };
        let at = usize::try_from(index).ok().filter(|at| *at < length).ok_or(Reason::Index { index, length })?;
        let value = match source {
            Value::Package(elements) => Value::Element(elements, at),
            Value::Buffer(bytes) => Value::Byte(bytes, at),
            other => other,
        };
        // A reference is stored as it is.
        match self.target(code, frame)? {
            Target::Local(local) => frame.locals[local] = value.clone(),
            Target::Argument(argument) => frame.arguments[argument] = value.clone(),
            Target::None => {}
            _ => return Err(value.is_not("a value").into()),
        }
        Ok(value)
    }

    pub(super) fn size_of(&mut self, code: &mut Reader, frame: &mut Frame) -> Result<u64, AmlError> {
        Ok(match self.operand(code, frame)? {
            Value::Buffer(bytes) => bytes.borrow().len() as u64,
            Value::Package(elements) => elements.borrow().len() as u64,
            Value::String(text) => text.len() as u64,
            other => return Err(other.is_not("a buffer, string or package").into()),
        })
    }

    /// ObjectType (ACPI 6.5, 19.6.97).
    pub(super) fn object_type(&mut self, code: &mut Reader, frame: &mut Frame) -> Result<u64, AmlError> {
        let value = match self.target(code, frame)? {
            Target::Node(id) => match self.namespace.object(id) {
                Some(Object::Value(value)) => value.clone(),
                Some(Object::Field(_) | Object::IndirectField) => return Ok(5),
                Some(Object::Device) => return Ok(6),
                Some(Object::Synchronization) => return Ok(9),
                Some(Object::Method { .. } | Object::Osi) => return Ok(8),
                Some(Object::Region { .. }) => return Ok(10),
                Some(Object::BufferField { .. }) => return Ok(14),
                Some(Object::Scope) | None => return Ok(0),
            },
            Target::Local(local) => self.resolved(frame.locals[local].clone())?,
            Target::Argument(argument) => self.resolved(frame.arguments[argument].clone())?,
            Target::Reference(value) => self.resolved(value)?,
            Target::None => Value::Uninitialized,
        };
        Ok(match value {
            Value::Integer(_) => 1,
            Value::String(_) => 2,
            Value::Buffer(_) => 3,
            Value::Package(_) => 4,
            Value::Node(id) if matches!(self.namespace.object(id), Some(Object::Device)) => 6,
            _ => 0,
        })
    }
}
