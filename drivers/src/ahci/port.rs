//! A port: its memory, start and stop, the reset of its device, and commands that are awaited by polling (AHCI 1.3.1, 10.1, 10.4).

use alloc::sync::Arc;
use core::fmt;

use switchboard::dma::{BusAddress, DmaShared};
use switchboard::driver::ProbeError;
use switchboard::mmio::Bar;

use super::command::{
    Command, CommandHeader, FIS_BLOCK, PACKET_BLOCK, PacketBlock, REGION_BLOCK, RegionBlock, TABLE_BLOCKS,
};
use super::hba::Hba;
use super::interrupt::PortShared;
use super::registers::{
    COMRESET, LINK_UP, PXCI, PXCLB, PXCMD, PXFB, PXIE, PXIS, PXSCTL, PXSERR, PXSSTS, PXTFD, PortCommand,
    PortInterrupts, PortRegisters, TaskFile,
};

/// The most commands of a port.
pub(super) const MAX_SLOTS: usize = 32;
/// The bytes that commands of the driver's own read: an `IDENTIFY` structure, a page of a log.
pub(super) const SCRATCH_BYTES: usize = 512;

/// The limit for a port to stop (10.1.2).
const STOP_TIMEOUT_NS: u64 = 500_000_000;
/// The link is reset for at least this long (10.4.2).
const COMRESET_NS: u64 = 1_000_000;
/// The limit for a device to answer after its reset while requests wait. For one that spins up see `PortSlot`.
const RECOVERY_TIMEOUT_NS: u64 = 2_000_000_000;
/// The limit for a command of the driver's own.
const COMMAND_TIMEOUT_NS: u64 = 5_000_000_000;

/// The end of a command that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommandError {
    /// The device reports an error.
    #[error("the device reports error {error:#04x}, status {status:#04x}")]
    Device { status: u8, error: u8 },
    /// The device has not finished it in time.
    #[error("the device does not finish a command in time")]
    TimedOut,
    /// The device has transferred fewer bytes than it was to read.
    #[error("the device has transferred too few bytes")]
    Short,
    /// It took more attempts than it is given, since others failed.
    #[error("the command was interrupted too often by errors of others")]
    Interrupted,
}

impl CommandError {
    pub(super) fn of(task_file: u32) -> Self {
        let [status, error, ..] = task_file.to_le_bytes();
        Self::Device { status, error }
    }

    /// Returns whether the device does not know the command: `ABRT` alone (ACS-3, 6.3).
    pub(super) const fn is_unsupported(self) -> bool {
        matches!(self, Self::Device { error: 0x04, .. })
    }
}

impl From<CommandError> for ProbeError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Device { status, error } => Self::Unexpected {
                what: "error and status of the disk",
                wanted: 0,
                found: u64::from(error) << 8 | u64::from(status),
            },
            CommandError::Short => Self::Device("the disk has transferred too few bytes"),
            CommandError::TimedOut | CommandError::Interrupted => {
                Self::Device("the disk does not finish a command in time")
            }
        }
    }
}

/// A port with its memory. Dropping it stops the port, which then accesses no memory.
pub(super) struct Port {
    hba: Arc<Hba>,
    pub(super) shared: Arc<PortShared>,
    pub(super) registers: Arc<Bar<PortRegisters>>,
    list: DmaShared<[u64; 4]>,
    received: DmaShared<[u64; 32]>,
    tables: DmaShared<[u64; 8]>,
    scratch: DmaShared<u64>,
}

