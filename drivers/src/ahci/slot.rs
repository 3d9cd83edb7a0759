//! The life of a port: empty, its device being reset and spinning up, a disk in use (AHCI 1.3.1, 10.1.2, 10.4.2).

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::mem;
use core::sync::atomic::Ordering;

use switchboard::driver::ProbeError;

use super::command::{Command, IDENTIFY_DEVICE, IDENTIFY_PACKET_DEVICE};
use super::disk::AhciDisk;
use super::hba::Hba;
use super::identify::{IDENTIFY_BYTES, Identity};
use super::interrupt::PortShared;
use super::port::Port;
use super::registers::{
    LINK_UP, OTHER_SIGNATURES, PACKET_SIGNATURE, PXCMD, PXIE, PXSIG, PXSSTS, PortCommand, PortInterrupts,
};

/// The link is reset for at least this long.
const COMRESET_NS: u64 = 1_000_000;
/// A device answers the reset of its link within this time; 10 ms are specified, some take longer.
const LINK_TIMEOUT_NS: u64 = 1_000_000_000;
/// A disk may take this long to spin up.
const READY_TIMEOUT_NS: u64 = 10_000_000_000;
/// The interval at which a port in transition is looked at.
pub(super) const STEP_INTERVAL_NS: u64 = 5_000_000;
/// Attempts of the first command of a packet device, which reports each reset as an error.
const READY_ATTEMPTS: usize = 5;

#[derive(Debug)]
enum State {
    Empty,
    Resetting {
        port: Port,
        until_ns: u64,
    },
    Starting {
        port: Port,
        since_ns: u64,
    },
    Found(Box<AhciDisk>),
    /// The disk is with its user.
    Taken,
    /// There is a device that is left alone.
    Unusable,
}

/// A port, and what is known of its device.
#[derive(Debug)]
pub(super) struct PortSlot {
    shared: Arc<PortShared>,
    state: State,
    /// There was a device before the controller was reset.
    is_expected: bool,
}

impl PortSlot {
    pub(super) fn new(hba: &Hba, shared: Arc<PortShared>) -> Self {
        let is_expected = hba.connected >> shared.number & 1 != 0;
        if !is_expected {
            // A device is only detected where its port is powered.
            let command = PortCommand::from_bits_retain(shared.registers.read(&PXCMD));
            shared.registers.write(&PXCMD, (command | PortCommand::SPIN_UP | PortCommand::POWER_ON).bits());
        }
        let this = Self { shared, state: State::Empty, is_expected };
        this.watch();
        this
    }

    /// Enables the interrupts of a port without a disk.
    fn watch(&self) {
        self.shared.registers.write(&PXIE, PortInterrupts::PLUG.bits());
    }

    /// Returns whether the port is in transition, and [`step`](Self::step) has to be called again.
    pub(super) fn is_pending(&self) -> bool {
        matches!(self.state, State::Resetting { .. } | State::Starting { .. })
    }

