//! Linux hosts beside the guest: network namespaces, joined by a bridge and routers, as far as the machine allows it.

use core::sync::atomic::{AtomicU32, Ordering};
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::{process, thread};

use nix::sched::{CloneFlags, setns};

/// A network namespace, deleted when dropped, with the programs that were started in it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    programs: Vec<Child>,
}

/// The arguments that every `dnsmasq` of a test has: no configuration of the host.
const DNSMASQ: [&str; 7] = [
    "--no-daemon",
    "--user=root",
    "--conf-file=/dev/null",
    "--no-resolv",
    "--no-hosts",
    "--pid-file=",
    "--leasefile-ro",
];

/// Returns whether a test that needs namespaces cannot run here, and prints why.
#[must_use]
pub fn is_skipped_without_namespaces(test: &str) -> bool {
    // Once: tests run at the same time, and the probe has one name.
    static REFUSED: LazyLock<Option<String>> = LazyLock::new(namespaces_refused);
    let refused = &*REFUSED;
    if let Some(reason) = refused {
        println!("skipped: {test}: {reason}");
    }
    refused.is_some()
}

/// Returns why tests with namespaces cannot run here; `None` if they can.
fn namespaces_refused() -> Option<String> {
    if !Path::new("/dev/net/tun").exists() {
        return Some("there is no /dev/net/tun".into());
    }
    for tool in ["ip", "tc", "nft", "dnsmasq"] {
        if Command::new(tool).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            return Some(format!("there is no {tool}"));
        }
    }
    let probe = format!("sb-probe-{}", process::id());
    let is_allowed = succeeds("ip", &["netns", "add", &probe]) && {
        let is_usable = succeeds("ip", &["-n", &probe, "tuntap", "add", "tap0", "mode", "tap"]);
        succeeds("ip", &["netns", "del", &probe]);
        is_usable
    };
    (!is_allowed).then(|| "network namespaces or taps are not allowed".into())
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

impl Namespace {
    /// Creates a namespace whose loopback device is up.
    ///
    /// # Panics
    /// Panics when it cannot be created.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("sb-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        assert!(succeeds("ip", &["netns", "add", &name]), "a network namespace");
        let this = Self { name, programs: Vec::new() };
        this.ip("link set lo up");
        this
    }

    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` with these words in it.
    ///
    /// # Panics
    /// Panics when it fails.
    #[track_caller]
    pub fn ip(&self, words: &str) {
        let words = words.split_ascii_whitespace();
        let output = Command::new("ip").args(["-n", &self.name]).args(words).output().expect("ip can be started");
        assert!(output.status.success(), "ip: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Creates a tap, which is up, for the guest's card.
    #[track_caller]
    pub fn add_tap(&self, name: &str) {
        self.ip(&format!("tuntap add {name} mode tap"));
        self.ip(&format!("link set {name} up"));
    }

    /// Starts `dnsmasq` on a device with these arguments, and no configuration of the host; returns what it prints.
    ///
    /// # Panics
    /// Panics when it cannot be started.
    pub fn start_dnsmasq(&mut self, device: &str, arguments: &[&str]) -> crate::Console {
        let device = format!("--interface={device}");
        let arguments: Vec<&str> = DNSMASQ.iter().chain([&&*device]).chain(arguments).copied().collect();
        self.start("dnsmasq", &arguments)
    }

    /// Joins it to another namespace: `here` is the device here, `there` that in the other; both are up.
    #[track_caller]
    pub fn join(&self, here: &str, other: &Self, there: &str) {
        self.ip(&format!("link add {here} type veth peer name {there} netns {}", other.name));
        self.ip(&format!("link set {here} up"));
        other.ip(&format!("link set {there} up"));
    }

    /// Runs a program to its end; returns its output.
    ///
    /// # Panics
    /// Panics when it fails.
    #[track_caller]
    pub fn run(&self, program: &str, words: &str) -> String {
        let words = words.split_ascii_whitespace();
        let output = self.command(program).args(words).output().expect("the program can be started");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program}: {text}");
        text
    }

    /// Runs a program to its end; returns whether it succeeded.
    #[must_use]
    pub fn tries(&self, program: &str, words: &str) -> bool {
        let mut command = self.command(program);
        command.args(words.split_ascii_whitespace()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    /// Starts a program that runs as long as the namespace; returns what it prints.
    ///
    /// # Panics
    /// Panics when it cannot be started.
    pub fn start(&mut self, program: &str, words: &[&str]) -> crate::Console {
        let mut command = self.command(program);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program can be started");
        let console = crate::Console::default();
        console.follow(child.stdout.take().expect("a pipe"));
        console.follow(child.stderr.take().expect("a pipe"));
        self.programs.push(child);
        console
    }

    /// `ip netns exec` replaces itself by the program, which thus has the number of the child.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Calls a function on a thread whose sockets are in the namespace.
    ///
    /// # Panics
    /// Panics when the function does, or the namespace cannot be entered.
    pub fn enter<T: Send>(&self, action: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.name);
        thread::scope(|scope| {
            let work = move || {
                let namespace = File::open(path).expect("the namespace");
                setns(namespace, CloneFlags::CLONE_NEWNET).expect("the namespace can be entered");
                action()
            };
            scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        for program in &mut self.programs {
            drop(program.kill());
            drop(program.wait());
        }
        succeeds("ip", &["netns", "del", &self.name]);
    }
}
