//! The interrupt routing of root bridges: `_PRT`, and the link devices that it names (ACPI 6.5, 6.2.13).

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::error::{AmlError, Reason};
use crate::integer::{low_u8, low_u16, to_usize};
use crate::interpreter::Interpreter;
use crate::namespace::{Namespace, NodeId};
use crate::path::Path;
use crate::resources::interrupts;
use crate::value::Value;

/// The line of one pin of a device on a root bus, or on a bus behind a bridge that has a `_PRT` of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PciRoute {
    /// The segment of the root bridge, by its `_SEG`.
    pub segment: u16,
    /// The root bus, by its `_BBN`; or the secondary bus of the bridge, as its register has it.
    pub bus: u8,
    /// The device.
    pub device: u8,
    /// The pin: 0 for INTA to 3 for INTD.
    pub pin: u8,
    /// The global system interrupt.
    pub gsi: u32,
}

/// The routes of all root bridges, and what could not be evaluated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PciRouting {
    /// The routes, in the order of the tables.
    pub routes: Vec<PciRoute>,
    /// Why routes are missing, where some are: at most 16 reasons.
    pub errors: Vec<AmlError>,
}

/// PNP0A03 and PNP0A08, a root bridge of PCI and of PCI Express, as text and as a number (ACPI 6.5, 19.3.4).
const ROOT_BRIDGES: [(&[u8], u64); 2] = [(b"PNP0A03", 0x030a_d041), (b"PNP0A08", 0x080a_d041)];
/// `_STA`: the device is present (6.3.7).
const PRESENT: u64 = 1;
/// What `_PIC` is called with: I/O APICs are in use (5.8.1).
const APIC_MODE: u64 = 1;
/// All functions of a device, in an address of `_PRT`.
const PINS: u64 = 4;

/// Evaluates the routing.
pub(crate) fn evaluate(interpreter: &mut Interpreter<'_>) -> PciRouting {
    let mut routing = PciRouting::default();
    // Firmware that routes in one way only has no `_PIC`.
    let mode = [Value::Integer(APIC_MODE)];
    let picked = interpreter.evaluate(Namespace::ROOT, *b"_PIC", &mode);
    routing.errors.extend(picked.err());
    for device in interpreter.namespace.devices() {
        match root_bridge(interpreter, device, &mut routing) {
            Ok(()) => {}
            Err(error) => routing.report(error),
        }
    }
    for error in core::mem::take(&mut interpreter.errors) {
        routing.report(error);
    }
    routing
}

impl PciRouting {
    fn report(&mut self, error: AmlError) {
        if self.errors.len() < crate::MAX_ERRORS {
            self.errors.push(error);
        }
    }
}

/// Adds the routes of a device, if it is a root bridge that is present, or a bridge with routes of its own.
fn root_bridge(interpreter: &mut Interpreter<'_>, device: NodeId, routing: &mut PciRouting) -> Result<(), AmlError> {
    if !is_root_bridge(interpreter, device)? {
        // Tables describe bridges of slots that may be empty.
        return match bridge_bus(interpreter, device) {
            Some((segment, bus)) => add_routes(interpreter, device, (segment, bus), routing),
            None => Ok(()),
        };
    }
    let number = |interpreter: &mut Interpreter<'_>, name, default| match interpreter.evaluate(device, name, &[])? {
        Some(value) => Ok::<_, AmlError>(value.to_integer()?),
        None => Ok(default),
    };
    if number(interpreter, *b"_STA", PRESENT)? & PRESENT == 0 {
        return Ok(());
    }
    let segment = low_u16(number(interpreter, *b"_SEG", 0)?);
    let bus = low_u8(number(interpreter, *b"_BBN", 0)?);
    add_routes(interpreter, device, (segment, bus), routing)
}

/// Returns segment and bus behind a bridge that has a `_PRT` and is there.
fn bridge_bus(interpreter: &mut Interpreter<'_>, device: NodeId) -> Option<(u16, u8)> {
    interpreter.namespace.child(device, *b"_PRT")?;
    let function = interpreter.function_of(device).ok()?;
    Some((function.segment, interpreter.secondary_bus(function)?))
}

