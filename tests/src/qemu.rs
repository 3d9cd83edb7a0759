//! Builds a QEMU command line and starts it.

use core::time::Duration;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::built::{built_disk, built_image, qemu_program};
use crate::guest::{Guest, Ports};
use crate::lan::{Link, Mac, Namespace};
use crate::loader::{Boot, UefiFirmware};
use crate::machine::Machine;
use crate::ports::{Protocol, free_port};
use crate::proxy::GuestMemory;

/// Model of a network device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nic {
    /// `virtio-net-pci`: INTx and MSI-X.
    Virtio,
    /// `e1000`: INTx only.
    E1000,
    /// `e1000e`: INTx, MSI and MSI-X.
    E1000e,
    /// `vmxnet3`: INTx, MSI and MSI-X.
    Vmxnet3,
    /// `rtl8139`: INTx only.
    Rtl8139,
}

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

/// A network device of QEMU: its name with options, and its network; `None` for a user-mode network of its own.
#[derive(Debug, Clone)]
struct NicDevice {
    device: String,
    netdev: Option<String>,
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

    /// Adds a bridge by QEMU's name and options, ahead of all other devices, so that any can be behind it.
    #[must_use]
    pub fn bridge(mut self, device: &str) -> Self {
        self.bridges.push(device.to_owned());
        self
    }

    /// Adds a network device without options.
    #[must_use]
    pub fn nic(self, nic: Nic) -> Self {
        self.nic_device(match nic {
            Nic::Virtio => "virtio-net-pci",
            Nic::E1000 => "e1000",
            Nic::E1000e => "e1000e",
            Nic::Vmxnet3 => "vmxnet3",
            Nic::Rtl8139 => "rtl8139",
        })
    }

    /// Adds a network device by QEMU's name and options, as `virtio-net-pci,vectors=0`.
    #[must_use]
    pub fn nic_device(mut self, device: &str) -> Self {
        self.nics.push(NicDevice { device: device.to_owned(), netdev: None });
        self
    }

    /// Adds a network device by QEMU's name and options, with this Ethernet address, whose every frame is the test's.
    #[must_use]
    pub fn nic_on(self, link: &Link, device: &str, mac: Mac) -> Self {
        let (number, this) = self.inherit(link.guest_end());
        this.nic_with(&format!("dgram,local.type=fd,local.str={number}"), device, mac)
    }

    /// Adds a network device by QEMU's name and options, with this Ethernet address, on a network by the options of
    /// `-netdev` without its `id`.
    #[must_use]
    pub fn nic_with(mut self, netdev: &str, device: &str, mac: Mac) -> Self {
        let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
        self.nics.push(NicDevice { device: format!("{device},mac={mac}"), netdev: Some(netdev.to_owned()) });
        self
    }

    /// Adds the disk that the build made, read-only: a tar of the files to serve.
    #[must_use]
    pub fn files(self) -> Self {
        self.files_on("virtio-blk-pci")
    }

    /// Adds the same disk on a device of that name and options.
    #[must_use]
    pub fn files_on(self, device: &str) -> Self {
        self.drive(&format!("format=raw,readonly=on,file={}", built_disk().display()), device)
    }

    /// Adds a virtio disk with the content of a raw file.
    #[must_use]
    pub fn disk(self, path: &Path) -> Self {
        self.drive(&format!("format=raw,file={}", path.display()), "virtio-blk-pci")
    }

    /// Adds a disk by the options of QEMU's `-drive` and `-device`.
    #[must_use]
    pub fn drive(mut self, drive: &str, device: &str) -> Self {
        let id = self.disks;
        self.disks += 1;
        self.argument("-drive", &format!("if=none,id=disk{id},{drive}")).device(&format!("{device},drive=disk{id}"))
    }

