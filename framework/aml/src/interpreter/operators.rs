//! Operators (ACPI 6.5, 19.6): arithmetic, comparisons, conversions.

use super::{Frame, Interpreter};
use crate::error::{AmlError, Reason};
use crate::reader::Reader;
use crate::value::Value;

impl Interpreter<'_> {
    /// Operators of two integers, with a target for the result.
    pub(super) fn arithmetic(&mut self, opcode: u16, code: &mut Reader, frame: &mut Frame) -> Result<Value, AmlError> {
        let (a, b) = self.pair(code, frame)?;
        let shift = u32::try_from(b).unwrap_or(u32::MAX);
        let result = match opcode {
            0x72 => a.wrapping_add(b),
            0x74 => a.wrapping_sub(b),
            0x77 => a.wrapping_mul(b),
            0x79 => a.checked_shl(shift).unwrap_or(0),
            0x7a => a.checked_shr(shift).unwrap_or(0),
            0x7b => a & b,
            0x7c => !(a & b),
            0x7d => a | b,
            0x7e => !(a | b),
            0x7f => a ^ b,
            _ => a.checked_rem(b).ok_or(Reason::Division)?,
        };
        self.result(result, code, frame)
    }

    pub(super) fn divide(&mut self, code: &mut Reader, frame: &mut Frame) -> Result<Value, AmlError> {
        let (a, b) = self.pair(code, frame)?;
        let remainder = a.checked_rem(b).ok_or(Reason::Division)?;
        let target = self.target(code, frame)?;
        self.store(&Value::Integer(remainder), target, frame)?;
        self.result(a / b, code, frame)
    }

    /// Not, FindSetLeftBit and FindSetRightBit.
    pub(super) fn bits(&mut self, opcode: u16, code: &mut Reader, frame: &mut Frame) -> Result<Value, AmlError> {
        let value = self.integer(code, frame)?;
        let result = match opcode {
            0x80 => !value,
            0x81 => u64::from(u64::BITS - value.leading_zeros()),
            _ if value == 0 => 0,
            _ => u64::from(value.trailing_zeros() + 1),
        };
        self.result(result, code, frame)
    }

    /// Increment and Decrement, of what their operand names.
    pub(super) fn step(&mut self, is_up: bool, code: &mut Reader, frame: &mut Frame) -> Result<Value, AmlError> {
        let value = self.integer(&mut code.clone(), frame)?;
        let target = self.target(code, frame)?;
        let value = if is_up { value.wrapping_add(1) } else { value.wrapping_sub(1) };
        let value = Value::Integer(value & self.ones);
        self.store(&value, target, frame)?;
        Ok(value)
    }

    /// LEqual, LGreater and LLess: of integers, or of the bytes of strings and buffers.
    pub(super) fn compare(&mut self, opcode: u16, code: &mut Reader, frame: &mut Frame) -> Result<u64, AmlError> {
        let (a, b) = (self.operand(code, frame)?, self.operand(code, frame)?);
        let order = match a {
            Value::String(_) | Value::Buffer(_) => a.to_bytes()?.cmp(&b.to_bytes()?),
            _ => (a.to_integer()? & self.ones).cmp(&(b.to_integer()? & self.ones)),
        };
        let is_true = match opcode {
            0x93 => order.is_eq(),
            0x94 => order.is_gt(),
            _ => order.is_lt(),
        };
        Ok(self.truth(is_true))
    }

    /// Concatenate, ConcatenateResTemplate, ToBuffer and ToInteger.
    pub(super) fn convert(&mut self, opcode: u16, code: &mut Reader, frame: &mut Frame) -> Result<Value, AmlError> {
        let value = self.operand(code, frame)?;
        let value = match opcode {
            0x96 => self.new_buffer(value.to_bytes()?)?,
            0x99 => Value::Integer(value.to_integer()? & self.ones),
            _ => {
                let mut bytes = value.to_bytes()?;
                if opcode == 0x84 {
                    // The end tag of the first, which has two bytes.
                    bytes.truncate(bytes.len().saturating_sub(2));
                }
                bytes.extend(self.operand(code, frame)?.to_bytes()?);
                match value {
                    Value::String(_) => {
                        self.spend_bytes(bytes.len())?;
                        Value::String(bytes.into())
                    }
                    _ => self.new_buffer(bytes)?,
                }
            }
        };
        let target = self.target(code, frame)?;
        self.store(&value, target, frame)?;
        Ok(value)
    }
}
