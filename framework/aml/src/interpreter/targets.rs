//! Where results go, and references (ACPI 6.5, 19.3.5.8).

use super::expressions::is_name;
use super::fields::write_bits;
use super::{Frame, Interpreter, MAX_NESTING, check_nesting};
use crate::error::{AmlError, Reason};
use crate::integer::low_u8;
use crate::namespace::{NodeId, Object};
use crate::reader::Reader;
use crate::value::Value;

/// Where a value is stored.
#[derive(Debug)]
pub(super) enum Target {
    /// Nowhere, or the debugger.
    None,
    Local(usize),
    Argument(usize),
    Node(NodeId),
    Reference(Value),
}

impl Interpreter<'_> {
    pub(super) fn target(&mut self, code: &mut Reader, frame: &mut Frame) -> Result<Target, AmlError> {
        let opcode = code.place().opcode;
        match opcode {
            0x00 => code.byte().map(|_| Target::None).map_err(AmlError::from),
            0x60..=0x67 => code.byte().map(|byte| Target::Local(usize::from(byte - 0x60))).map_err(AmlError::from),
            0x68..=0x6e => code.byte().map(|byte| Target::Argument(usize::from(byte - 0x68))).map_err(AmlError::from),
            0x5b31 => code.bytes(2).map(|_| Target::None).map_err(AmlError::from),
            name if is_name(name) => Ok(Target::Node(self.find(frame.scope, &code.path()?)?)),
            _ => Ok(Target::Reference(self.term(code, frame)?)),
        }
    }

    /// Stores a value, converted to the type of what it is stored in where that is a name (ACPI 6.5, 19.3.5.5).
    pub(super) fn store(&mut self, value: &Value, target: Target, frame: &mut Frame) -> Result<(), AmlError> {
        match target {
            Target::None => Ok(()),
            Target::Local(local) => {
                frame.locals[local] = self.copy_of(value)?;
                Ok(())
            }
            Target::Argument(argument) => match frame.arguments[argument].clone() {
                reference @ (Value::Element(..) | Value::Byte(..)) => self.store_at(value, reference),
                Value::Node(id) if self.is_data(id) => self.store_in(value, id),
                _ => {
                    frame.arguments[argument] = self.copy_of(value)?;
                    Ok(())
                }
            },
            Target::Node(id) => self.store_in(value, id),
            Target::Reference(reference) => self.store_at(value, reference),
        }
    }

    fn is_data(&self, id: NodeId) -> bool {
        let object = self.namespace.object(id);
        matches!(object, Some(Object::Value(_) | Object::Field(_) | Object::BufferField { .. }))
    }

    fn store_at(&mut self, value: &Value, reference: Value) -> Result<(), AmlError> {
        match reference {
            Value::Element(elements, index) => {
                let value = self.copy_of(value)?;
                check_nesting(&value, MAX_NESTING - 1)?;
                let mut elements = elements.try_borrow_mut().map_err(|_| Reason::Opcode)?;
                let length = elements.len();
                let element = elements.get_mut(index).ok_or(Reason::Index { index: index as u64, length })?;
                *element = value;
                Ok(())
            }
            Value::Byte(bytes, index) => {
                let value = value.to_integer()?;
                let mut bytes = bytes.borrow_mut();
                let length = bytes.len();
                let byte = bytes.get_mut(index).ok_or(Reason::Index { index: index as u64, length })?;
                *byte = low_u8(value);
                Ok(())
            }
            Value::Node(id) => self.store_in(value, id),
            other => Err(other.is_not("a reference").into()),
        }
    }

    fn store_in(&mut self, value: &Value, id: NodeId) -> Result<(), AmlError> {
        let copy = self.copy_of(value)?;
        let ones = self.ones;
        match self.namespace.object_mut(id) {
            Some(Object::Value(existing)) => {
                *existing = match existing {
                    Value::Integer(_) => Value::Integer(value.to_integer()? & ones),
                    // Others may refer to the bytes of a buffer: they stay the same ones.
                    Value::Buffer(bytes) => {
                        let new = value.to_bytes()?;
                        let mut old = bytes.borrow_mut();
                        old.fill(0);
                        old.iter_mut().zip(new).for_each(|(to, from)| *to = from);
                        drop(old);
                        Value::Buffer(bytes.clone())
                    }
                    _ => copy,
                };
                Ok(())
            }
            // What is written to hardware is dropped.
            Some(Object::Field(_) | Object::IndirectField) => Ok(()),
            Some(Object::BufferField { buffer, first_bit, bits }) => {
                let value = value.to_bytes()?;
                write_bits(&mut buffer.borrow_mut(), *first_bit, *bits, &value);
                Ok(())
            }
            _ => Err(Value::Node(id).is_not("a name of data").into()),
        }
    }

    /// RefOf.
    pub(super) fn reference(&mut self, code: &mut Reader, frame: &mut Frame) -> Result<Value, AmlError> {
        match self.target(code, frame)? {
            Target::Node(id) => Ok(Value::Node(id)),
            Target::Reference(reference) => Ok(reference),
            Target::None | Target::Local(_) | Target::Argument(_) => Err(Reason::Opcode.into()),
        }
    }

    /// DerefOf: of a reference, or of the name in a string.
    pub(super) fn dereferenced(&mut self, value: Value, frame: &Frame) -> Result<Value, AmlError> {
        match value {
            Value::Node(id) => self.value_of(id),
            Value::String(text) => {
                let path = core::str::from_utf8(&text).ok().and_then(crate::path::Path::parse).ok_or(Reason::Name)?;
                let id = self.find(frame.scope, &path)?;
                self.value_of(id)
            }
            other => Ok(other),
        }
    }
}
