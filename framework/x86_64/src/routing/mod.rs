//! Interrupt routing of chipsets: the lines of the wires of the root bus, with a file for each known chipset.
//!
//! A chipset is recognised by its host bridge, at the first device of bus 0. The wiring of slots differs between
//! boards: it is known for QEMU's boards only, which have a subsystem id of their own. The registers of a chipset hold
//! on any board.
//!
//! For other boards, the `_PRT` of ACPI tables is evaluated, or the MP table read where there is no ACPI. Where it has no
//! route either, firmware's Interrupt Line registers are used.

mod acpi;
mod board;
mod expander;
mod gpex;
mod ich9;
mod piix;
mod rcba;
mod xen;

use alloc::vec::Vec;

use acpi::AcpiRoutes;
pub(super) use acpi::Fields;
pub(super) use board::is_qemu;
use expander::Expanders;
use ich9::Ich9;
use piix::Piix;

use super::boot_info::BootProtocol;
use super::cpu;
use super::mp_table::PciLine;
use super::physical::PhysicalMemory;
use switchboard::config::{Address, ConfigAccess, Width};
use switchboard::interrupt::{ChipsetAnswer, Gsi, Wire};

/// The interrupt routing of this machine.
#[derive(Debug)]
pub(super) struct Chipset {
    family: Family,
    host_bridge: u32,
    /// By ACPI tables, for a board that is unknown.
    acpi: AcpiRoutes,
    /// By the MP table, where ACPI has no I/O APIC.
    mp_table: Vec<PciLine>,
    expanders: Expanders,
}

#[derive(Debug)]
enum Family {
    Ich9(Ich9),
    Piix(Piix),
    Gpex,
    /// Emulated by QEMU for Xen, which has its own wiring.
    Xen,
    Unknown,
}

impl Chipset {
    /// Detects the chipset by the functions of bus 0. `tables` are the physical addresses of DSDT and SSDTs.
    pub(super) fn find(
        config: &'static dyn ConfigAccess,
        tables: &[u64],
        mp_table: Vec<PciLine>,
        protocol: BootProtocol,
        memory: &'static dyn PhysicalMemory,
    ) -> Self {
        let first = Address::new(0, 0, 0, 0);
        let host_bridge = config.read(first, 0, Width::Dword);
        let is_qemu = is_qemu(config);
        let family = match host_bridge {
            // By PVH, Xen loads its first guest, which has the wires of the board, and guests without emulated devices.
            _ if cpu::is_xen() && protocol != BootProtocol::Pvh => Family::Xen,
            // By its LPC bridge: the ICH9 was combined with several memory controllers, which have the host bridge.
            _ if has_id(config, ich9::ID, ich9::lpc_bridge()) => Family::Ich9(Ich9::read(config, is_qemu)),
            piix::HOST_BRIDGE if is_qemu => {
                find(config, piix::ID).map_or(Family::Unknown, |at| Family::Piix(Piix::new(at)))
            }
            gpex::HOST_BRIDGE => Family::Gpex,
            _ => Family::Unknown,
        };
        let is_unknown = matches!(family, Family::Unknown) || matches!(family, Family::Ich9(_)) && !is_qemu;
        let has_routes = is_unknown && cfg!(feature = "aml");
        let acpi = if has_routes { AcpiRoutes::evaluate(tables, config, memory) } else { AcpiRoutes::default() };
        Self { family, host_bridge, acpi, mp_table, expanders: Expanders::find(config) }
    }

    /// Returns the line of a wire. `inputs` is the number of inputs of all I/O APICs.
    pub(super) fn answer(&self, config: &dyn ConfigAccess, wire: Wire, inputs: usize) -> ChipsetAnswer {
        let answer = match &self.family {
            Family::Ich9(ich9) => ich9.answer(wire, &self.expanders),
            Family::Piix(piix) => piix.answer(config, wire, &self.expanders),
            Family::Gpex => gpex::answer(wire, inputs),
            Family::Xen => xen::answer(wire),
            Family::Unknown => {
                let [v0, v1, d0, d1] = self.host_bridge.to_le_bytes();
                ChipsetAnswer::Unknown { vendor: u16::from_le_bytes([v0, v1]), device: u16::from_le_bytes([d0, d1]) }
            }
        };
        match answer {
            ChipsetAnswer::Unknown { .. } | ChipsetAnswer::UnknownWiring { .. } => {
                let by_acpi = self.acpi.gsi(wire).map(ChipsetAnswer::Acpi);
                by_acpi.or_else(|| self.by_mp_table(wire).map(ChipsetAnswer::MpTable)).unwrap_or(answer)
            }
            answer => answer,
        }
    }
}

impl Chipset {
    fn by_mp_table(&self, wire: Wire) -> Option<Gsi> {
        let (device, pin) = (wire.device, wire.pin.index());
        let is_of_wire = |line: &&PciLine| {
            device.segment() == 0 && (line.bus, line.device, line.pin) == (device.bus(), device.device(), pin)
        };
        self.mp_table.iter().find(is_of_wire).map(|line| line.gsi)
    }

    /// Returns the line of a wire behind a bridge whose `_PRT` has it, on a board that is unknown.
    pub(super) fn behind_bridge(&self, wire: Wire) -> Option<Gsi> {
        self.acpi.gsi(wire)
    }
}

/// Returns whether the function at `address` has that id: Vendor ID in the low half, Device ID in the high half.
fn has_id(config: &dyn ConfigAccess, id: u32, address: Address) -> bool {
    config.read(address, 0, Width::Dword) == id
}

/// Returns the first function on bus 0 with that id.
fn find(config: &dyn ConfigAccess, id: u32) -> Option<Address> {
    (0..32).map(|number| Address::new(0, 0, number, 0)).find(|address| has_id(config, id, *address))
}
