//! The builder of a bench.

use core::time::Duration;
use std::borrow::ToOwned;
use std::eprintln;
use std::string::String;
use std::thread;
use std::vec::Vec;

use switchboard::platform::{Mode, ModePolicy};

use super::bench::Bench;
use super::process::{PROGRAM, is_installed};

/// A builder of a [`Bench`].
#[derive(Debug, Clone)]
pub struct BenchBuilder {
    pub(super) arguments: Vec<String>,
    pub(super) policy: ModePolicy,
    pub(super) limit: Duration,
}

impl Default for BenchBuilder {
    fn default() -> Self {
        Self { arguments: Vec::new(), policy: ModePolicy::all(), limit: Duration::from_secs(30) }
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

    /// Starts QEMU and scans its machine. Returns `None` where QEMU is not installed, and prints the name of the test that
    /// is skipped for that.
    ///
    /// # Panics
    /// When QEMU does not start.
    #[must_use]
    pub fn start(self) -> Option<Bench> {
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
        let Some(mut bench) = self.start() else { return };
        let offers = bench.function_under_test().offers;
        let modes = [(Mode::Intx, ModePolicy::INTX), (Mode::Msi, ModePolicy::MSI), (Mode::Msix, ModePolicy::MSIX)];
        let mut count = 0;
        for (_, policy) in modes.into_iter().filter(|(mode, _)| offers.has(*mode)) {
            bench = bench.restart(policy);
            test(&bench);
            bench.check_nothing_left();
            count += 1;
        }
        assert!(count > 0, "the device offers no interrupt mode");
    }
}
