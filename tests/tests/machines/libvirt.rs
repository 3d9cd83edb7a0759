//! Rows of libvirt, whose domains have more ports, controllers and devices than a QEMU that is started by hand.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, process};

use switchboard_tests::{Guest, Protocol, built_disk, built_image, free_port};

use crate::check;
use crate::emulator::Emulator;
use crate::qemu::served;
use crate::row::{Outcome, Row};

/// The two ways to boot: what a domain has in `<os>`, its CD, and what the console then shows.
const BOOTS: [(&str, &str, &str); 2] = [
    ("BIOS ISO", "<boot dev='cdrom'/>", "boot: by Multiboot2"),
    ("<kernel>", "<kernel>/domain/image</kernel>", "boot: by PVH"),
];

/// Returns all rows.
pub(crate) fn rows() -> Vec<Row> {
    let emulator = match Emulator::unpacked("libvirt") {
        Ok(emulator) => emulator,
        Err(reason) => return vec![Row::skipped("libvirt", "q35 domain", "all", &reason)],
    };
    let name = format!("libvirt {}", emulator.version);
    let row = |(boot, os, booted): (&'static str, &'static str, &'static str)| {
        Row::new(&name, "q35 domain", boot, move || serves(boot, os, booted).unwrap_or_else(Outcome::Failed))
    };
    BOOTS.into_iter().map(row).collect()
}

fn serves(boot: &str, os: &str, booted: &str) -> Result<Outcome, String> {
    if fs::metadata("/proc/self").map_or(1, |this| this.uid()) != 0 {
        return Ok(Outcome::Skipped("the namespaces of libvirtd need root".to_owned()));
    }
    let port = free_port(Protocol::Tcp);
    let folder = Folder::new(boot)?;
    folder.fill(os, port).map_err(|error| format!("{}: {error}", folder.path.display()))?;
    let command = [top().join("tools/libvirt-domain"), folder.path.clone()].map(|word| word.display().to_string());
    let guest = Guest::of_command(&command, &[(Protocol::Tcp, 80, port)], check::LIMIT);
    let outcome = served(&guest, &[booted])?;
    // The ports, controllers and devices of a healthy domain are no errors.
    match guest.console().text().lines().find(|line| line.contains("ERROR") || line.contains("failed:")) {
        Some(line) => Err(format!("an error on a healthy domain: {line}")),
        None => Ok(outcome),
    }
}

/// Returns the top of the repository.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files of a domain, deleted when dropped.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn new(boot: &str) -> Result<Self, String> {
        let word: String = boot.chars().filter(char::is_ascii_alphabetic).collect();
        let path = env::temp_dir().join(format!("switchboard-{}-{word}", process::id()));
        fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { path })
    }

    fn fill(&self, os: &str, port: u16) -> std::io::Result<()> {
        let (image, disk) = (built_image(), built_disk());
        fs::copy(&image, self.path.join("image"))?;
        fs::copy(disk, self.path.join("disk"))?;
        let iso = self.path.join("iso");
        let made = Command::new("tools/iso").arg(&iso).arg("").env("IMAGE", image).current_dir(top()).output()?;
        if !made.status.success() {
            return Err(std::io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned()));
        }
        fs::write(self.path.join("domain.xml"), domain(os, port))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that is left in the temporary folder does not fail a row.
        drop(fs::remove_dir_all(&self.path));
    }
}

/// Returns the domain. Its network card is QEMU's user network, of which libvirt 9 forwards no port.
fn domain(os: &str, port: u16) -> String {
    format!(
        "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>switchboard</name>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type>{os}</os>
  <features><acpi/><apic/></features>
  <cpu mode='maximum'/>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='cdrom'>
      <driver name='qemu' type='raw'/><source file='/domain/iso'/><target dev='sda' bus='sata'/><readonly/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='/domain/disk'/><target dev='vda' bus='virtio'/><readonly/>
    </disk>
    <serial type='file'><source path='/domain/serial'/></serial>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-netdev'/><qemu:arg value='user,id=net0,hostfwd=tcp:127.0.0.1:{port}-:80'/>
    <qemu:arg value='-device'/><qemu:arg value='virtio-net-pci,netdev=net0,bus=pcie.0,addr=0x10,romfile='/>
  </qemu:commandline>
</domain>
"
    )
}
