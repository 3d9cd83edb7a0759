//! Fields: bits of regions and of buffers. Regions are read, and never written.

use alloc::vec::Vec;

use super::Interpreter;
use crate::Function;
use crate::error::{AmlError, Reason};
use crate::integer::{low_u8, low_u16, to_usize};
use crate::namespace::{Field, Namespace, NodeId, Object};
use crate::routing;
use crate::value::Value;

/// Address spaces (ACPI 6.5, 5.5.2.4).
const MEMORY: u8 = 0;
const PCI_CONFIG: u8 = 2;
/// The longest field of a region.
const MAX_FIELD_BYTES: u64 = 256;
/// The offset of the secondary bus number of a bridge (PCI-to-PCI bridge 1.2, 3.2.5.3).
const SECONDARY_BUS: u16 = 0x19;
/// The offset of the header type, and its value for a bridge (PCI 3.0, 6.1).
const HEADER_TYPE: u16 = 0x0e;
const BRIDGE: u64 = 1;
/// Bridges behind each other.
const MAX_BRIDGES: usize = 16;

impl Interpreter<'_> {
    pub(super) fn read_field(&mut self, field: Field) -> Result<Value, AmlError> {
        let Some(Object::Region { space, offset, length }) = self.namespace.object(field.region) else {
            return Err(Value::Node(field.region).is_not("a region").into());
        };
        let (space, offset, length) = (*space, *offset, *length);
        let end = field.first_bit.saturating_add(field.bits).div_ceil(8);
        let first = field.first_bit / 8;
        if field.bits == 0 || end > length || end - first > MAX_FIELD_BYTES {
            return Err(Reason::Region { space, address: offset.saturating_add(first) }.into());
        }
        let function = match space {
            PCI_CONFIG => Some(self.function_of(self.namespace.parent(field.region))?),
            _ => None,
        };
        let width = u64::from(field.access_bytes);
        // Accesses are aligned; the first one may begin before the field.
        let start = first / width * width;
        let mut bytes = Vec::new();
        while start + (bytes.len() as u64) < end {
            self.spend_term()?;
            let address = offset.wrapping_add(start + bytes.len() as u64);
            let read = match (space, function) {
                (MEMORY, _) => self.hardware.read_memory(address, field.access_bytes),
                (_, Some(function)) => u16::try_from(address)
                    .ok()
                    .and_then(|offset| self.hardware.read_config(function, offset, field.access_bytes)),
                _ => None,
            };
            let read = read.ok_or(Reason::Region { space, address })?;
            bytes.extend_from_slice(&read.to_le_bytes()[..usize::from(field.access_bytes)]);
        }
        let first_bit = to_usize(field.first_bit - start * 8);
        Ok(read_bits(&bytes, first_bit, to_usize(field.bits))?)
    }

    /// Returns the PCI function that `node` is in: by the `_ADR` of the devices around it, the bus of the root bridge, and
    /// the buses of bridges on the way.
    pub(crate) fn function_of(&mut self, node: NodeId) -> Result<Function, AmlError> {
        let (mut at, mut addresses) = (node, Vec::new());
        let mut root = None;
        while at != Namespace::ROOT && root.is_none() && addresses.len() < MAX_BRIDGES {
            if matches!(self.namespace.object(at), Some(Object::Device)) {
                if routing::is_root_bridge(self, at)? {
                    root = Some(at);
                } else if let Some(address) = self.inner(at, *b"_ADR")? {
                    addresses.push(address);
                }
            }
            at = self.namespace.parent(at);
        }
        let mut function = match root {
            Some(root) => {
                let segment = low_u16(self.inner(root, *b"_SEG")?.unwrap_or(0));
                let bus = low_u8(self.inner(root, *b"_BBN")?.unwrap_or(0));
                Function { segment, bus, ..Function::default() }
            }
            None => Function::default(),
        };
        for (index, address) in addresses.iter().rev().enumerate() {
            if index > 0 {
                let bus = self.hardware.read_config(function, SECONDARY_BUS, 1);
                function.bus = low_u8(bus.ok_or(Reason::Region { space: PCI_CONFIG, address: SECONDARY_BUS.into() })?);
            }
            (function.device, function.function) = (low_u8(address >> 16) & 0x1f, low_u8(*address) & 7);
        }
        Ok(function)
    }

    /// Returns the number of the bus behind a bridge; `None` for a function that is no bridge, or that has none.
    pub(crate) fn secondary_bus(&self, function: Function) -> Option<u8> {
        let kind = self.hardware.read_config(function, HEADER_TYPE, 1)? & 0x7f;
        let bus = low_u8(self.hardware.read_config(function, SECONDARY_BUS, 1)?);
        (kind == BRIDGE && bus != 0).then_some(bus)
    }

    /// Evaluates an integer of a node within an evaluation, whose limits go on.
    fn inner(&mut self, node: NodeId, name: [u8; 4]) -> Result<Option<u64>, AmlError> {
        let value = self.object_of(node, name)?;
        Ok(value.map(|value| value.to_integer()).transpose()?)
    }
}

/// Reads bits as an integer, or as a buffer if they are more than 64.
pub(super) fn read_bits(bytes: &[u8], first_bit: usize, bits: usize) -> Result<Value, Reason> {
    let length = bits.div_ceil(8);
    let byte = |index: usize| {
        let (at, shift) = (first_bit / 8 + index, first_bit % 8);
        let low = bytes.get(at).copied().ok_or(Reason::Index { index: at as u64, length: bytes.len() })?;
        let high = bytes.get(at + 1).copied().unwrap_or(0);
        let left = bits - index * 8;
        let mask = if left >= 8 { 0xff } else { (1_u16 << left) - 1 };
        Ok(low_u8(u64::from(u16::from_le_bytes([low, high]) >> shift & mask)))
    };
    let result = (0..length).map(byte).collect::<Result<Vec<u8>, Reason>>()?;
    if bits > 64 {
        return Ok(Value::buffer(result));
    }
    Ok(Value::Integer(result.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))))
}

/// Writes bits of a buffer; those that the value does not have are zero.
pub(super) fn write_bits(bytes: &mut [u8], first_bit: usize, bits: usize, value: &[u8]) {
    for bit in 0..bits {
        let is_set = value.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 != 0);
        let at = first_bit + bit;
        if let Some(byte) = bytes.get_mut(at / 8) {
            *byte = *byte & !(1 << (at % 8)) | u8::from(is_set) << (at % 8);
        }
    }
}
