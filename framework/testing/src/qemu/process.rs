//! The process of QEMU: its start, and its end whatever happens to the test.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::env;
use std::format;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::net::UnixListener;
use std::process::{self, Child, ChildStdin, Command, Stdio};
use std::string::{String, ToString};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;
use std::vec;
use std::vec::Vec;

use super::connection::Connection;
use super::monitor::Monitor;
use super::ram::{RAM_BYTES, Ram};
use super::session::lock;

/// The program.
pub(super) const PROGRAM: &str = "qemu-system-x86_64";
/// The time in which QEMU connects.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// Starts its arguments, prints the process id, and ends that process when its own standard input is closed: which the
/// kernel does when the test's process ends, by whatever death.
const SCRIPT: &str = r#""$@" </dev/null >&2 & echo $!; read -r _; kill -9 $!; wait $! 2>/dev/null"#;

/// A QEMU that runs. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    shell: Child,
    input: Option<ChildStdin>,
    pid: u32,
    errors: Arc<Mutex<String>>,
    /// Where QEMU has connected its monitor, which is served at its first use.
    monitors: UnixListener,
    monitor: Mutex<Option<Monitor>>,
}

/// Returns whether QEMU is installed.
pub(super) fn is_installed() -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(PROGRAM).is_file())
}

/// Returns firmware of 64 KiB that halts the CPU at its reset vector.
fn firmware() -> Vec<u8> {
    const HALT: [u8; 4] = [0xfa, 0xf4, 0xeb, 0xfd]; // cli; hlt; jmp to the hlt
    let mut bytes = vec![0xf4; 0x1_0000];
    bytes[0xfff0..0xfff4].copy_from_slice(&HALT);
    bytes
}

/// Returns how a child of a child has ended, or what each of its threads does: a program that does not respond waits for a lock.
fn state_of(pid: u32) -> String {
    let folder = format!("/proc/{pid}");
    let status = fs::read_to_string(format!("{folder}/stat")).unwrap_or_default();
    if let Some((_, rest)) = status.rsplit_once(") ")
        && rest.starts_with(['Z', 'X'])
    {
        // The last field is the exit code, as of wait(2).
        let code = rest.split_whitespace().next_back().and_then(|word| word.parse::<u32>().ok()).unwrap_or_default();
        return if code & 0x7f == 0 {
            format!("it has ended with status {}", code >> 8)
        } else {
            format!("it was ended by signal {}", code & 0x7f)
        };
    }
    let threads = fs::read_dir(format!("{folder}/task")).into_iter().flatten().flatten();
    let threads = threads.map(|thread| {
        let read = |name| fs::read_to_string(thread.path().join(name)).unwrap_or_default().trim().to_string();
        // The number of the system call, or "running".
        let (name, call) = (read("comm"), read("syscall"));
        format!("{name} in system call {}", call.split(' ').next().unwrap_or_default())
    });
    format!("it runs: {}", threads.collect::<Vec<_>>().join(", "))
}

impl Process {
    /// Starts QEMU with further arguments, and returns it with the connection to it.
    pub(super) fn start(arguments: &[String], ram: &Ram) -> io::Result<(Self, Connection)> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("switchboard-{}-{number}", process::id()));
        fs::create_dir(&folder)?;
        let started = Self::start_in(&folder, arguments, ram);
        // QEMU has opened all of it.
        drop(fs::remove_dir_all(&folder));
        started
    }

    fn start_in(folder: &std::path::Path, arguments: &[String], ram: &Ram) -> io::Result<(Self, Connection)> {
        let (socket, rom) = (folder.join("qtest"), folder.join("halt.rom"));
        let monitor = folder.join("monitor");
        let monitors = UnixListener::bind(&monitor)?;
        fs::write(&rom, firmware())?;
        let listener = UnixListener::bind(&socket)?;
        listener.set_nonblocking(true)?;
        let megabytes = RAM_BYTES >> 20;
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sh", PROGRAM, "-accel", "tcg", "-icount", "shift=0,sleep=off"]);
        command.args(["-machine", "q35,memory-backend=ram,pit=off,hpet=off", "-nodefaults", "-no-user-config"]);
        command.args(["-display", "none", "-smp", "1", "-m", &format!("{megabytes}M"), "-qtest-log", "none"]);
        command.args([
            "-object",
            &format!("memory-backend-file,id=ram,share=on,size={megabytes}M,mem-path={}", ram.path()),
        ]);
        command.args(["-bios", &rom.display().to_string(), "-qtest", &format!("unix:{}", socket.display())]);
        command.args(["-qmp", &format!("unix:{}", monitor.display())]);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut shell = command.spawn()?;
        let input = shell.stdin.take();
        let errors = Arc::new(Mutex::new(String::new()));
        if let Some(mut output) = shell.stderr.take() {
            let errors = errors.clone();
            thread::spawn(move || {
                let mut bytes = [0; 512];
                while let Ok(length @ 1..) = output.read(&mut bytes) {
                    let text = String::from_utf8_lossy(&bytes[..length]);
                    errors.lock().map(|mut errors| errors.push_str(&text)).unwrap_or_default();
                }
            });
        }
        let mut this = Self { shell, input, pid: 0, errors, monitors, monitor: Mutex::default() };
        let mut line = String::new();
        if let Some(output) = this.shell.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        this.pid = line.trim().parse().map_err(io::Error::other)?;
        let start = Instant::now();
        let stream = loop {
            match listener.accept() {
                Ok((stream, _)) => break stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(1)),
                Err(error) => return Err(error),
            }
            if !this.is_running() || start.elapsed() > START_TIMEOUT {
                return Err(io::Error::other(this.failure()));
            }
        };
        stream.set_nonblocking(false)?;
        let mut connection = Connection::new(stream)?;
        match connection.request(format_args!("irq_intercept_in ioapic")) {
            Ok(_) => Ok((this, connection)),
            Err(error) => Err(io::Error::other(format!("{error}: {}", this.failure()))),
        }
    }

    /// Returns the process id of QEMU.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Carries out a command of QEMU's monitor. Returns what it prints.
    pub(super) fn command(&self, command: &str) -> io::Result<String> {
        self.with_monitor(|monitor| monitor.command(command))
    }

    /// Presses keys and releases them.
    pub(super) fn press_keys(&self, keys: &[&str]) -> io::Result<()> {
        self.with_monitor(|monitor| monitor.press_keys(keys))
    }

    fn with_monitor<T>(&self, act: impl FnOnce(&mut Monitor) -> io::Result<T>) -> io::Result<T> {
        let mut monitor = lock(&self.monitor);
        if monitor.is_none() {
            *monitor = Some(Monitor::new(self.monitors.accept()?.0)?);
        }
        monitor.as_mut().map_or_else(|| Err(io::ErrorKind::NotConnected.into()), act)
    }

    /// Returns whether QEMU has not ended.
    fn is_running(&self) -> bool {
        // The state follows the name, which is in parentheses. An ended process is a zombie until its shell ends.
        let status = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        status.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
    }

    fn failure(&self) -> String {
        format!("QEMU did not start: {}", self.errors())
    }

    /// Returns what QEMU has printed, and how it has ended, or what its threads do.
    pub(super) fn errors(&self) -> String {
        // The last of it is on its way.
        thread::sleep(Duration::from_millis(20));
        let (printed, state) = (lock(&self.errors).trim_end().to_string(), state_of(self.pid));
        if printed.is_empty() { state } else { format!("{printed}\n{state}") }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.input.take());
        drop(self.shell.wait());
    }
}
