//! Terms that define named objects (ACPI 6.5, 20.2.5.1 and 20.2.5.2).

use alloc::string::ToString;

use super::{Frame, Interpreter};
use crate::error::{AmlError, Reason};
use crate::namespace::{Field, NodeId, Object};
use crate::path::Path;
use crate::reader::Reader;
use crate::value::Value;

/// What a node takes, with its entry among the children of its parent.
const NODE_BYTES: usize = 160;

impl Interpreter<'_> {
    /// Returns whether a term with this opcode defines an object.
    pub(super) fn defines(&self, opcode: u16) -> bool {
        matches!(
            opcode,
            0x06 | 0x08 | 0x10 | 0x14 | 0x15 | 0x8a..=0x8d | 0x8f | 0x5b01 | 0x5b02 | 0x5b13 | 0x5b80..=0x5b87
        )
    }

    pub(super) fn definition(&mut self, opcode: u16, code: &mut Reader, frame: &mut Frame) -> Result<(), AmlError> {
        code.bytes(if opcode > 0xff { 2 } else { 1 })?;
        self.spend_bytes(NODE_BYTES)?;
        match opcode {
            // Alias.
            0x06 => {
                let id = self.find(frame.scope, &code.path()?)?;
                self.namespace.alias(frame.scope, &code.path()?, id)?;
            }
            // Name.
            0x08 => {
                let path = code.path()?;
                let value = self.operand(code, frame)?;
                let value = self.copy_of(&value)?;
                self.define(frame, &path, Object::Value(value))?;
            }
            // Scope: of an object that there is.
            0x10 => {
                let mut body = code.package()?;
                let id = self.find(frame.scope, &body.path()?)?;
                self.body(id, body, frame)?;
            }
            // Method.
            0x14 => {
                let mut body = code.package()?;
                let path = body.path()?;
                let arguments = usize::from(body.byte()? & 7);
                self.define(frame, &path, Object::Method { code: body, arguments })?;
            }
            // External: only for compilers.
            0x15 => {
                code.path()?;
                code.bytes(2)?;
            }
            // Mutex and Event.
            0x5b01 | 0x5b02 => {
                let path = code.path()?;
                code.bytes(usize::from(opcode == 0x5b01))?;
                self.define(frame, &path, Object::Synchronization)?;
            }
            // OperationRegion.
            0x5b80 => {
                let (path, space) = (code.path()?, code.byte()?);
                let (offset, length) = (self.integer(code, frame)?, self.integer(code, frame)?);
                self.define(frame, &path, Object::Region { space, offset, length })?;
            }
            0x5b81 | 0x5b86 | 0x5b87 => self.fields(opcode, code, frame)?,
            // Device, Processor, PowerResource, ThermalZone.
            0x5b82..=0x5b85 => {
                let mut body = code.package()?;
                let path = body.path()?;
                body.bytes(match opcode {
                    0x5b83 => 6,
                    0x5b84 => 3,
                    _ => 0,
                })?;
                let object = if opcode == 0x5b82 { Object::Device } else { Object::Scope };
                let id = self.define(frame, &path, object)?;
                self.body(id, body, frame)?;
            }
            _ => self.buffer_field(opcode, code, frame)?,
        }
        Ok(())
    }

    fn define(&mut self, frame: &Frame, path: &Path, object: Object) -> Result<NodeId, Reason> {
        self.namespace.define(frame.scope, path, object)
    }

    /// Evaluates the terms within an object. In a table, an error ends only these.
    fn body(&mut self, id: NodeId, body: Reader, frame: &mut Frame) -> Result<(), AmlError> {
        let outer = core::mem::replace(&mut frame.scope, id);
        let result = self.run(body, frame);
        frame.scope = outer;
        match result {
            Err(error) if frame.is_table => self.report(error),
            result => {
                result?;
            }
        }
        Ok(())
    }

    /// Field, IndexField and BankField.
    fn fields(&mut self, opcode: u16, code: &mut Reader, frame: &mut Frame) -> Result<(), AmlError> {
        let mut list = code.package()?;
        let region = self.find(frame.scope, &list.path()?)?;
        if opcode != 0x5b81 {
            list.path()?;
        }
        if opcode == 0x5b87 {
            self.integer(&mut list, frame)?;
        }
        let is_region = matches!(self.namespace.object(region), Some(Object::Region { .. }));
        if !is_region && opcode == 0x5b81 {
            return Err(Value::Node(region).is_not("a region").into());
        }
        let mut access_bytes = access_bytes(list.byte()?);
        let mut first_bit = 0_u64;
        while let Some(kind) = list.peek() {
            match kind {
                0x00 => {
                    list.byte()?;
                    first_bit += list.package_length()? as u64;
                }
                0x01 => {
                    list.byte()?;
                    access_bytes = self::access_bytes(list.byte()?);
                    list.byte()?;
                }
                // Connections of fields of other buses.
                0x02 => return Err(Reason::Opcode.into()),
                0x03 => {
                    list.byte()?;
                    access_bytes = self::access_bytes(list.byte()?);
                    list.bytes(2)?;
                }
                _ => {
                    self.spend_bytes(NODE_BYTES)?;
                    let path = Path { segments: [list.segment()?].into(), ..Path::default() };
                    let bits = list.package_length()? as u64;
                    let object = match opcode {
                        0x5b81 => Object::Field(Field { region, first_bit, bits, access_bytes }),
                        _ => Object::IndirectField,
                    };
                    self.define(frame, &path, object)?;
                    first_bit += bits;
                }
            }
        }
        Ok(())
    }

    /// CreateField and its like: bits of a buffer get a name.
    fn buffer_field(&mut self, opcode: u16, code: &mut Reader, frame: &mut Frame) -> Result<(), AmlError> {
        let source = self.operand(code, frame)?;
        let Value::Buffer(buffer) = source else { return Err(source.is_not("a buffer").into()) };
        let index = self.integer(code, frame)?;
        let (first_bit, bits) = match opcode {
            0x8a => (index.saturating_mul(8), 32),
            0x8b => (index.saturating_mul(8), 16),
            0x8c => (index.saturating_mul(8), 8),
            0x8d => (index, 1),
            0x8f => (index.saturating_mul(8), 64),
            _ => (index, self.integer(code, frame)?),
        };
        let path = code.path()?;
        let length = buffer.borrow().len();
        let end = first_bit.checked_add(bits).filter(|end| *end <= length as u64 * 8);
        let (Some(_), Ok(first_bit), Ok(bits)) = (end, usize::try_from(first_bit), usize::try_from(bits)) else {
            return Err(Reason::Index { index: first_bit / 8, length }.into());
        };
        if path.segments.is_empty() {
            return Err(Reason::NotFound(path.to_string()).into());
        }
        self.define(frame, &path, Object::BufferField { buffer, first_bit, bits })?;
        Ok(())
    }
}

/// Returns the bytes of an access by the flags of a field (ACPI 6.5, 20.2.5.2).
fn access_bytes(flags: u8) -> u8 {
    match flags & 0xf {
        2 => 2,
        3 => 4,
        4 => 8,
        _ => 1,
    }
}
