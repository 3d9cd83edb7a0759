//! A bench: a machine of QEMU's devices, and what a test does with it.

use core::fmt;
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::format;
use std::thread::JoinHandle;

use switchboard::config::{Address, ConfigAccess, Width};
use switchboard::driver::{Driver, ProbeError, attach, best_match};
use switchboard::function::{Function, FunctionReport, FunctionState, Presence};
use switchboard::machine::Machine;
use switchboard::platform::ModePolicy;

use super::builder::BenchBuilder;
use super::process::Process;
use super::session::{Conduct, Session, lock};
use super::tasks::{self, Watch};

/// The time for a future of a driver.
pub(super) const RUN_LIMIT: Duration = Duration::from_secs(10);
/// The time after which a future that is not ready is taken for one that waits for ever, where faults are injected.
const STUCK_LIMIT: Duration = Duration::from_millis(25);
/// The looks of the watch at such a task's device: those of 20 seconds, where nothing is pending.
const LOOKS: u32 = 20;
/// The built-in devices of a q35 begin here.
const FIRST_BUILT_IN: u8 = 0x1f;

/// A machine of QEMU's device models, for tests of drivers; see the [module](crate::qemu).
pub struct Bench {
    // Ended in this order: the CPU's thread, then QEMU.
    pub(super) cpu: Option<JoinHandle<()>>,
    pub(super) session: &'static Session,
    pub(super) machine: &'static Machine,
    pub(super) process: Option<Process>,
    pub(super) builder: BenchBuilder,
}

impl Bench {
    /// Returns a builder.
    #[must_use]
    pub fn qemu() -> BenchBuilder {
        BenchBuilder::default()
    }

