//! A running guest: its console, its ports and its end.

use core::time::Duration;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use nix::fcntl::FcntlArg::F_SETFD;
use nix::fcntl::{FdFlag, fcntl};

use crate::coverage::Coverage;
use crate::{
    Client, Console, FunctionReport, InterruptsReport, Protocol, ScratchPath, parse_functions, parse_interrupts,
};

/// The host port of each forwarded guest port.
pub(crate) type Ports = BTreeMap<(Protocol, u16), u16>;

/// Limit for each wait on the guest's console or page; TCG on a busy machine is slow.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How a guest ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It reported success by the exit device.
    Success,
    /// It panicked, or reported failure.
    Failure,
    /// Any other exit status of QEMU: 0 is a reset or power-off, 1 an argument that QEMU refused.
    Qemu(i32),
    /// The watchdog ended it at its time limit.
    OutOfTime,
}

/// A QEMU process that runs the image. Dropping it kills the process; a failing test prints its command and console.
#[derive(Debug)]
pub struct Guest {
    child: Arc<Mutex<Child>>,
    console: Console,
    command: String,
    ports: Vec<Ports>,
    _iso: Option<ScratchPath>,
    /// Dropping it stops the watchdog.
    _watched: Sender<()>,
    /// Dropped, and so read, after QEMU has ended.
    _coverage: Option<Coverage>,
}