/// Adds the routes in the `_PRT` of a bridge.
fn add_routes(
    interpreter: &mut Interpreter<'_>,
    device: NodeId,
    (segment, bus): (u16, u8),
    routing: &mut PciRouting,
) -> Result<(), AmlError> {
    let Some(table) = interpreter.evaluate(device, *b"_PRT", &[])? else { return Ok(()) };
    let Value::Package(entries) = table else { return Err(table.is_not("a package").into()) };
    let entries = entries.borrow().clone();
    for entry in entries {
        match route(interpreter, device, entry) {
            Ok((device, pin, gsi)) => routing.routes.push(PciRoute { segment, bus, device, pin, gsi }),
            Err(error) => routing.report(error),
        }
    }
    Ok(())
}

/// Evaluates an entry to device, pin and global system interrupt.
fn route(interpreter: &mut Interpreter<'_>, bridge: NodeId, entry: Value) -> Result<(u8, u8, u32), AmlError> {
    let entry = interpreter.resolved(entry)?;
    let Value::Package(elements) = entry else { return Err(Reason::Entry.into()) };
    let elements = elements.borrow().clone();
    let [address, pin, source, index, ..] = elements.as_slice() else { return Err(Reason::Entry.into()) };
    let mut integer = |value: &Value| Ok::<_, AmlError>(interpreter.resolved(value.clone())?.to_integer()?);
    let (address, pin, index) = (integer(address)?, integer(pin)?, integer(index)?);
    let device = u8::try_from(address >> 16).ok().filter(|device| *device < 32);
    let (Some(device), true) = (device, pin < PINS) else { return Err(Reason::Entry.into()) };
    let link = match source {
        Value::Integer(0) => {
            let gsi = u32::try_from(index).map_err(|_| Reason::Entry)?;
            return Ok((device, low_u8(pin), gsi));
        }
        Value::Name(scope, path) => (*scope, (**path).clone()),
        Value::String(text) => {
            let path = core::str::from_utf8(text).ok().and_then(Path::parse).ok_or(Reason::Name)?;
            (bridge, path)
        }
        // Some firmware has the number in a name instead.
        other => return Err(other.is_not("a link").into()),
    };
    let (scope, path) = link;
    let Some(node) = interpreter.namespace.find(scope, &path) else {
        return Err(Reason::NotFound(path.to_string()).into());
    };
    let gsi = linked(interpreter, node, index, path.to_string())?;
    Ok((device, low_u8(pin), gsi))
}

/// Returns the interrupt of a link device.
fn linked(interpreter: &mut Interpreter<'_>, link: NodeId, index: u64, name: String) -> Result<u32, AmlError> {
    let resources = interpreter.evaluate(link, *b"_CRS", &[])?;
    let Some(Value::Buffer(template)) = resources else { return Err(Reason::Link(name).into()) };
    let template = template.borrow();
    let number = interrupts(&template).nth(to_usize(index));
    // Firmware reads the number from a register, which is 0 where nothing is connected.
    number.filter(|number| *number != 0).ok_or_else(|| Reason::Link(name).into())
}

/// Returns whether a device is a root bridge, by its ids (ACPI 6.5, 6.1.2 and 6.1.5).
pub(crate) fn is_root_bridge(interpreter: &mut Interpreter<'_>, device: NodeId) -> Result<bool, AmlError> {
    for name in [*b"_HID", *b"_CID"] {
        let Some(id) = interpreter.object_of(device, name)? else { continue };
        let ids = match id {
            Value::Package(ids) => ids.borrow().clone(),
            other => [other].into(),
        };
        let is_one = |id: &Value| match id {
            Value::Integer(number) => ROOT_BRIDGES.iter().any(|(_, known)| known == number),
            Value::String(text) => ROOT_BRIDGES.iter().any(|(known, _)| *known == &**text),
            _ => false,
        };
        if ids.iter().any(is_one) {
            return Ok(true);
        }
    }
    Ok(false)
}
