//! A bench: a machine of QEMU's devices, and what a test does with it.

#![expect(unsafe_code, reason = "vouches for the parts of a machine that reaches no hardware")]

use core::fmt;
use core::ops::Range;
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::borrow::ToOwned;
use std::boxed::Box;
use std::format;
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::Instant;
use std::vec::Vec;

use switchboard::assign::Apertures;
use switchboard::config::{Address, ConfigAccess, Width};
use switchboard::driver::{Driver, ProbeError, attach, best_match};
use switchboard::function::{Function, FunctionReport, FunctionState, Presence};
use switchboard::machine::{DeviceFence, Machine, MachineParts, RootBuses};
use switchboard::platform::ModePolicy;

use super::builder::BenchBuilder;
use super::connection::Connection;
use super::cpu;
use super::fence;
use super::memory::BenchMemory;
use super::posted::PostedWrites;
use super::process::Process;
use super::ram::{RAM_BYTES, Ram};
use super::recording::{Exchange, Player, Recorder};
use super::session::{Conduct, ECAM, Session, lock};
use super::tasks::{self, Watch};

/// The time for a future of a driver.
const RUN_LIMIT: Duration = Duration::from_secs(10);
/// The time after which a future that is not ready is taken for one that waits for ever, where faults are injected.
const STUCK_LIMIT: Duration = Duration::from_millis(25);
/// The looks of the watch at such a task's device: those of 20 seconds, where nothing is pending.
const LOOKS: u32 = 20;
/// The ports for BARs.
const PORTS: Range<u64> = 0xc000..0x1_0000;
/// The built-in devices of a q35 begin here.
const FIRST_BUILT_IN: u8 = 0x1f;

/// A machine of QEMU's device models, for tests of drivers; see the [module](crate::qemu).
pub struct Bench {
    // Ended in this order: the CPU's thread, then QEMU.
    cpu: Option<JoinHandle<()>>,
    pub(super) session: &'static Session,
    machine: &'static Machine,
    process: Option<Process>,
    pub(super) builder: BenchBuilder,
}

impl Bench {
    /// Returns a builder.
    #[must_use]
    pub fn qemu() -> BenchBuilder {
        BenchBuilder::default()
    }

    pub(super) fn start(builder: BenchBuilder) -> Self {
        let ram: &Ram = Box::leak(Box::new(Ram::new().expect("memory for QEMU's RAM")));
        let started = Process::start(&builder.arguments, ram);
        let (process, connection) = started.unwrap_or_else(|error| panic!("{error}"));
        Self::on(Self::session(ram, &process, connection, &builder), Some(process), builder)
    }

