//! The command line of a guest, and its start.

use std::path::{Path, PathBuf};

use super::Qemu;
use super::devices::NicDevice;
use crate::built::{built_image, qemu_program};
use crate::coverage::{self, Coverage};
use crate::guest::{Guest, Ports};
use crate::ports::{Protocol, free_port};
use crate::proxy::GuestMemory;

impl Qemu {
    /// Starts the guest.
    ///
    /// # Panics
    /// Panics when the image has not been built, the ISO cannot be made, or QEMU cannot be started.
    #[must_use]
    pub fn start(&self) -> Guest {
        let image = self.image.clone().unwrap_or_else(built_image);
        // The counters are those of the image that was built for all tests.
        let readable =
            if self.image.is_none() { coverage::folder().and_then(|folder| self.readable(folder)) } else { None };
        match readable {
            Some((qemu, coverage)) => qemu.start_image(&image, Some(coverage)),
            None => self.start_image(&image, None),
        }
    }

    /// Returns the same guest with memory that can be read when it has ended, or `None` where its test gives it other memory.
    fn readable(&self, folder: PathBuf) -> Option<(Self, Coverage)> {
        let (qemu, memory) = if let Some(memory) = &self.shared_memory {
            (self.clone(), memory.clone())
        } else {
            let mebibytes = self.memory.strip_suffix('M').and_then(|count| count.parse().ok())?;
            if self.arguments.iter().any(|argument| argument.contains("memory-backend")) {
                return None;
            }
            let memory = GuestMemory::mebibytes(mebibytes);
            (self.clone().shared_memory(&memory), memory)
        };
        Some((qemu, Coverage::new(folder, memory)))
    }

    fn start_image(&self, image: &Path, coverage: Option<Coverage>) -> Guest {
        let loaded = self.boot.load(image, &self.command_line.join(" "), self.uefi.as_ref());
        let (mut arguments, ports) = self.arguments(&loaded.arguments);
        if let Some(namespace) = &self.namespace {
            arguments.splice(..0, ["ip", "netns", "exec", namespace].map(str::to_owned));
        }
        Guest::start(&arguments, &self.inherited, ports, self.limit, loaded.iso, coverage)
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
        let ports = self.network(&mut arguments);
        arguments.extend_from_slice(&self.arguments);
        (arguments, ports)
    }

    /// Adds the network devices. Returns the ports that each forwards.
    fn network(&self, arguments: &mut Vec<String>) -> Vec<Ports> {
        let mut all = Vec::new();
        for (index, NicDevice { device, netdev }) in self.nics.iter().enumerate() {
            let mut ports = Ports::new();
            let netdev = if let Some(netdev) = netdev {
                let (kind, options) = netdev.split_once(',').unwrap_or((netdev, ""));
                let separator = if options.is_empty() { "" } else { "," };
                format!("{kind},id=net{index}{separator}{options}")
            } else {
                ports.extend(self.forwards.iter().map(|&(protocol, port)| ((protocol, port), free_port(protocol))));
                // Each device has a network of its own, with its own addresses.
                let mut netdev = format!("user,id=net{index},net=10.0.{}.0/24", index + 2);
                for (&(protocol, guest), host) in &ports {
                    let protocol = if protocol == Protocol::Tcp { "tcp" } else { "udp" };
                    netdev += &format!(",hostfwd={protocol}:127.0.0.1:{host}-:{guest}");
                }
                netdev
            };
            arguments.extend(["-netdev".to_owned(), netdev]);
            arguments.extend(["-device".to_owned(), format!("{device},netdev=net{index},romfile=")]);
            all.push(ports);
        }
        all
    }
}
