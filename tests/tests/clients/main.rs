//! The image against clients of other projects, in a network namespace: command line tools, scanners, browsers, libraries of
//! Python and a time server. Each test is skipped, with the reason, where its program or namespaces are missing.
//!
//! The image has the features `clients`: `make test-clients` builds it.

mod browsers;
mod libraries;
mod tools;

use core::time::Duration;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, fs, process};

use switchboard_tests::lan::{GUEST_MAC, Namespace, is_skipped_without_namespaces};
use switchboard_tests::{Guest, Machine, Qemu};

const TIMEOUT: Duration = Duration::from_secs(20);
/// The folder of the test certificates.
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../image/tls/tests/data");

/// A guest on a tap, reached as 10.9.0.2 and fd00:9::2 from a host that is 10.9.0.1 and fd00:9::1.
struct Lan {
    host: Namespace,
    guest: Guest,
    /// A folder for files of the clients, deleted with this.
    folder: PathBuf,
}

impl Lan {
    /// Boots an app with these further options; `None`, with a line, where one of the programs is not installed.
    fn start(test: &str, programs: &[&str], options: &str) -> Option<Self> {
        if is_skipped_without_namespaces(test) {
            return None;
        }
        let is_missing = |program: &&&str| {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("PATH=$PATH:/usr/sbin command -v {program}")]);
            !command.stdout(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        if let Some(missing) = programs.iter().find(is_missing) {
            println!("skipped: {test}: {missing} is not installed");
            return None;
        }
        let host = Namespace::new();
        host.add_tap("tap0");
        host.ip("addr add 10.9.0.1/24 dev tap0");
        host.ip("addr add fd00:9::1/64 dev tap0 nodad");
        host.ip("route add 224.0.0.0/4 dev tap0");
        let guest = Qemu::new(Machine::Q35)
            .nic_on_tap(&host, "tap0", "virtio-net-pci", GUEST_MAC)
            .files()
            .device("virtio-rng-pci")
            .argument("-fw_cfg", &format!("name=opt/switchboard/tls/cert,file={DATA}/p256.pem"))
            .argument("-fw_cfg", &format!("name=opt/switchboard/tls/key,file={DATA}/p256.key"))
            .option(&format!("ip=10.9.0.2/24,10.9.0.1,fd00:9::2/64 {options}"))
            .start();
        guest.wait_for("address fd00:9::2/64 by command line");
        let folder = env::temp_dir().join(format!("switchboard-{test}-{}", process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        Some(Self { host, guest, folder })
    }

    /// Runs a program to its end, with at most a minute, in the folder; returns what it prints. Words have no spaces.
    #[track_caller]
    fn run(&self, words: &str) -> String {
        let folder = self.folder.display();
        self.host.run("env", &format!("-C {folder} HOME={folder} timeout 60 {words}"))
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).ok();
    }
}