impl Port {
    /// Allocates the memory of a port, and lets it receive from its device.
    pub(super) fn open(hba: &Arc<Hba>, shared: &Arc<PortShared>) -> Result<Self, ProbeError> {
        const FULL: ProbeError = ProbeError::Device("the command list does not fit into its memory");
        let tables_bytes = MAX_SLOTS * TABLE_BLOCKS * 64;
        let mut region = hba.dma.region(MAX_SLOTS * 32 + 256 + SCRATCH_BYTES + tables_bytes)?;
        let list = region.carve(MAX_SLOTS, 1024).ok_or(FULL)?;
        let received = region.carve(1, 256).ok_or(FULL)?;
        let scratch = region.carve(SCRATCH_BYTES / 8, 256).ok_or(FULL)?;
        let tables = region.carve(MAX_SLOTS * TABLE_BLOCKS, 256).ok_or(FULL)?;
        let registers = shared.registers.clone();
        let this = Self { hba: hba.clone(), shared: shared.clone(), registers, list, received, tables, scratch };
        if !this.stop() {
            return Err(ProbeError::Device("a port does not stop"));
        }
        this.registers.write_address_pair(&PXCLB, this.list.bus());
        this.registers.write_address_pair(&PXFB, this.received.bus());
        this.change(PortCommand::FIS_RECEIVE, PortCommand::empty());
        Ok(this)
    }

    fn command(&self) -> PortCommand {
        PortCommand::from_bits_retain(self.registers.read(&PXCMD))
    }

    fn change(&self, set: PortCommand, clear: PortCommand) {
        self.registers.write(&PXCMD, ((self.command() - clear) | set).bits());
    }

    fn wait_until_clear(&self, bits: PortCommand) -> bool {
        let mut found = PortCommand::all();
        self.hba.clock.wait_until(STOP_TIMEOUT_NS, || {
            found = self.command();
            found.is_all() || !found.intersects(bits)
        });
        !found.intersects(bits)
    }

    /// Stops processing commands, which clears `PxCI` and `PxSACT`.
    pub(super) fn stop_commands(&self) -> bool {
        self.change(PortCommand::empty(), PortCommand::START);
        self.wait_until_clear(PortCommand::RUNNING)
    }

    /// Stops processing commands and receiving. Returns `false` if the port does not stop.
    fn stop(&self) -> bool {
        self.registers.write(&PXIE, 0);
        if !self.stop_commands() {
            return false;
        }
        self.change(PortCommand::empty(), PortCommand::FIS_RECEIVE);
        self.wait_until_clear(PortCommand::FIS_RUNNING)
    }

    /// Begins to process commands. The device must be ready.
    pub(super) fn start_commands(&self) {
        self.clear_events();
        self.change(PortCommand::START, PortCommand::empty());
    }

    /// Forgets what has happened so far.
    pub(super) fn clear_events(&self) {
        self.registers.write(&PXSERR, u32::MAX);
        self.registers.write(&PXIS, u32::MAX);
        self.shared.take_events();
    }

    /// Selects the interrupts.
    pub(super) fn enable(&self, interrupts: PortInterrupts) {
        self.registers.write(&PXIE, interrupts.bits());
    }

    /// Powers and spins the device up, and begins the reset of the link, which [`end_reset`](Self::end_reset) ends.
    pub(super) fn begin_reset(&self, is_packet_device: bool) {
        let packet = if is_packet_device { PortCommand::IS_PACKET_DEVICE } else { PortCommand::empty() };
        let set = PortCommand::SPIN_UP | PortCommand::POWER_ON | PortCommand::LINK_ACTIVE | packet;
        self.change(set, PortCommand::START);
        self.registers.write(&PXSCTL, COMRESET);
    }

    pub(super) fn end_reset(&self) {
        self.registers.write(&PXSCTL, 0);
    }

    pub(super) fn has_link(&self) -> bool {
        self.registers.read(&PXSSTS) & 0xf == LINK_UP
    }

    pub(super) fn task_file(&self) -> u32 {
        self.registers.read(&PXTFD)
    }

    /// Returns whether there is a device that takes commands.
    pub(super) fn is_ready(&self) -> bool {
        let busy = TaskFile::BUSY | TaskFile::DATA_REQUEST;
        self.has_link() && !TaskFile::from_bits_retain(self.task_file()).intersects(busy)
    }