    /// Adds a device by QEMU's name and options, as `edu`.
    #[must_use]
    pub fn device(self, device: &str) -> Self {
        self.argument("-device", device)
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

    /// Forwards a port of the guest on every network device; TCP 80 is always forwarded.
    #[must_use]
    pub fn forward(mut self, protocol: Protocol, port: u16) -> Self {
        self.forwards.push((protocol, port));
        self
    }

    /// Starts QEMU in a network namespace, with a network device on its device `tap`, which must exist.
    #[must_use]
    pub fn nic_on_tap(mut self, namespace: &Namespace, tap: &str, device: &str, mac: Mac) -> Self {
        self.namespace = Some(namespace.name().to_owned());
        self.nic_with(&format!("tap,ifname={tap},script=no,downscript=no"), device, mac)
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

    /// Starts the guest.
    ///
    /// # Panics
    /// Panics when the image has not been built, the ISO cannot be made, or QEMU cannot be started.
    #[must_use]
    pub fn start(&self) -> Guest {
        let image = self.image.clone().unwrap_or_else(built_image);
        let loaded = self.boot.load(&image, &self.command_line.join(" "), self.uefi.as_ref());
        let (mut arguments, ports) = self.arguments(&loaded.arguments);
        if let Some(namespace) = &self.namespace {
            arguments.splice(..0, ["ip", "netns", "exec", namespace].map(str::to_owned));
        }
        Guest::start(&arguments, &self.inherited, ports, self.limit, loaded.iso)
    }

    /// Returns the command, the program first, with the ports that it forwards, which are unused now.
    fn arguments(&self, loader: &[String]) -> (Vec<String>, Vec<Ports>) {
        let program = self.program.clone().unwrap_or_else(qemu_program);
        let mut arguments: Vec<String> = [program.as_str(), "-accel", "tcg", "-nodefaults", "-no-user-config"]
            .into_iter()
            .chain(["-display", "none", "-no-reboot"])
            .chain(["-chardev", "stdio,id=console,mux=on,signal=off"])
            .chain(if self.has_debug_console {
                ["-device", "isa-debugcon,iobase=0xe9,chardev=console", "-mon", "chardev=console"]
            } else {
                ["-serial", "chardev:console", "-mon", "chardev=console"]
            })
            .chain(self.machine.arguments().iter().copied())
            .chain(["-cpu", &self.cpu, "-m", &self.memory])
            .chain(loader.iter().map(String::as_str))
            .map(str::to_owned)
            .collect();
        if self.has_exit {
            arguments.extend(["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"].map(str::to_owned));
        }
        arguments.extend(self.bridges.iter().flat_map(|device| ["-device".to_owned(), device.clone()]));
        let mut ports = Vec::new();
        for (index, NicDevice { device, netdev }) in self.nics.iter().enumerate() {
            if let Some(netdev) = netdev {
                let (kind, options) = netdev.split_once(',').unwrap_or((netdev, ""));
                let separator = if options.is_empty() { "" } else { "," };
                arguments.extend(["-netdev".to_owned(), format!("{kind},id=net{index}{separator}{options}")]);
                arguments.extend(["-device".to_owned(), format!("{device},netdev=net{index},romfile=")]);
                ports.push(Ports::new());
                continue;
            }
            let forwarded: Ports =
                self.forwards.iter().map(|&(protocol, port)| ((protocol, port), free_port(protocol))).collect();
            // Each device has a network of its own, with its own addresses.
            let mut netdev = format!("user,id=net{index},net=10.0.{}.0/24", index + 2);
            for (&(protocol, guest), host) in &forwarded {
                let protocol = if protocol == Protocol::Tcp { "tcp" } else { "udp" };
                netdev += &format!(",hostfwd={protocol}:127.0.0.1:{host}-:{guest}");
            }
            arguments.extend(["-netdev".to_owned(), netdev]);
            arguments.extend(["-device".to_owned(), format!("{device},netdev=net{index},romfile=")]);
            ports.push(forwarded);
        }
        arguments.extend_from_slice(&self.arguments);
        (arguments, ports)
    }
}
