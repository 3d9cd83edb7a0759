//! Builds a QEMU command line and starts it.

mod command;
mod devices;

use core::time::Duration;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::loader::{Boot, UefiFirmware};
use crate::machine::Machine;
use crate::ports::Protocol;
use crate::proxy::GuestMemory;

pub use devices::Nic;
use devices::NicDevice;

/// Interrupt mode that the kernel command line requests (`irq=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Irq {
    /// The best mode that each function supports.
    Auto,
    /// MSI-X only.
    Msix,
    /// MSI only.
    Msi,
    /// The line (INTx) only.
    Intx,
}

/// The configuration of a guest.
#[derive(Debug, Clone)]
pub struct Qemu {
    machine: Machine,
    program: Option<String>,
    image: Option<PathBuf>,
    boot: Boot,
    uefi: Option<UefiFirmware>,
    cpu: String,
    memory: String,
    shared_memory: Option<GuestMemory>,
    bridges: Vec<String>,
    arguments: Vec<String>,
    command_line: Vec<String>,
    nics: Vec<NicDevice>,
    forwards: Vec<(Protocol, u16)>,
    limit: Duration,
    disks: usize,
    has_exit: bool,
    has_debug_console: bool,
    namespace: Option<String>,
    /// File descriptors that QEMU inherits.
    inherited: Vec<Arc<OwnedFd>>,
}

impl Qemu {
    /// Creates a guest with 128 MiB, one CPU, and no device beyond those of the machine.
    #[must_use]
    pub fn new(machine: Machine) -> Self {
        Self {
            machine,
            program: None,
            image: None,
            boot: Boot::Pvh,
            uefi: None,
            cpu: "max".to_owned(),
            memory: "128M".to_owned(),
            shared_memory: None,
            bridges: Vec::new(),
            arguments: Vec::new(),
            command_line: Vec::new(),
            nics: Vec::new(),
            forwards: vec![(Protocol::Tcp, 80)],
            limit: Duration::from_secs(60),
            disks: 0,
            has_exit: true,
            has_debug_console: false,
            namespace: None,
            inherited: Vec::new(),
        }
    }

    /// Starts this QEMU instead of the one of the tests.
    #[must_use]
    pub fn program(mut self, path: &Path) -> Self {
        self.program = Some(path.display().to_string());
        self
    }

    /// Boots this image instead of the one that was built for the tests.
    #[must_use]
    pub fn image(mut self, image: &Path) -> Self {
        self.image = Some(image.to_owned());
        self
    }

    /// Adds an option of QEMU with its value.
    #[must_use]
    pub fn argument(mut self, option: &str, value: &str) -> Self {
        self.arguments.extend([option.to_owned(), value.to_owned()]);
        self
    }

    /// Adds an option of QEMU without a value.
    #[must_use]
    pub fn flag(mut self, option: &str) -> Self {
        self.arguments.push(option.to_owned());
        self
    }

    /// Requests an interrupt mode; for [`Irq::Auto`] the command line stays without the option.
    #[must_use]
    pub fn irq(self, irq: Irq) -> Self {
        match irq {
            Irq::Auto => self,
            Irq::Msix => self.option("irq=msix"),
            Irq::Msi => self.option("irq=msi"),
            Irq::Intx => self.option("irq=intx"),
        }
    }

    /// Adds words to the kernel command line.
    #[must_use]
    pub fn option(mut self, words: &str) -> Self {
        self.command_line.push(words.to_owned());
        self
    }

    /// Sets the boot loader; the default is QEMU itself.
    #[must_use]
    pub fn boot(mut self, boot: Boot) -> Self {
        self.boot = boot;
        self
    }

    /// Sets the UEFI firmware; the default is the one that is installed.
    #[must_use]
    pub fn uefi(mut self, firmware: UefiFirmware) -> Self {
        self.uefi = Some(firmware);
        self
    }

    /// Sets the CPU model, as QEMU's `-cpu` takes it.
    #[must_use]
    pub fn cpu(mut self, cpu: &str) -> Self {
        cpu.clone_into(&mut self.cpu);
        self
    }

    /// Sets the memory, as QEMU's `-m` takes it.
    #[must_use]
    pub fn memory(mut self, memory: &str) -> Self {
        memory.clone_into(&mut self.memory);
        self
    }

    /// Backs the guest's RAM by memory that the host can access.
    #[must_use]
    pub fn shared_memory(self, memory: &GuestMemory) -> Self {
        let (number, mut this) = self.inherit(memory.descriptor());
        this.memory = memory.size();
        this.shared_memory = Some(memory.clone());
        let size = &this.memory;
        let object = format!("memory-backend-file,id=memory,size={size},mem-path=/proc/self/fd/{number},share=on");
        this.argument("-object", &object).argument("-machine", "memory-backend=memory")
    }

    /// Passes a file descriptor to QEMU; returns its number there.
    #[must_use]
    pub fn inherit(mut self, descriptor: OwnedFd) -> (RawFd, Self) {
        let number = descriptor.as_raw_fd();
        self.inherited.push(Arc::new(descriptor));
        (number, self)
    }

    /// Sets the time limit of the guest: the watchdog then ends it, and the test fails.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Writes the console to the debug console at port 0xe9, as the only one.
    #[must_use]
    pub fn debug_console(mut self) -> Self {
        self.has_debug_console = true;
        self
    }

    /// Omits the exit device, so that a guest which ends halts instead and can be inspected.
    #[must_use]
    pub fn without_exit(mut self) -> Self {
        self.has_exit = false;
        self
    }
}
