//! Expressions: data, names, calls and operators (ACPI 6.5, 20.2.3 to 20.2.5.4).

use super::{Frame, Interpreter};
use crate::error::{AmlError, Reason};
use crate::namespace::Object;
use crate::reader::Reader;
use crate::value::Value;

impl Interpreter<'_> {
    /// Evaluates a term to a value, which may be a reference.
    pub(super) fn term(&mut self, code: &mut Reader, frame: &mut Frame) -> Result<Value, AmlError> {
        let place = code.place();
        let result = self.nested(|interpreter| {
            interpreter.spend_term()?;
            match place.opcode {
                b if is_name(b) => interpreter.named(code, frame),
                opcode => {
                    code.bytes(if opcode > 0xff { 2 } else { 1 })?;
                    interpreter.operate(opcode, code, frame)
                }
            }
        });
        result.map_err(|error| AmlError { place: error.place.or(Some(place)), ..error })
    }

    /// Evaluates a term to a value that is no reference.
    pub(super) fn operand(&mut self, code: &mut Reader, frame: &mut Frame) -> Result<Value, AmlError> {
        let value = self.term(code, frame)?;
        self.resolved(value)
    }

    pub(super) fn integer(&mut self, code: &mut Reader, frame: &mut Frame) -> Result<u64, AmlError> {
        Ok(self.operand(code, frame)?.to_integer()? & self.ones)
    }

    /// Evaluates a name: a method is called with the arguments that follow.
    fn named(&mut self, code: &mut Reader, frame: &mut Frame) -> Result<Value, AmlError> {
        let path = code.path()?;
        let id = self.find(frame.scope, &path)?;
        match self.namespace.object(id) {
            Some(Object::Method { arguments, .. }) => {
                let count = *arguments;
                let mut values = alloc::vec::Vec::with_capacity(count);
                for _ in 0..count {
                    values.push(self.operand(code, frame)?);
                }
                self.call(id, values)
            }
            Some(Object::Osi) => {
                let name = self.operand(code, frame)?.to_bytes()?;
                // Firmware is written for what Windows does (ACPI 6.5, 5.7.2).
                Ok(Value::Integer(if name.starts_with(b"Windows ") { self.ones } else { 0 }))
            }
            _ => self.value_of(id),
        }
    }

    fn operate(&mut self, opcode: u16, code: &mut Reader, frame: &mut Frame) -> Result<Value, AmlError> {
        let value = match opcode {
            0x00 => 0,
            0x01 => 1,
            0xff => self.ones,
            0x0a => code.integer(1)?,
            0x0b => code.integer(2)?,
            0x0c => code.integer(4)?,
            0x0e => code.integer(8)? & self.ones,
            0x5b30 => 2,
            0x0d => return Ok(Value::String(code.string()?.into())),
            0x11 => return self.buffer(code, frame),
            0x12 | 0x13 => return self.package(opcode == 0x13, code, frame),
            0x60..=0x67 => return Ok(frame.locals[usize::from(opcode - 0x60)].clone()),
            0x68..=0x6e => return Ok(frame.arguments[usize::from(opcode - 0x68)].clone()),
            0x72 | 0x74 | 0x77 | 0x79..=0x7f | 0x85 => return self.arithmetic(opcode, code, frame),
            0x78 => return self.divide(code, frame),
            0x80..=0x82 => return self.bits(opcode, code, frame),
            0x75 | 0x76 => return self.step(opcode == 0x75, code, frame),
            0x90 => {
                let (a, b) = self.pair(code, frame)?;
                self.truth(a != 0 && b != 0)
            }
            0x91 => {
                let (a, b) = self.pair(code, frame)?;
                self.truth(a != 0 || b != 0)
            }
            0x92 => {
                let value = self.integer(code, frame)?;
                self.truth(value == 0)
            }
            0x93..=0x95 => self.compare(opcode, code, frame)?,
            // Store and CopyObject.
            0x70 | 0x9d => {
                let value = self.operand(code, frame)?;
                let target = self.target(code, frame)?;
                self.store(&value, target, frame)?;
                return Ok(value);
            }
            0x71 => return self.reference(code, frame),
            0x83 => {
                let value = self.operand(code, frame)?;
                return self.dereferenced(value, frame);
            }
            0x87 => self.size_of(code, frame)?,
            0x88 => return self.index(code, frame),
            0x8e => self.object_type(code, frame)?,
            0x5b12 => self.is_defined(code, frame)?,
            // Notify, Acquire, Signal, Wait, Reset and Release: there is one thread.
            0x86 => {
                self.target(code, frame)?;
                self.integer(code, frame)?
            }
            0x5b23 => {
                self.target(code, frame)?;
                code.integer(2)?;
                0
            }
            0x5b24 | 0x5b26 | 0x5b27 => {
                self.target(code, frame)?;
                0
            }
            // Stall and Sleep.
            0x5b21 | 0x5b22 => self.integer(code, frame).map(|_| 0)?,
            0x73 | 0x84 | 0x96 | 0x99 => return self.convert(opcode, code, frame),
            _ => return Err(Reason::Opcode.into()),
        };
        Ok(Value::Integer(value))
    }

    pub(super) fn pair(&mut self, code: &mut Reader, frame: &mut Frame) -> Result<(u64, u64), AmlError> {
        Ok((self.integer(code, frame)?, self.integer(code, frame)?))
    }

    /// Returns what a comparison yields: all ones or zero.
    pub(super) fn truth(&self, is_true: bool) -> u64 {
        if is_true { self.ones } else { 0 }
    }

    /// Stores the result of an operator in the target that follows.
    pub(super) fn result(&mut self, value: u64, code: &mut Reader, frame: &mut Frame) -> Result<Value, AmlError> {
        let value = Value::Integer(value & self.ones);
        let target = self.target(code, frame)?;
        self.store(&value, target, frame)?;
        Ok(value)
    }

    /// CondRefOf: whether the name stands for an object.
    fn is_defined(&mut self, code: &mut Reader, frame: &mut Frame) -> Result<u64, AmlError> {
        let is_named = code.peek().is_some_and(|byte| is_name(byte.into()));
        let id = if is_named { self.namespace.find(frame.scope, &code.path()?) } else { None };
        if !is_named {
            self.target(code, frame)?;
        }
        let target = self.target(code, frame)?;
        if let Some(id) = id {
            self.store(&Value::Node(id), target, frame)?;
        }
        Ok(self.truth(id.is_some() || !is_named))
    }
}

/// Returns whether a term with this first byte is a name.
pub(super) fn is_name(opcode: u16) -> bool {
    matches!(u8::try_from(opcode), Ok(b'A'..=b'Z' | b'_' | b'\\' | b'^' | 0x2e | 0x2f))
}
