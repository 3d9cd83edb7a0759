//! The controller as a whole: its registers, hand-over from firmware, reset and start (xHCI 1.2, 4.2, 4.22, 4.23).

use alloc::vec::Vec;

use switchboard::driver::ProbeError;
use switchboard::mmio::{Bar, BarWindows, RegisterBlock, UnmappedBar};
use switchboard::platform::Clock;

use super::registers::{
    CAPLENGTH, Capability, DBOFF, Doorbells, Extended, FIRMWARE_OWNS, FIRST_INTERRUPTER, HCCPARAMS1, HCSPARAMS1,
    HCSPARAMS2, HEADER, Interrupter, LEGACY_CONTROL, LEGACY_SUPPORT, Operational, PAGESIZE, PORTS, Parameters,
    PortRegisters, RTSOFF, SMI_ENABLES, SMI_EVENTS, SUPPORTED_PROTOCOL, SYSTEM_OWNS, USBCMD, USBSTS, UsbCommand,
    UsbStatus,
};

/// A halt takes 16 ms (5.4.1), a reset is longer on some controllers.
const RESET_TIMEOUT_NS: u64 = 500_000_000;
/// Firmware may take this long to give the controller up (7.1.1).
const HANDOVER_TIMEOUT_NS: u64 = 1_000_000_000;
/// The most extended capabilities that are looked at.
const MAX_CAPABILITIES: usize = 64;

/// The registers of a controller, and what they describe.
#[derive(Debug)]
pub(super) struct Registers {
    pub(super) operational: Bar<Operational>,
    pub(super) interrupter: Bar<Interrupter>,
    pub(super) doorbells: Bar<Doorbells>,
    /// By number, from 1 on.
    pub(super) ports: Vec<Port>,
    pub(super) parameters: Parameters,
    /// The most devices.
    pub(super) slots: u8,
    pub(super) scratchpads: usize,
}

/// A port of the root hub.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) registers: Bar<PortRegisters>,
    /// The port is for SuperSpeed devices, which connect without a reset.
    pub(super) is_usb3: bool,
}

impl Registers {
    /// Maps the registers, and takes the controller from the firmware.
    pub(super) fn map(bar0: UnmappedBar, clock: &dyn Clock) -> Result<Self, ProbeError> {
        let windows = bar0.windows()?;
        let capability: Bar<Capability> = windows.map(0, Capability::SIZE)?;
        let length = u64::from(capability.read(&CAPLENGTH) & 0xff);
        let [slots, _, _, ports] = capability.read(&HCSPARAMS1).to_le_bytes();
        let more = capability.read(&HCSPARAMS2);
        let parameters = Parameters::from_bits_retain(capability.read(&HCCPARAMS1));
        let runtime = u64::from(capability.read(&RTSOFF) & !0x1f);
        let doorbells_bytes = (u64::from(slots) + 1) * 4;
        let operational: Bar<Operational> = windows.map(length, Operational::SIZE)?;
        if slots == 0 || ports == 0 {
            return Err(ProbeError::Device("the controller reports no device slots, or no ports"));
        }
        let first_capability = u64::from(parameters.bits() >> 16) * 4;
        let protocols = walk(&windows, first_capability, clock)?;
        let port = |number: u8| {
            let offset = length + PORTS + (u64::from(number) - 1) * PortRegisters::SIZE;
            let is_usb3 = protocols.iter().any(|it| it.is_usb3 && it.ports.contains(&number));
            Ok(Port { registers: windows.map(offset, PortRegisters::SIZE)?, is_usb3 })
        };
        Ok(Self {
            interrupter: windows.map(runtime + FIRST_INTERRUPTER, Interrupter::SIZE)?,
            doorbells: windows.map((capability.read(&DBOFF) & !3).into(), doorbells_bytes)?,
            ports: (1..=ports).map(port).collect::<Result<_, ProbeError>>()?,
            parameters,
            slots,
            // Ten bits, so no cast loses any.
            scratchpads: ((more >> 16 & 0x3e0) | more >> 27) as usize,
            operational,
        })
    }
}

/// The ports of one protocol (7.2).
struct Protocol {
    is_usb3: bool,
    ports: core::ops::Range<u8>,
}

/// Walks the extended capabilities (7).
fn walk(windows: &BarWindows, first: u64, clock: &dyn Clock) -> Result<Vec<Protocol>, ProbeError> {
    let (mut protocols, mut offset) = (Vec::new(), first);
    for _ in 0..MAX_CAPABILITIES {
        if offset == 0 {
            break;
        }
        let capability: Bar<Extended> = windows.map(offset, 12).or_else(|_| windows.map(offset, 8))?;
        let header = capability.read(&HEADER);
        let [id, distance, _, major] = header.to_le_bytes();
        if header == u32::MAX {
            break;
        }
        match id {
            LEGACY_SUPPORT => take_over(&capability, clock),
            SUPPORTED_PROTOCOL => {
                let [first, count, ..] = capability.try_read::<u32>(8).unwrap_or(0).to_le_bytes();
                protocols.push(Protocol { is_usb3: major == 3, ports: first..first.saturating_add(count) });
            }
            _ => {}
        }
        offset = if distance == 0 { 0 } else { offset + u64::from(distance) * 4 };
    }
    Ok(protocols)
}

/// Takes the controller from the firmware (4.22.1), and turns its system management interrupts off.
fn take_over(legacy: &Bar<Extended>, clock: &dyn Clock) {
    let header = legacy.read(&HEADER);
    if header & FIRMWARE_OWNS != 0 {
        legacy.write(&HEADER, header | SYSTEM_OWNS);
        if !clock.wait_until(HANDOVER_TIMEOUT_NS, || legacy.read(&HEADER) & FIRMWARE_OWNS == 0) {
            // Firmware that does not answer is overruled.
            legacy.write(&HEADER, header & !FIRMWARE_OWNS | SYSTEM_OWNS);
        }
    }
    if let Some(control) = legacy.try_read::<u32>(LEGACY_CONTROL) {
        // It was read from there.
        let _ = legacy.try_write(LEGACY_CONTROL, control & !SMI_ENABLES | SMI_EVENTS);
    }
}

/// Halts and resets a controller (4.2). It accesses no memory afterwards.
pub(super) fn reset(operational: &Bar<Operational>, clock: &dyn Clock) -> Result<(), ProbeError> {
    let within = |is_done: &dyn Fn() -> bool, what| {
        let is_absent = || operational.read(&USBSTS) == u32::MAX;
        match clock.wait_until(RESET_TIMEOUT_NS, || is_done() || is_absent()) {
            _ if is_absent() => Err(ProbeError::Device("the controller does not respond")),
            true => Ok(()),
            false => Err(ProbeError::Device(what)),
        }
    };
    let status = || UsbStatus::from_bits_retain(operational.read(&USBSTS));
    operational.write(&USBCMD, 0);
    within(&|| status().contains(UsbStatus::HALTED), "the controller does not halt")?;
    operational.write(&USBCMD, UsbCommand::RESET.bits());
    within(&|| operational.read(&USBCMD) & UsbCommand::RESET.bits() == 0, "the reset does not end")?;
    within(&|| !status().contains(UsbStatus::NOT_READY), "the controller does not become ready")?;
    if operational.read(&PAGESIZE) & 1 == 0 {
        return Err(ProbeError::Device("the controller does not support pages of 4,096 bytes"));
    }
    Ok(())
}