    /// Returns the disk that was found.
    pub(super) fn take(&mut self) -> Option<AhciDisk> {
        match mem::replace(&mut self.state, State::Taken) {
            State::Found(disk) => Some(*disk),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Looks at the port, and brings its device one step further.
    pub(super) fn step(&mut self, hba: &Arc<Hba>) {
        let now_ns = hba.clock.now_ns();
        if matches!(self.state, State::Resetting { until_ns, .. } if now_ns < until_ns) {
            return;
        }
        let detection = self.shared.registers.read(&PXSSTS);
        if detection == u32::MAX && hba.shared.presence.confirm().is_err() {
            self.state = State::Empty;
            return;
        }
        let is_connected = matches!(detection & 0xf, 1 | LINK_UP);
        self.state = match mem::replace(&mut self.state, State::Empty) {
            State::Empty if is_connected || mem::take(&mut self.is_expected) => self.begin(hba, now_ns),
            State::Resetting { port, .. } => {
                port.end_reset();
                State::Starting { port, since_ns: now_ns }
            }
            State::Starting { port, since_ns } => {
                let waited_ns = now_ns.saturating_sub(since_ns);
                if port.is_ready() {
                    self.identify(hba, port)
                } else if waited_ns > READY_TIMEOUT_NS {
                    log::warn!("{}: ahci: port {}: the disk does not become ready", hba.address, self.shared.number);
                    State::Unusable
                } else if waited_ns > LINK_TIMEOUT_NS && !port.has_link() {
                    drop(port);
                    self.watch();
                    State::Empty
                } else {
                    State::Starting { port, since_ns }
                }
            }
            State::Taken if !self.shared.is_in_use.load(Ordering::Acquire) => {
                self.watch();
                // The next call finds a disk that was plugged in meanwhile.
                hba.shared.report_change();
                State::Empty
            }
            State::Unusable if !is_connected => {
                self.watch();
                State::Empty
            }
            other => other,
        };
    }

    fn begin(&self, hba: &Arc<Hba>, now_ns: u64) -> State {
        match Port::open(hba, &self.shared) {
            Ok(port) => {
                self.shared.is_in_use.store(true, Ordering::Release);
                port.begin_reset(false);
                State::Resetting { port, until_ns: now_ns + COMRESET_NS }
            }
            Err(error) => self.leave(hba, &error),
        }
    }

    fn leave(&self, hba: &Hba, error: &ProbeError) -> State {
        if hba.shared.presence.confirm().is_ok() {
            log::warn!("{}: ahci: port {}: {error}", hba.address, self.shared.number);
        }
        self.watch();
        State::Unusable
    }

    fn identify(&self, hba: &Arc<Hba>, mut port: Port) -> State {
        let signature = port.registers.read(&PXSIG);
        port.start_commands();
        let identity = match signature {
            PACKET_SIGNATURE => identify_packet_device(&mut port),
            other if OTHER_SIGNATURES.contains(&other) => {
                Err(ProbeError::LeftAlone("a port multiplier or an enclosure"))
            }
            _ => identify_disk(&mut port),
        };
        match identity {
            Ok(identity) => State::Found(Box::new(AhciDisk::new(port, hba, identity))),
            Err(error) => {
                drop(port);
                self.leave(hba, &error)
            }
        }
    }
}

fn identify_disk(port: &mut Port) -> Result<Identity, ProbeError> {
    Identity::parse(&port.execute(Command::plain(IDENTIFY_DEVICE), IDENTIFY_BYTES)?)
}

/// Identifies a CD drive, and reads the capacity of its medium.
fn identify_packet_device(port: &mut Port) -> Result<Identity, ProbeError> {
    let data = port.execute(Command::plain(IDENTIFY_PACKET_DEVICE), IDENTIFY_BYTES)?;
    let mut identity = Identity::parse_packet(&data)?;
    // TEST UNIT READY, which also takes the reports of the reset and of a new medium.
    let is_ready = (0..READY_ATTEMPTS).any(|_| port.execute(Command::Packet([0; 12]), 0).is_ok());
    if !is_ready {
        return Err(ProbeError::LeftAlone("a CD drive without a medium"));
    }
    // READ CAPACITY (10): the last block, and the size of blocks.
    let capacity = port.execute(Command::Packet([0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 8)?;
    let [l0, l1, l2, l3, b0, b1, b2, b3, ..] = capacity;
    let (last, block_bytes) = (u32::from_be_bytes([l0, l1, l2, l3]), u32::from_be_bytes([b0, b1, b2, b3]));
    if !block_bytes.is_power_of_two() || !(512..=4096).contains(&block_bytes) {
        let (wanted, found) = (2048, block_bytes.into());
        return Err(ProbeError::Unexpected { what: "bytes in a block of the CD", wanted, found });
    }
    (identity.blocks, identity.block_bits) = (u64::from(last) + 1, block_bytes.trailing_zeros());
    Ok(identity)
}
