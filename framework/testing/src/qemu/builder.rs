//! The builder of a bench.

use core::time::Duration;
use std::borrow::ToOwned;
use std::env;
use std::eprintln;
use std::format;
use std::path::PathBuf;
use std::string::String;
use std::thread;
use std::vec::Vec;

use switchboard::platform::{Mode, ModePolicy};

use super::bench::Bench;
use super::process::{PROGRAM, is_installed};

/// The environment variable with the folder for recordings of tests that do not name a file.
const RECORD_VARIABLE: &str = "SWITCHBOARD_RECORD";

/// A builder of a [`Bench`].
#[derive(Debug, Clone)]
pub struct BenchBuilder {
    pub(super) arguments: Vec<String>,
    pub(super) policy: ModePolicy,
    pub(super) limit: Duration,
    pub(super) recording: Option<PathBuf>,
    pub(super) has_posted_writes: bool,
}

impl Default for BenchBuilder {
    fn default() -> Self {
        Self {
            arguments: Vec::new(),
            policy: ModePolicy::all(),
            limit: Duration::from_secs(30),
            recording: None,
            has_posted_writes: false,
        }
    }
}

impl BenchBuilder {
    /// Adds a device, in the words of QEMU's `-device`: `"edu"`, `"virtio-net-pci,netdev=net0"`.
    #[must_use]
    pub fn device(self, words: &str) -> Self {
        self.arguments(&["-device", words])
    }

    /// Adds arguments of QEMU: a `-netdev`, a `-drive`.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// Permits the interrupt modes of `policy` only.
    #[must_use]
    pub fn policy(self, policy: ModePolicy) -> Self {
        Self { policy, ..self }
    }

    /// Sets the time after which the bench is cut off; 30 seconds if it is not set.
    #[must_use]
    pub fn time_limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Posts writes to registers, as PCI does: one arrives at the device before a read of the same function does, an access to its
    /// configuration space, the next interrupt or reading of the clock, and in any case within milliseconds. QEMU's own models see each
    /// write at once, which hides a missing read-back: after that of a mask, interrupts still arrive; after that of
    /// an acknowledgement, the line is still asserted when its handlers have returned, and they are called once more for nothing.
    ///
    /// ```
    /// use switchboard::interrupt::ModePolicy;
    /// use switchboard_testing::qemu::Bench;
    ///
    /// if let Some(bench) = Bench::qemu().device("edu").policy(ModePolicy::INTX).posted_writes().start() {
    /// #   use switchboard::mmio::{Bar, Reg, RegisterBlock};
    /// #   struct Edu;
    /// #   impl RegisterBlock for Edu {
    /// #       const SIZE: u64 = 0x100;
    /// #   }
    /// #   const LIVENESS: Reg<Edu, u32> = Reg::at(0x04);
    /// #   let resources = bench.take_id(0x1234, 0x11e8).claim().expect("an endpoint");
    /// #   let registers: Bar<Edu> = resources.bar0.map().expect("a BAR");
    ///     registers.write(&LIVENESS, 7);
    ///     // The read arrives after the write.
    ///     assert_eq!(registers.read(&LIVENESS), !7);
    /// }
    /// ```
    #[must_use]
    pub fn posted_writes(self) -> Self {
        Self { has_posted_writes: true, ..self }
    }

