//! The start of a bench, on QEMU or on a recording, and its end.

#![expect(unsafe_code, reason = "vouches for the parts of a machine that reaches no hardware")]

use core::ops::Range;
use core::sync::atomic::Ordering;
use std::borrow::ToOwned;
use std::boxed::Box;
use std::path::Path;
use std::thread;
use std::time::Instant;
use std::vec::Vec;

use switchboard::assign::Apertures;
use switchboard::machine::{DeviceFence, Machine, MachineParts, RootBuses};
use switchboard::platform::ModePolicy;

use super::bench::{Bench, RUN_LIMIT};
use super::builder::BenchBuilder;
use super::connection::Connection;
use super::memory::BenchMemory;
use super::posted::PostedWrites;
use super::process::Process;
use super::ram::{RAM_BYTES, Ram};
use super::recording::{Exchange, Player, Recorder};
use super::session::{Conduct, ECAM, Session, lock};
use super::{cpu, fence};

/// The ports for BARs.
const PORTS: Range<u64> = 0xc000..0x1_0000;

impl Bench {
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
            vectors: Vec::from([&session.vectors]),
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
                _ => {
                    let errors = self.process.as_ref().map(Process::errors).unwrap_or_default();
                    panic!("QEMU's machine does not reset: {:?}; {errors}", lock(&self.session.failure))
                }
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