    /// Resets the device while requests wait. Returns whether it is ready.
    pub(super) fn reset_device(&self) -> bool {
        self.begin_reset(false);
        self.hba.clock.wait_until(COMRESET_NS, || false);
        self.end_reset();
        let is_gone = || self.registers.read(&PXSSTS) == u32::MAX;
        let is_ready = self.hba.clock.wait_until(RECOVERY_TIMEOUT_NS, || self.is_ready() || is_gone()) && !is_gone();
        self.clear_events();
        is_ready
    }

    /// Writes a command into a slot. `data` is where its data are.
    pub(super) fn prepare(
        &mut self,
        slot: usize,
        command: Command,
        tag: Option<u8>,
        data: Option<(BusAddress, usize)>,
    ) {
        let table = slot * TABLE_BLOCKS;
        self.tables.write_as(table + FIS_BLOCK, command.fis(tag));
        if let Some(packet) = command.packet() {
            self.tables.write_as(table + PACKET_BLOCK, PacketBlock::new(packet));
        }
        if let Some((address, bytes)) = data {
            self.tables.write_as(table + REGION_BLOCK, RegionBlock::new(address, bytes));
        }
        let header = CommandHeader::new(command, data.is_some(), self.tables.bus_of(table));
        self.list.write_as(slot, header);
    }

    /// Returns the bytes that the HBA has transferred for the command of a slot.
    pub(super) fn transferred(&self, slot: usize) -> u32 {
        let [first, ..] = self.list.read(slot);
        (first >> 32) as u32
    }

    /// Carries out a command in slot 0, with no other in flight and without interrupts. Returns what it has read.
    pub(super) fn execute(&mut self, command: Command, bytes: usize) -> Result<[u8; SCRATCH_BYTES], CommandError> {
        let data = (bytes > 0).then(|| (self.scratch.bus(), bytes.min(SCRATCH_BYTES)));
        self.prepare(0, command, None, data);
        self.registers.write(&PXCI, 1);
        let task_file_error = |task_file| TaskFile::from_bits_retain(task_file).contains(TaskFile::ERROR);
        let has_failed = || self.registers.read(&PXIS) & PortInterrupts::ERROR.bits() != 0;
        let is_done =
            self.hba.clock.wait_until(COMMAND_TIMEOUT_NS, || self.registers.read(&PXCI) & 1 == 0 || has_failed());
        let task_file = self.task_file();
        if !is_done {
            return Err(CommandError::TimedOut);
        }
        if has_failed() || task_file_error(task_file) {
            // Errors stop the port (6.2.2).
            self.stop_commands();
            self.start_commands();
            return Err(CommandError::of(task_file));
        }
        if (self.transferred(0) as usize) < bytes {
            return Err(CommandError::Short);
        }
        let mut data = [0; SCRATCH_BYTES];
        for (index, word) in data.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            *word = self.scratch.read(index).to_ne_bytes();
        }
        self.registers.write(&PXIS, u32::MAX);
        Ok(data)
    }

    /// Stops the port for good, or takes the HBA off the bus if it does not stop.
    pub(super) fn quarantine(&self, fault: &dyn fmt::Display) {
        let is_present = self.hba.shared.presence.confirm().is_ok();
        if is_present && !self.hba.is_isolated() {
            log::error!("{}: ahci: port {}: {fault}; the disk is quarantined", self.hba.address, self.shared.number);
        }
        if is_present && !self.stop() {
            self.hba.quarantine(&"a port does not stop");
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        if !self.hba.shared.presence.is_gone() && !self.hba.is_isolated() && !self.stop() {
            self.hba.quarantine(&"a port does not stop");
        }
        self.shared.is_in_use.store(false, core::sync::atomic::Ordering::Release);
        self.hba.shared.report_change();
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port").field("number", &self.shared.number).finish_non_exhaustive()
    }
}