    /// Records what happens on the machine in a file, which [`Bench::replay`] plays without QEMU: accesses to configuration
    /// space, registers and ports, interrupts, and what driver and device write to DMA memory. The file is text; the source of
    /// `qemu::recording` describes it. A file of that name is replaced.
    ///
    /// For runs in several modes the name of the mode comes before the file's extension (`edu.msi.recording`). With
    /// [`inject`](Self::inject), each run replaces the file of the one before: that of a run that fails remains.
    ///
    /// The environment variable `SWITCHBOARD_RECORD` records each bench of a test that does not do it by itself, in the folder
    /// that it names, under the test's name.
    ///
    /// ```
    /// use switchboard::platform::ModePolicy;
    /// use switchboard_testing::qemu::Bench;
    ///
    /// // What is recorded and replayed: reads the identification of QEMU's edu device.
    /// fn identify(bench: &Bench) {
    /// #   use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock};
    /// #   struct Edu;
    /// #   impl RegisterBlock for Edu {
    /// #       const SIZE: u64 = 0x100;
    /// #   }
    /// #   const IDENTIFICATION: Reg<Edu, u32, ReadOnly> = Reg::at(0x00);
    ///     let resources = bench.take_id(0x1234, 0x11e8).claim().expect("an endpoint");
    ///     let registers: Bar<Edu> = resources.bar0.map().expect("a BAR");
    ///     assert_eq!(registers.read(&IDENTIFICATION) & 0xff, 0xed);
    /// }
    ///
    /// let path = std::env::temp_dir().join(format!("edu-{}.recording", std::process::id()));
    /// if let Some(bench) = Bench::qemu().device("edu").policy(ModePolicy::MSI).record(&path).start() {
    ///     identify(&bench);
    ///     drop(bench);
    ///     // Here, or at any time on any machine that has the file:
    ///     let bench = Bench::replay(&path);
    ///     identify(&bench);
    ///     bench.check_nothing_left();
    /// #   std::fs::remove_file(&path).expect("a file");
    /// }
    /// ```
    #[must_use]
    pub fn record(self, path: impl Into<PathBuf>) -> Self {
        Self { recording: Some(path.into()), ..self }
    }

    /// Adds a mode to the name of a recording.
    pub(super) fn recording_in_mode(&self, mode: Mode) -> Option<PathBuf> {
        let path = self.recording.as_deref()?;
        let mode = match mode {
            Mode::Intx => "intx",
            Mode::Msi => "msi",
            Mode::Msix => "msix",
        };
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        Some(path.with_extension(format!("{mode}.{extension}")))
    }

    /// Records the test if `SWITCHBOARD_RECORD` is set.
    pub(super) fn record_if_asked(mut self) -> Self {
        if self.recording.is_none()
            && let Some(folder) = env::var_os(RECORD_VARIABLE)
        {
            let test = thread::current().name().unwrap_or("a test").replace("::", "-");
            self.recording = Some(PathBuf::from(folder).join(format!("{test}.recording")));
        }
        self
    }

    /// Starts QEMU and scans its machine. Returns `None` where QEMU is not installed, and prints the name of the test that
    /// is skipped for that.
    ///
    /// # Panics
    /// When QEMU does not start.
    #[must_use]
    pub fn start(self) -> Option<Bench> {
        self.record_if_asked().launch()
    }

    /// Does the same, and records only what this value asks for.
    pub(super) fn launch(self) -> Option<Bench> {
        if !is_installed() {
            let name = thread::current().name().unwrap_or("a test").to_owned();
            eprintln!("skipped: {name}: {PROGRAM} is not installed");
            return None;
        }
        Some(Bench::start(self))
    }

    /// Calls `test` with a bench for each interrupt mode that the first of the added devices offers, each with a fresh
    /// machine that permits this mode only, and checks that nothing is left behind.
    ///
    /// # Panics
    /// When QEMU does not start, the device offers no mode, or `test` leaves DMA memory or handlers.
    pub fn in_each_mode(self, test: impl Fn(&Bench)) {
        let this = self.record_if_asked();
        let Some(mut bench) = (Self { recording: None, ..this.clone() }).launch() else { return };
        let offers = bench.function_under_test().offers;
        let modes = [(Mode::Intx, ModePolicy::INTX), (Mode::Msi, ModePolicy::MSI), (Mode::Msix, ModePolicy::MSIX)];
        let mut count = 0;
        for (mode, policy) in modes.into_iter().filter(|(mode, _)| offers.has(*mode)) {
            bench.builder.recording = this.recording_in_mode(mode);
            bench = bench.restart(policy);
            test(&bench);
            bench.check_nothing_left();
            count += 1;
        }
        assert!(count > 0, "the device offers no interrupt mode");
    }
}
