//! The shell on a virtio console: its words, the log beside it, and the message of a panic.

use core::time::Duration;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

use switchboard_tests::{Exit, Machine, Nic, Qemu, ScratchPath};

/// The host's end of a console.
struct Terminal {
    socket: ScratchPath,
    listener: UnixListener,
}

struct Session {
    stream: UnixStream,
    shown: Vec<u8>,
}

impl Terminal {
    fn new() -> Self {
        let socket = ScratchPath::new("console");
        let listener = UnixListener::bind(socket.path()).expect("a socket");
        Self { socket, listener }
    }

    fn attach(&self, qemu: Qemu, device: &str) -> Qemu {
        qemu.argument("-chardev", &format!("socket,id=terminal,path={}", self.socket.path().display())).device(device)
    }

    fn connected(&self) -> Session {
        let stream = self.listener.accept().expect("QEMU").0;
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        Session { stream, shown: Vec::new() }
    }
}

impl Session {
    /// Waits for text, and returns all that was shown since the last call.
    fn wait_for(&mut self, text: &str) -> String {
        let mut bytes = [0; 4096];
        loop {
            let shown = String::from_utf8_lossy(&self.shown).into_owned();
            if shown.contains(text) {
                self.shown.clear();
                return shown;
            }
            match self.stream.read(&mut bytes) {
                Ok(count @ 1..) => self.shown.extend_from_slice(&bytes[..count]),
                end => panic!("not on the console in time ({end:?}): {text}\n{shown}"),
            }
        }
    }

    fn type_line(&mut self, line: &str) {
        self.stream.write_all(format!("{line}\r").as_bytes()).expect("QEMU reads");
    }
}

#[test]
fn the_shell_serves_a_console_device_until_the_machine_is_turned_off() {
    let terminal = Terminal::new();
    let qemu = Qemu::new(Machine::Q35).nic(Nic::Virtio).device("virtio-serial-pci");
    let guest = terminal.attach(qemu, "virtconsole,chardev=terminal").option("console=virtio").start();
    let mut session = terminal.connected();
    // What was printed before there was a console is there, too.
    session.wait_for("INFO  boot: by PVH\r\n");
    guest.wait_for("address 10.0.2.15/24 by dhcp");
    session.wait_for("address 10.0.2.15/24 by dhcp\r\n");
    for (line, wanted) in [
        ("help", "\r\ninterrupts  every handler"),
        ("functions", "virtio-console  INTA, MSI-X"),
        ("interrupts", "virtio-console  "),
        ("tasks", " tasks\r\n"),
        ("memory", "KiB in use"),
        ("net", "address 10.0.2.15/24"),
        ("log 3", "address 10.0.2.15/24 by dhcp\r\n"),
        ("memroy", "is it `memory`?"),
        ("exit", "`help` lists the words"),
    ] {
        session.type_line(line);
        session.wait_for(wanted);
    }
    session.type_line("poweroff");
    // The exit device may be faster than ACPI.
    assert!(matches!(guest.exit(), Exit::Qemu(0) | Exit::Success));
}

#[test]
fn a_panic_is_on_the_console_device() {
    let terminal = Terminal::new();
    let qemu = Qemu::new(Machine::Pc).nic(Nic::Virtio).device("virtio-serial-pci,max_ports=1");
    let guest = terminal.attach(qemu, "virtconsole,chardev=terminal").start();
    let mut session = terminal.connected();
    session.wait_for("lists the words");
    guest.monitor("nmi");
    let message = session.wait_for("non-maskable interrupt at");
    assert!(message.contains("panicked at"), "{message}");
    assert_eq!(guest.exit(), Exit::Failure);
}
