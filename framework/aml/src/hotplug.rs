//! Hot-plug by ACPI, as QEMU's machines describe it: the registers, the buses that they cover, and the event for changes (QEMU,
//! `docs/specs/acpi_pci_hotplug`).
//!
//! The tables have methods for it, which write to the registers. They are not run: the names that they use are found instead.

use alloc::vec::Vec;

use crate::Function;
use crate::error::AmlError;
use crate::integer::{low_u8, low_u16};
use crate::interpreter::Interpreter;
use crate::namespace::{Namespace, NodeId, Object};
use crate::routing::is_root_bridge;

/// The address space of I/O ports (ACPI 6.5, 5.5.2.4).
const SYSTEM_IO: u8 = 1;
/// The bytes of the region of requests: added slots, and slots to be removed.
const REGION_BYTES: u64 = 8;

/// The registers of hot-plug by ACPI.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PciHotplug {
    /// The first I/O port of the registers.
    pub port: u16,
    /// The number of the general-purpose event that reports changes.
    pub event: u8,
    /// The buses whose slots are covered.
    pub buses: Vec<HotplugBus>,
}

/// A bus whose slots are covered by hot-plug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HotplugBus {
    /// The number that selects it in the registers.
    pub selector: u32,
    /// The bridge that it is behind, or `None` for a root bus.
    pub bridge: Option<Function>,
    /// The segment and number of a root bus.
    pub root: (u16, u8),
}

/// Finds the registers, buses and event.
pub(crate) fn find(interpreter: &mut Interpreter<'_>) -> Option<PciHotplug> {
    let devices = interpreter.namespace.devices();
    let port = devices.iter().find_map(|device| region(&interpreter.namespace, *device))?;
    let event = event(&interpreter.namespace)?;
    // A bus that cannot be evaluated is left out.
    let buses = devices.into_iter().filter_map(|device| bus(interpreter, device).ok().flatten()).collect();
    Some(PciHotplug { port, event, buses })
}

/// Returns the port of a root bridge's region of requests.
fn region(namespace: &Namespace, device: NodeId) -> Option<u16> {
    match namespace.object(namespace.child(device, *b"PCST")?)? {
        Object::Region { space: SYSTEM_IO, offset, length: REGION_BYTES } => u16::try_from(*offset).ok(),
        _ => None,
    }
}

/// Returns the event whose method scans the slots.
fn event(namespace: &Namespace) -> Option<u8> {
    let events = namespace.child(Namespace::ROOT, *b"_GPE")?;
    let scans = |event: &u8| {
        let digit = |value: u8| b"0123456789ABCDEF"[usize::from(value & 0xf)];
        [b'E', b'L'].iter().any(|kind| {
            let method = namespace.child(events, [b'_', *kind, digit(event >> 4), digit(*event)]);
            match method.and_then(|method| namespace.object(method)) {
                Some(Object::Method { code, .. }) => code.clone().rest().windows(4).any(|name| name == b"PCNT"),
                _ => false,
            }
        })
    };
    (0..=u8::MAX).find(scans)
}

/// Returns the bus below a device, if it is covered.
fn bus(interpreter: &mut Interpreter<'_>, device: NodeId) -> Result<Option<HotplugBus>, AmlError> {
    let Some(selector) = interpreter.evaluate(device, *b"BSEL", &[])? else { return Ok(None) };
    let selector = u32::try_from(selector.to_integer()?).unwrap_or(u32::MAX);
    if !is_root_bridge(interpreter, device)? {
        return Ok(Some(HotplugBus { selector, bridge: Some(interpreter.function_of(device)?), root: (0, 0) }));
    }
    let mut number = |name| match interpreter.evaluate(device, name, &[])? {
        Some(value) => Ok::<_, AmlError>(value.to_integer()?),
        None => Ok(0),
    };
    let root = (low_u16(number(*b"_SEG")?), low_u8(number(*b"_BBN")?));
    Ok(Some(HotplugBus { selector, bridge: None, root }))
}
