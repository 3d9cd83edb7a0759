//! The configuration of a console (virtio 1.2, 5.3.3 and 5.3.4).

use alloc::sync::Arc;

use bitflags::bitflags;
use switchboard::driver::ProbeError;
use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock, WriteOnly};

use crate::interfaces::console::{ConsoleSize, EmergencyWriter};
use crate::virtio::Setup;

bitflags! {
    /// The features that the driver uses.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct ConsoleFeatures: u64 {
        /// The device reports the size of the console.
        const SIZE = 1 << 0;
        /// The device has several ports, and control queues.
        const MULTIPORT = 1 << 1;
        /// The device writes a byte that is stored in its configuration.
        const EMERG_WRITE = 1 << 2;
    }
}

/// The size of the console.
pub(super) struct SizeConfig;

impl RegisterBlock for SizeConfig {
    const SIZE: u64 = 4;
}

const COLUMNS: Reg<SizeConfig, u16, ReadOnly> = Reg::at(0);
const ROWS: Reg<SizeConfig, u16, ReadOnly> = Reg::at(2);

/// Returns the size, unless it is zero.
pub(super) fn read_size(config: &Bar<SizeConfig>) -> Option<ConsoleSize> {
    let (columns, rows) = (config.read(&COLUMNS), config.read(&ROWS));
    (columns > 0 && rows > 0).then_some(ConsoleSize { columns, rows })
}

/// The number of ports.
struct PortsConfig;

impl RegisterBlock for PortsConfig {
    const SIZE: u64 = 8;
}

const MAX_NR_PORTS: Reg<PortsConfig, u32, ReadOnly> = Reg::at(4);

/// Returns the greatest number of ports of the device.
pub(super) fn read_max_ports(setup: &Setup) -> Result<u32, ProbeError> {
    let config = setup.config::<PortsConfig>()?;
    setup.read_config(|| config.read(&MAX_NR_PORTS))
}

/// The register of the emergency write.
struct EmergencyConfig;

impl RegisterBlock for EmergencyConfig {
    const SIZE: u64 = 12;
}

const EMERG_WR: Reg<EmergencyConfig, u32, WriteOnly> = Reg::at(8);

#[derive(Debug)]
struct Emergency(Bar<EmergencyConfig>);

impl EmergencyWriter for Emergency {
    fn write_byte(&self, byte: u8) {
        self.0.write(&EMERG_WR, byte.into());
    }
}

/// Returns the emergency write.
pub(super) fn emergency_writer(setup: &Setup) -> Result<Arc<dyn EmergencyWriter>, ProbeError> {
    Ok(Arc::new(Emergency(setup.config()?)))
}