    /// Returns the machine as the framework and its drivers use it.
    #[must_use]
    pub fn machine(&self) -> &'static Machine {
        self.machine
    }

    /// Returns the interrupt modes that are permitted.
    #[must_use]
    pub fn policy(&self) -> ModePolicy {
        self.builder.policy
    }

    /// Returns the process id of QEMU.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    pub(super) fn first_added(&self) -> Option<FunctionReport> {
        let is_added = |report: &FunctionReport| (1..FIRST_BUILT_IN).contains(&report.address.device());
        self.machine.functions().into_iter().find(is_added)
    }

    /// Returns a report of the first function that is not built into the machine.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn function_under_test(&self) -> FunctionReport {
        self.first_added().unwrap_or_else(|| panic!("no device was added: {:?}", self.machine.refusals()))
    }

    /// Takes the first function with these IDs.
    ///
    /// # Panics
    /// When there is none without an owner.
    #[must_use]
    pub fn take_id(&self, vendor: u16, device: u16) -> Function {
        let mut functions = self.machine.take_all().into_iter();
        functions.find(|function| function.id() == (vendor, device)).expect("a function with these IDs")
    }

    /// Probes the first function that the driver matches.
    ///
    /// # Errors
    /// As the driver's probe.
    ///
    /// # Panics
    /// When it matches none.
    pub fn try_attach<D: Driver>(&self) -> Result<D, ProbeError> {
        let mut functions = self.machine.take_all().into_iter();
        let function = functions.find(|function| best_match(function, [((), D::MATCHES)]).is_some());
        attach(function.unwrap_or_else(|| panic!("{}: no function matches", D::NAME)))
    }

    /// Probes the first function that the driver matches.
    ///
    /// # Panics
    /// When it matches none, or the probe fails.
    #[must_use]
    pub fn attach<D: Driver>(&self) -> D {
        self.try_attach().unwrap_or_else(|error| panic!("{}: {error}", D::NAME))
    }

    /// Runs a future of a driver. It is polled when it is woken, as by an executor.
    ///
    /// # Panics
    /// When it is not ready after ten seconds, or a handler has panicked.
    pub fn run<R>(&self, future: impl Future<Output = R>) -> R {
        let watch = Watch { machine: self.machine, looks: 0 };
        let result = tasks::run(self.session, RUN_LIMIT, watch, future);
        // A line that is not acknowledged stays asserted, however soon the future was ready.
        self.session.wait_until_quiet(RUN_LIMIT);
        self.check_failure();
        result.unwrap_or_else(|| panic!("the task waits for ever; interrupts: {:?}", self.machine.interrupt_report()))
    }

    /// Runs a future that may wait for ever, since a fault is injected. When it is not ready after 25 ms, the watch of the machine
    /// ([`check_interrupts`](Machine::check_interrupts)) looks at its handlers twenty times, at the times when looks are due,
    /// as in a runtime. Returns `None` when the future is not ready after that; or after ten seconds, without a watch, where
    /// the fault is none or one that must not stop it.
    pub fn try_run<R>(&self, future: impl Future<Output = R>) -> Option<R> {
        let is_faulty = self.session.faults.may_stop_the_device();
        let (limit, looks) = if is_faulty { (STUCK_LIMIT, LOOKS) } else { (RUN_LIMIT, 0) };
        tasks::run(self.session, limit, Watch { machine: self.machine, looks }, future)
    }

    /// Returns whether the driver has isolated the function under test.
    pub(super) fn is_subject_isolated(&self) -> bool {
        let subject = *lock(&self.session.subject);
        let is_isolated = |report: &FunctionReport| report.state == FunctionState::Isolated;
        self.machine.functions().iter().any(|report| Some(report.address) == subject && is_isolated(report))
    }

    /// Returns the presence of the function under test, which no driver has.
    pub(super) fn presence_under_test(&self) -> Option<Presence> {
        let subject = *lock(&self.session.subject);
        subject.and_then(|subject| self.machine.take(subject)).map(|function| function.presence())
    }

    /// Adds a device while the machine runs, in the words of QEMU's `-device`: `"edu,id=card,bus=port0"`. In a replay it is there
    /// when it was recorded.
    ///
    /// # Panics
    /// When QEMU refuses.
    pub fn add_device(&self, words: &str) {
        self.monitor(&format!("device_add {words}"));
    }

    /// Requests the removal of an added device, as by the button of its slot. QEMU removes it when the driver of the port has
    /// turned off the power of the slot.
    ///
    /// # Panics
    /// When QEMU refuses.
    pub fn request_removal(&self, id: &str) {
        self.monitor(&format!("device_del {id}"));
    }

    /// Presses keys of a keyboard together, by QEMU's codes such as `"shift"` and `"a"`, and releases them at once.
    ///
    /// # Panics
    /// When QEMU refuses.
    pub fn press_keys(&self, keys: &[&str]) {
        let Some(process) = &self.process else { return };
        if let Err(error) = process.press_keys(keys) {
            panic!("{keys:?}: {error}");
        }
    }

    fn monitor(&self, command: &str) {
        self.session.has_hot_plug.store(true, Ordering::Relaxed);
        self.run_monitor_command(command);
    }

    /// Runs a command of QEMU's monitor that prints nothing, such as `announce_self`. Does nothing in a replay.
    ///
    /// # Panics
    /// When QEMU refuses.
    pub fn run_monitor_command(&self, command: &str) {
        let Some(process) = &self.process else { return };
        match process.command(command) {
            Ok(answer) => assert!(answer.is_empty(), "{command}: {answer}"),
            Err(error) => panic!("{command}: {error}"),
        }
    }

    /// Reads a byte of an I/O port.
    #[must_use]
    pub fn read_port(&self, port: u16) -> u8 {
        self.session.read_port(port)
    }

    /// Writes a byte to an I/O port.
    pub fn write_port(&self, port: u16, value: u8) {
        self.session.write_port(port, value);
    }

    /// Reads a word of configuration space.
    #[must_use]
    pub fn read_config(&self, address: Address, offset: u16) -> u16 {
        (self.session.read(address, offset, Width::Word) & 0xffff) as u16
    }

    /// Returns the pages of DMA memory in use.
    #[must_use]
    pub fn dma_pages(&self) -> usize {
        self.session.dma_blocks().iter().map(|(_, pages)| pages).sum()
    }

    /// Checks that no driver has left anything: DMA memory, handlers, an interrupt after its handler was removed, a panic.
    ///
    /// # Panics
    /// When one has.
    pub fn check_nothing_left(&self) {
        self.check_failure();
        assert_eq!(self.session.dma_blocks(), [], "DMA memory that was not freed");
        let handlers = self.machine.interrupt_report();
        assert!(handlers.is_empty(), "handlers that were not removed: {handlers:?}");
        assert_eq!(self.machine.unexpected_interrupts(), 0, "interrupts without a handler");
        assert_eq!(self.machine.storms(), 0, "a line was masked, since no handler claimed its interrupts");
        let spurious = self.session.posted.spurious();
        assert_eq!(spurious, 0, "calls of a line's handlers before their acknowledgement arrived: it is not read back");
        if let Conduct::Replayed(player) = &self.session.conduct {
            player.check_end();
        }
    }

    fn check_failure(&self) {
        if let Some(failure) = self.session.failed() {
            let errors = self.process.as_ref().map(Process::errors).unwrap_or_default();
            panic!("{failure}{}{errors}", if errors.is_empty() { "" } else { "; QEMU: " });
        }
    }
}

impl fmt::Debug for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench").field("builder", &self.builder).finish_non_exhaustive()
    }
}
