//! The routing of boards that no code here knows: the `_PRT` of root bridges, in ACPI tables.

use alloc::vec::Vec;

use super::super::acpi;
use super::super::physical::PhysicalMemory;
use switchboard::config::{Address, ConfigAccess, Width};
use switchboard::interrupt::{Gsi, Wire};
use switchboard_aml::{Function, Hardware, PciRoute, pci_routing};

/// The routes of all root bridges.
#[derive(Debug, Default)]
pub(super) struct AcpiRoutes(Vec<PciRoute>);

impl AcpiRoutes {
    /// Evaluates the tables at these physical addresses. What is left out is logged.
    pub(super) fn evaluate(
        tables: &[u64],
        config: &'static dyn ConfigAccess,
        memory: &'static dyn PhysicalMemory,
    ) -> Self {
        let tables: Vec<Vec<u8>> = tables.iter().filter_map(|at| acpi::aml_table(*at, memory)).collect();
        let tables: Vec<&[u8]> = tables.iter().map(Vec::as_slice).collect();
        let routing = pci_routing(&tables, &Fields { config, memory });
        for error in &routing.errors {
            log::warn!("ACPI _PRT: {error}");
        }
        log::info!("interrupts: {} routes by ACPI _PRT", routing.routes.len());
        Self(routing.routes)
    }

    /// Returns the line of a wire.
    pub(super) fn gsi(&self, wire: Wire) -> Option<Gsi> {
        let (device, pin) = (wire.device, wire.pin.index());
        let is_of_wire = |route: &&PciRoute| {
            (route.segment, route.bus, route.device, route.pin)
                == (device.segment(), device.bus(), device.device(), pin)
        };
        self.0.iter().find(is_of_wire).map(|route| Gsi(route.gsi))
    }
}

/// What fields of the tables are read from.
pub(crate) struct Fields {
    pub(crate) config: &'static dyn ConfigAccess,
    pub(crate) memory: &'static dyn PhysicalMemory,
}

impl core::fmt::Debug for Fields {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Fields").finish_non_exhaustive()
    }
}

impl Hardware for Fields {
    fn read_memory(&self, address: u64, bytes: u8) -> Option<u64> {
        let bytes = self.memory.copy(address, bytes.into())?;
        Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn read_config(&self, function: Function, offset: u16, bytes: u8) -> Option<u64> {
        let Function { segment, bus, device, function } = function;
        let address = (device < 32 && function < 8).then(|| Address::new(segment, bus, device, function))?;
        let end = offset.checked_add(bytes.into())?;
        let read = |offset| u64::from(self.config.read(address, offset, Width::Byte));
        (end <= self.config.size(address)).then(|| (offset..end).rev().fold(0, |value, at| value << 8 | read(at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use switchboard::interrupt::Pin;

    #[test]
    fn a_wire_is_found_by_segment_bus_device_and_pin() {
        let routes = AcpiRoutes(vec![
            PciRoute { segment: 0, bus: 0, device: 3, pin: 0, gsi: 16 },
            PciRoute { segment: 0, bus: 0x80, device: 3, pin: 0, gsi: 40 },
            PciRoute { segment: 0, bus: 0, device: 3, pin: 2, gsi: 18 },
        ]);
        let gsi = |bus, pin| routes.gsi(Wire { device: Address::new(0, bus, 3, 5), pin }).map(|gsi| gsi.0);
        assert_eq!(gsi(0, Pin::A), Some(16));
        assert_eq!(gsi(0, Pin::C), Some(18));
        assert_eq!(gsi(0x80, Pin::A), Some(40));
        assert_eq!((gsi(0, Pin::B), gsi(1, Pin::A)), (None, None));
    }
}