    fn session(
        ram: &'static Ram,
        process: &Process,
        connection: Connection,
        builder: &BenchBuilder,
    ) -> &'static Session {
        let mut session = match &builder.recording {
            None => Session::new(ram, ram, Some(connection), Conduct::Live),
            Some(path) => {
                let view: &Ram = Box::leak(Box::new(Ram::new().expect("memory for a driver")));
                let exchange = Exchange::new(ram, view, process.pid());
                let name = thread::current().name().unwrap_or("a test").to_owned();
                let recorder = Recorder::new(path, builder.policy, &builder.arguments, &name, exchange);
                Session::new(ram, view, Some(connection), Conduct::Recorded(recorder))
            }
        };
        session.posted = PostedWrites::new(builder.has_posted_writes);
        Box::leak(Box::new(session))
    }

    /// Plays a [recording](BenchBuilder::record) in the place of QEMU, which is not needed. The test does what it did when it was
    /// recorded; registers, interrupts and DMA are the recorded ones, and every access is compared. At the first access that
    /// differs it panics, with what was recorded, what was done, and what was before. After that, registers read ones.
    /// [`check_nothing_left`](Self::check_nothing_left) also checks that nothing of the recording is left.
    ///
    /// Reads of configuration space may be left out or repeated, and the clock may be read more or less often. What a test
    /// does with QEMU beside the driver is not part of a recording: the other end of a network, files of a disk.
    ///
    /// # Panics
    /// When the file cannot be read, or is of another version.
    #[must_use]
    pub fn replay(path: impl AsRef<Path>) -> Self {
        let ram: &Ram = Box::leak(Box::new(Ram::new().expect("memory for a driver")));
        let player = Player::new(path.as_ref(), ram);
        let builder = BenchBuilder { policy: player.policy(), ..BenchBuilder::default() };
        let session = Box::leak(Box::new(Session::new(ram, ram, None, Conduct::Replayed(player))));
        Self::on(session, None, builder)
    }

    /// Builds and scans a machine on a session whose devices are in their reset state.
    fn on(session: &'static Session, process: Option<Process>, builder: BenchBuilder) -> Self {
        // ECAM for 256 buses, by a register of the host bridge that is reached by ports.
        session.command(format_args!("outl 0xcf8 0x80000060"));
        session.command(format_args!("outl 0xcfc {:#x}", ECAM | 1));
        let apertures = Apertures {
            io: Vec::from([PORTS]),
            memory: Vec::from([0xc000_0000..0xfe00_0000, 0x10_0000_0000..0x20_0000_0000]),
            taken: Vec::from([0..RAM_BYTES as u64, ECAM..ECAM + (256 << 20), 0xfec0_0000..0x1_0000_0000]),
        };
        let parts = MachineParts {
            config: session,
            root_buses: RootBuses::ShownOnFirst,
            apertures,
            controller: &session.controller,
            memory: Box::leak(Box::new(BenchMemory(session))),
            clock: session,
            vectors: &session.vectors,
            policy: builder.policy,
            fence: match session.conduct {
                Conduct::Live => DeviceFence::Cpu,
                Conduct::Recorded(_) | Conduct::Replayed(_) => DeviceFence::CpuAndCall(fence::pass),
            },
        };
        // SAFETY: no part reaches hardware. The parts belong to this session, whose machine is made here once; the machine
        // of an earlier session on the same QEMU has lost its connection. The vectors are delivered by the CPU's thread of
        // this session only. A device of QEMU reaches no memory of this process but its RAM, of which each block is
        // handed out once.
        let machine: &Machine = Box::leak(Box::new(unsafe { Machine::new(parts) }));
        let name = thread::current().name().unwrap_or("a test").to_owned();
        let cpu = Some(cpu::start(session, name, builder.limit));
        fence::enter(session);
        machine.scan();
        let bench = Self { cpu, session, machine, process, builder };
        *lock(&session.subject) = bench.first_added().map(|report| report.address);
        bench
    }

    /// Resets QEMU's machine and all of its devices, and starts anew on it, with these interrupt modes permitted.
    #[must_use]
    pub(super) fn restart(mut self, policy: ModePolicy) -> Self {
        self.session.faults.set(None);
        // The reset control register: QEMU resets the machine a moment later, and ECAM is off then.
        self.session.command(format_args!("outb 0xcf9 0x6"));
        let start = Instant::now();
        loop {
            self.session.command(format_args!("outl 0xcf8 0x80000060"));
            match self.session.command(format_args!("inl 0xcfc")) {
                Some(value) if value & 1 == 0 => break,
                Some(_) if start.elapsed() < RUN_LIMIT => thread::yield_now(),
                _ => panic!("QEMU's machine does not reset: {:?}", lock(&self.session.failure)),
            }
        }
        self.stop_cpu();
        let connection = self.session.disconnect().expect("a connection");
        let process = self.process.take().expect("a process");
        let mut builder = self.builder.clone();
        builder.policy = policy;
        self.session.flush();
        Self::on(Self::session(self.session.ram, &process, connection, &builder), Some(process), builder)
    }

    fn stop_cpu(&mut self) {
        self.session.is_ended.store(true, Ordering::SeqCst);
        if let Some(cpu) = self.cpu.take() {
            cpu.thread().unpark();
            drop(cpu.join());
        }
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

    fn first_added(&self) -> Option<FunctionReport> {
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

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop_cpu();
        fence::leave(self.session);
        self.session.flush();
        drop(self.session.disconnect());
        // QEMU of a bench that was restarted lives on in the next one.
        if self.process.take().is_some() && self.session.dma_blocks().is_empty() {
            self.session.ram.discard();
        }
    }
}

impl fmt::Debug for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench").field("builder", &self.builder).finish_non_exhaustive()
    }
}
