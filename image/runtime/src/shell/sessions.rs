//! The shells of an image: one on each console port, on the serial port, and what is printed on a console device.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::rc::{Rc, Weak};
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::convert::Infallible;
use core::fmt;

use embassy_time::{Duration, Timer};
use embedded_io_async::{ErrorType, Read, Write};
use switchboard::config::Address;
use switchboard_drivers::interfaces::console::{ConsoleError, PortInfo};

use super::Shell;
use crate::command_line::LogConsole;
use crate::consoles::{Console, ConsolePort};
use crate::devices::DeviceClass;
use crate::system::{LocalBoxFuture, Subsystem, System};
use crate::tasks::{TaskGroup, Tasks};
use crate::{hal, log_ring};

/// The names of ports that have a shell although they are no consoles: this, or what ends so after a dot.
const SHELL_NAME: &str = "shell";
/// The interval at which the serial port is read.
const SERIAL_POLL: Duration = Duration::from_millis(20);

/// The subsystem that serves a [`Shell`] on console devices: on each port that is a console, or is named `shell` or
/// `ANYTHING.shell`. With `shell=serial` on the command line, on the serial port, too. With `console=virtio`, what is printed
/// goes to the first port of the first console device as well.
///
/// ```no_run
/// use std::rc::Rc;
/// use switchboard_runtime::shell::{ConsoleShells, Shell};
/// use switchboard_runtime::system::System;
///
/// async fn start_shells(system: &mut System) {
///     let shell = Rc::new(Shell::new(system.machine, Some(system.tasks)));
///     system.add_subsystem(Rc::new(ConsoleShells::new(system, shell))).await;
/// }
/// ```
pub struct ConsoleShells {
    tasks: Tasks,
    shell: Rc<Shell>,
    log_console: LogConsole,
    consoles: RefCell<Vec<Attached>>,
}

struct Attached {
    function: Address,
    console: Console,
    group: Rc<TaskGroup>,
}

impl ConsoleShells {
    /// Makes the subsystem, and starts the shell of the serial port if the command line has it.
    #[must_use]
    pub fn new(system: &System, shell: Rc<Shell>) -> Self {
        let (tasks, log_console) = (system.tasks, system.options.log_console);
        if system.options.has_serial_shell {
            let shell = shell.clone();
            tasks.spawn(async move {
                loop {
                    let Ok(()) = shell.serve(&mut SerialPort).await;
                }
            });
        }
        Self { tasks, shell, log_console, consoles: RefCell::default() }
    }
}

impl ConsoleShells {
    fn remove(&self, function: Address) -> Option<Attached> {
        let mut consoles = self.consoles.borrow_mut();
        let place = consoles.iter().position(|attached| attached.function == function)?;
        Some(consoles.remove(place))
    }
}

impl Subsystem for ConsoleShells {
    fn attached<'a>(&'a self, system: &'a mut System) -> LocalBoxFuture<'a, ()> {
        for found in system.devices.take_all::<Console>() {
            let (console, group) = (found.device, Rc::new(TaskGroup::new(self.tasks)));
            if self.consoles.borrow().is_empty() && self.log_console == LogConsole::Device {
                group.add(print_on(console.clone()));
            }
            group.add(follow(found.function, console.clone(), self.shell.clone(), Rc::downgrade(&group)));
            self.consoles.borrow_mut().push(Attached { function: found.function, console, group });
        }
        Box::pin(core::future::ready(()))
    }

    fn detach(&self, function: Address) -> LocalBoxFuture<'_, bool> {
        Box::pin(async move {
            let Some(Attached { console, group, .. }) = self.remove(function) else { return false };
            group.end();
            group.ended().await;
            console.close().await;
            true
        })
    }
}

/// Starts a session for each port that has a shell, whenever there is one, until the console is removed.
async fn follow(function: Address, console: Console, shell: Rc<Shell>, group: Weak<TaskGroup>) {
    let served: Rc<RefCell<BTreeSet<u32>>> = Rc::default();
    loop {
        for port in console.ports().iter().filter(|port| has_shell(port)) {
            if let Some(group) = group.upgrade()
                && served.borrow_mut().insert(port.id)
            {
                let (shell, served, id) = (shell.clone(), served.clone(), port.id);
                let stream = console.open(id);
                group.add(async move {
                    serve_port(&shell, stream).await;
                    served.borrow_mut().remove(&id);
                });
            }
        }
        if let Err(error) = console.change().await {
            log::info!("{function}: {error}");
            return;
        }
    }
}

fn has_shell(port: &PortInfo) -> bool {
    port.is_console || port.name.rsplit('.').next() == Some(SHELL_NAME)
}

/// Serves one session after the other, until the port is removed.
async fn serve_port(shell: &Shell, mut port: ConsolePort) {
    while port.opened().await.is_ok() {
        match shell.serve(&mut port).await {
            Ok(()) | Err(ConsoleError::Closed { .. }) => {}
            Err(_) => return,
        }
    }
}

/// Writes on the first port of a console what was printed since the start, and what is printed from now on.
async fn print_on(console: Console) {
    let (mut port, mut cursor, mut bytes) = (console.open(0), log_ring::Cursor::default(), [0; 256]);
    loop {
        let count = log_ring::read_next(&mut cursor, &mut bytes).await;
        for line in bytes[..count].split_inclusive(|byte| *byte == b'\n') {
            let (text, end) = match line {
                [text @ .., b'\n'] => (text, b"\r\n".as_slice()),
                text => (text, b"".as_slice()),
            };
            for part in [text, end] {
                // While the host has its end closed, lines are dropped.
                match port.write_all(part).await {
                    Ok(()) | Err(ConsoleError::Closed { .. }) => {}
                    Err(_) => return,
                }
            }
        }
    }
}

/// Prints text that has the line ends of a terminal on the console, which makes them by itself.
pub(super) fn print_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(hal) = hal::get() {
        text.split("\r\n").enumerate().for_each(|(index, line)| {
            let end = if index == 0 { "" } else { "\n" };
            hal.print(format_args!("{end}{line}"));
        });
    }
}

/// The serial port: printing never waits, and reading polls.
struct SerialPort;

impl ErrorType for SerialPort {
    type Error = Infallible;
}

impl Read for SerialPort {
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        loop {
            match hal::get().map_or(0, |hal| hal.read_console(bytes)) {
                0 => Timer::after(SERIAL_POLL).await,
                count => return Ok(count),
            }
        }
    }
}

impl Write for SerialPort {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        print_text(bytes);
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl fmt::Debug for ConsoleShells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleShells").field("shell", &self.shell).finish_non_exhaustive()
    }
}
