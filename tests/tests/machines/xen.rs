//! The row of Xen: the image as its first guest (dom0), by PVH, which has the devices of the machine. QEMU has the
//! virtualisation of AMD's CPUs, and an IOMMU, which such a guest needs.

use switchboard_tests::{Guest, Protocol, built_disk, built_image, free_port, qemu_program};

use crate::check;
use crate::emulator::Emulator;
use crate::qemu::served;
use crate::row::{Outcome, Row};

/// Xen's options: the guest in PVH mode, with messages on the serial port.
const OPTIONS: &str = "dom0=pvh dom0_mem=256M console=com1 com1=115200,8n1 guest_loglvl=all iommu=strict noreboot";

/// Returns the row.
pub(crate) fn rows() -> Vec<Row> {
    let (name, xen) = match Emulator::unpacked("xen") {
        Ok(emulator) => (format!("Xen {}", emulator.version), emulator.file("boot/xen-4.17-amd64")),
        Err(reason) => return vec![Row::skipped("Xen", "PVH dom0", "PVH", &reason)],
    };
    let Some(xen) = xen else { return vec![Row::skipped(&name, "PVH dom0", "PVH", "its package has no hypervisor")] };
    vec![Row::new(&name, "PVH dom0", "PVH", move || serves(&xen.display().to_string()).unwrap_or_else(Outcome::Failed))]
}

fn serves(xen: &str) -> Result<Outcome, String> {
    let port = free_port(Protocol::Tcp);
    let program = qemu_program();
    let image = built_image().display().to_string();
    let network = format!("user,id=net0,hostfwd=tcp:127.0.0.1:{port}-:80");
    let disk = format!("if=none,id=disk0,format=raw,readonly=on,file={}", built_disk().display());
    // Without MWAIT, by which Xen idles once it has idled for long: TCG refuses its hint with an exception. Devices whose addresses
    // the IOMMU translates, as virtio's does only on request.
    let words =
        ["-accel", "tcg", "-machine", "q35,kernel-irqchip=split", "-cpu", "EPYC,+svm,+npt,-monitor", "-m", "1G"];
    let command = [program.as_str()]
        .into_iter()
        .chain(words)
        .chain(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio"])
        .chain(["-device", "amd-iommu", "-kernel", xen, "-append", OPTIONS, "-initrd", &image])
        .chain(["-netdev", &network, "-device", "e1000,netdev=net0,romfile="])
        .chain(["-drive", &disk, "-device", "nvme,drive=disk0,serial=1"]);
    let command: Vec<String> = command.map(str::to_owned).collect();
    let guest = Guest::of_command(&command, &[(Protocol::Tcp, 80, port)], check::LIMIT);
    served(&guest, &["boot: by PVH"])
}
