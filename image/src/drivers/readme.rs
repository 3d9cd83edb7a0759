//! The README's table of devices, made from the match tables of the drivers. `make devices` writes it.

extern crate std;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use std::{env, fs};

use switchboard_runtime::devices::DriverEntry;

use super::DRIVERS;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
const BEGIN: &str = "<!-- devices: by `make devices` -->\n";
const END: &str = "<!-- end of devices -->\n";

/// For each driver its devices in words, and the feature that it belongs to; none for those that every image has.
const WORDS: &[(&str, &str, &str)] = &[
    ("virtio-net", "virtio network card", ""),
    ("virtio-blk", "virtio disk", ""),
    ("virtio-scsi", "disks and CDs at a virtio SCSI adapter", "scsi"),
    ("virtio-rng", "virtio entropy source", "rng"),
    ("virtio-console", "virtio console, with one port or several", "console"),
    ("virtio-vsock", "virtio sockets between guest and host", "vsock"),
    ("virtio-input", "virtio keyboard", "input"),
    ("virtio-gpu", "virtio display", "gpu"),
    ("virtio-9p", "directory that the host shares", "p9"),
    ("e1000", "Intel 82540EM, 82544GC, 82545EM", "e1000"),
    ("e1000e", "Intel 82574L", "e1000e"),
    ("igb", "Intel 82576", "igb"),
    ("rtl8139", "Realtek RTL8139C+", "rtl8139"),
    ("vmxnet3", "VMware vmxnet3", "vmxnet3"),
    ("nvme", "NVM Express disk", "nvme"),
    ("ahci", "SATA disks and CD drives at an AHCI controller", "ahci"),
    ("xhci", "USB sticks and keyboards at an xHCI controller", "xhci"),
    ("edu", "QEMU's edu", "edu"),
    ("hotplug", "PCI Express port with a slot", "hotplug"),
];

fn row(entry: &DriverEntry) -> String {
    let name = entry.name();
    let words = WORDS.iter().find(|(driver, ..)| *driver == name);
    let (_, what, feature) = words.unwrap_or_else(|| panic!("`WORDS` has no words for the driver {name}"));
    let ids: Vec<_> = entry.matches().iter().map(ToString::to_string).collect();
    let feature = if feature.is_empty() { String::new() } else { format!("`{feature}`") };
    format!("| `{name}` | {what} | {} | {feature} |\n", ids.join(", "))
}

#[test]
fn the_readme_lists_the_devices() {
    let mut table = String::from("| driver | devices | ids | feature |\n|---|---|---|---|\n");
    table.extend(DRIVERS.iter().map(row));
    let text = fs::read_to_string(README).expect("the README");
    let (before, rest) = text.split_once(BEGIN).expect("the begin of the table");
    let (found, after) = rest.split_once(END).expect("the end of the table");
    if env::var_os("UPDATE").is_some() {
        fs::write(README, [before, BEGIN, &table, END, after].concat()).expect("the README is written");
    } else {
        assert_eq!(found, table, "`make devices` writes it anew");
    }
}