impl Guest {
    /// Starts the command. `iso` is deleted with the guest, and `coverage` is read.
    pub(crate) fn start(
        arguments: &[String],
        inherited: &[Arc<OwnedFd>],
        ports: Vec<Ports>,
        limit: Duration,
        iso: Option<ScratchPath>,
        coverage: Option<Coverage>,
    ) -> Self {
        let command = arguments.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        let mut child = spawn(arguments, inherited)
            .unwrap_or_else(|error| panic!("{} cannot be started ({error}); see `make doctor`", arguments[0]));
        let console = Console::default();
        console.follow(child.stdout.take().expect("stdout is a pipe"));
        console.follow(child.stderr.take().expect("stderr is a pipe"));

        let child = Arc::new(Mutex::new(child));
        let (watched, watchdog) = channel::<()>();
        let target = Arc::clone(&child);
        thread::spawn(move || {
            if watchdog.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                end(&target);
            }
        });
        Self { child, console, command, ports, _iso: iso, _watched: watched, _coverage: coverage }
    }

    /// Starts an emulator by a command of the caller's, whose output is the console, with the host ports that it forwards
    /// to the guest's. `limit` is that of the watchdog.
    ///
    /// # Panics
    /// Panics when it cannot be started.
    #[must_use]
    pub fn of_command(command: &[String], ports: &[(Protocol, u16, u16)], limit: Duration) -> Self {
        let ports = ports.iter().map(|&(protocol, guest, host)| ((protocol, guest), host)).collect();
        Self::start(command, &[], vec![ports], limit, None, None)
    }

    /// Returns its serial output.
    #[must_use]
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// Waits for the console line that contains `text`, and returns it.
    ///
    /// # Panics
    /// Panics when it does not come in time.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        let Some(line) = self.console.wait_for(text, TIMEOUT) else { panic!("not on the console in time: {text}") };
        line
    }

    /// Returns the host port that is forwarded to `port` of the guest's `nic`th network device.
    ///
    /// # Panics
    /// Panics when it is not forwarded.
    #[must_use]
    #[track_caller]
    pub fn port(&self, nic: usize, protocol: Protocol, port: u16) -> u16 {
        self.ports[nic][&(protocol, port)]
    }

    /// Returns the host port of the page.
    #[must_use]
    #[track_caller]
    pub fn http_port(&self) -> u16 {
        self.port(0, Protocol::Tcp, 80)
    }

    /// Returns a connection to the page, once the page answers.
    #[must_use]
    #[track_caller]
    pub fn client(&self) -> Client {
        self.client_on(0)
    }

    /// Returns a connection through the `nic`th network device, once the page answers there.
    ///
    /// # Panics
    /// Panics when it does not answer in time.
    #[must_use]
    #[track_caller]
    pub fn client_on(&self, nic: usize) -> Client {
        let port = self.port(nic, Protocol::Tcp, 80);
        let start = Instant::now();
        let mut wait = Duration::from_millis(100);
        loop {
            // QEMU accepts connections before the guest listens: only an answer counts, and a connection made too early
            // may never get one.
            let attempt = Client::connect(port, wait).and_then(|mut client| {
                client.get("/hello")?;
                client.set_timeout(TIMEOUT)?;
                Ok(client)
            });
            match attempt {
                Ok(client) => return client,
                Err(error) => assert!(start.elapsed() < TIMEOUT && self.is_running(), "no page: {error}"),
            }
            wait = (wait * 2).min(TIMEOUT);
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Fetches and parses `/functions`.
    ///
    /// # Panics
    /// Panics when the request fails or the fields are not those documented.
    #[must_use]
    #[track_caller]
    pub fn functions(&self) -> Vec<FunctionReport> {
        let body = self.client().get("/functions").expect("the functions").body;
        match parse_functions(&body) {
            Ok(functions) => functions,
            Err(error) => panic!("{error} in {}", String::from_utf8_lossy(&body)),
        }
    }

    /// Fetches and parses `/interrupts`.
    ///
    /// # Panics
    /// Panics when the request fails or the fields are not those documented.
    #[must_use]
    #[track_caller]
    pub fn interrupts(&self) -> InterruptsReport {
        let body = self.client().get("/interrupts").expect("the interrupts").body;
        match parse_interrupts(&body) {
            Ok(interrupts) => interrupts,
            Err(error) => panic!("{error} in {}", String::from_utf8_lossy(&body)),
        }
    }

    /// Sends a command to QEMU's monitor, as `nmi` or `set_link net0 off`; its output is among the console lines.
    ///
    /// # Panics
    /// Panics when QEMU no longer reads its input.
    #[track_caller]
    pub fn monitor(&self, command: &str) {
        // Ctrl-A c switches standard input between the serial port and the monitor.
        let keys = format!("\x01c{command}\n\x01c");
        lock(&self.child)
            .stdin
            .as_mut()
            .expect("stdin is a pipe")
            .write_all(keys.as_bytes())
            .expect("QEMU reads its input");
    }

    /// Returns whether the process still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(lock(&self.child).try_wait(), Ok(None))
    }

    /// Returns the process id of QEMU.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        lock(&self.child).id()
    }

    /// Returns the resident memory of QEMU.
    ///
    /// # Panics
    /// Panics when it has ended.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process_id())).expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        let kib: u64 = line.split_ascii_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number");
        kib * 1024
    }

    /// Waits until the process has ended and its console is complete.
    ///
    /// # Panics
    /// Panics when the state of the process cannot be read.
    #[must_use]
    pub fn exit(&self) -> Exit {
        let status = loop {
            if let Some(status) = lock(&self.child).try_wait().expect("the state of a child") {
                break status;
            }
            thread::sleep(Duration::from_millis(5));
        };
        self.console.drain();
        match status.code() {
            Some(33) => Exit::Success,
            Some(35) => Exit::Failure,
            Some(other) => Exit::Qemu(other),
            None => Exit::OutOfTime,
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let ran = self.is_running();
        end(&self.child);
        if thread::panicking() {
            let state = if ran { "it still ran" } else { "it had ended" };
            self.console.drain();
            eprintln!(
                "--- the guest's command ({state}):\n{}\n--- its console:\n{}---",
                self.command,
                self.console.text()
            );
        }
    }
}

fn lock(child: &Mutex<Child>) -> std::sync::MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a process that inherits these descriptors under their numbers here.
fn spawn(arguments: &[String], inherited: &[Arc<OwnedFd>]) -> io::Result<Child> {
    // A descriptor without close-on-exec is inherited by every process that starts meanwhile.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _only = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let set = |flags| inherited.iter().try_for_each(|descriptor| fcntl(descriptor, F_SETFD(flags)).map(drop));
    set(FdFlag::empty())?;
    let child = Command::new(&arguments[0])
        .args(&arguments[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    set(FdFlag::FD_CLOEXEC)?;
    child
}

/// Kills the process if it runs, and reaps it. An error here means that it has ended already.
fn end(child: &Mutex<Child>) {
    let mut child = lock(child);
    drop(child.kill());
    drop(child.wait());
}

/// Quotes a word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
