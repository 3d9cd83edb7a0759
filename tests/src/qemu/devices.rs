//! The devices of a guest: bridges, network cards with their networks, disks.

use std::path::Path;

use super::Qemu;
use crate::built::built_disk;
use crate::lan::{Link, Mac, Namespace};
use crate::ports::Protocol;

/// Model of a network device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nic {
    /// `virtio-net-pci`: INTx and MSI-X.
    Virtio,
    /// `e1000`: INTx only.
    E1000,
    /// `e1000e`: INTx, MSI and MSI-X.
    E1000e,
    /// `vmxnet3`: INTx, MSI and MSI-X.
    Vmxnet3,
    /// `rtl8139`: INTx only.
    Rtl8139,
}

/// A network device of QEMU: its name with options, and its network; `None` for a user-mode network of its own.
#[derive(Debug, Clone)]
pub(super) struct NicDevice {
    pub(super) device: String,
    pub(super) netdev: Option<String>,
}

impl Qemu {
    /// Adds a bridge by QEMU's name and options, ahead of all other devices, so that any can be behind it.
    #[must_use]
    pub fn bridge(mut self, device: &str) -> Self {
        self.bridges.push(device.to_owned());
        self
    }

    /// Adds a network device without options.
    #[must_use]
    pub fn nic(self, nic: Nic) -> Self {
        self.nic_device(match nic {
            Nic::Virtio => "virtio-net-pci",
            Nic::E1000 => "e1000",
            Nic::E1000e => "e1000e",
            Nic::Vmxnet3 => "vmxnet3",
            Nic::Rtl8139 => "rtl8139",
        })
    }

    /// Adds a network device by QEMU's name and options, as `virtio-net-pci,vectors=0`.
    #[must_use]
    pub fn nic_device(mut self, device: &str) -> Self {
        self.nics.push(NicDevice { device: device.to_owned(), netdev: None });
        self
    }

    /// Adds a network device by QEMU's name and options, with this Ethernet address, whose every frame is the test's.
    #[must_use]
    pub fn nic_on(self, link: &Link, device: &str, mac: Mac) -> Self {
        let (number, this) = self.inherit(link.guest_end());
        this.nic_with(&format!("dgram,local.type=fd,local.str={number}"), device, mac)
    }

    /// Adds a network device by QEMU's name and options, with this Ethernet address, on a network by the options of
    /// `-netdev` without its `id`.
    #[must_use]
    pub fn nic_with(mut self, netdev: &str, device: &str, mac: Mac) -> Self {
        let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
        self.nics.push(NicDevice { device: format!("{device},mac={mac}"), netdev: Some(netdev.to_owned()) });
        self
    }

    /// Starts QEMU in a network namespace, with a network device on its device `tap`, which must exist.
    #[must_use]
    pub fn nic_on_tap(mut self, namespace: &Namespace, tap: &str, device: &str, mac: Mac) -> Self {
        self.namespace = Some(namespace.name().to_owned());
        self.nic_with(&format!("tap,ifname={tap},script=no,downscript=no"), device, mac)
    }

    /// Forwards a port of the guest on every network device; TCP 80 is always forwarded.
    #[must_use]
    pub fn forward(mut self, protocol: Protocol, port: u16) -> Self {
        self.forwards.push((protocol, port));
        self
    }

    /// Adds the disk that the build made, read-only: a tar of the files to serve.
    #[must_use]
    pub fn files(self) -> Self {
        self.files_on("virtio-blk-pci")
    }

    /// Adds the same disk on a device of that name and options.
    #[must_use]
    pub fn files_on(self, device: &str) -> Self {
        self.drive(&format!("format=raw,readonly=on,file={}", built_disk().display()), device)
    }

    /// Adds a virtio disk with the content of a raw file.
    #[must_use]
    pub fn disk(self, path: &Path) -> Self {
        self.drive(&format!("format=raw,file={}", path.display()), "virtio-blk-pci")
    }

    /// Adds a disk by the options of QEMU's `-drive` and `-device`.
    #[must_use]
    pub fn drive(mut self, drive: &str, device: &str) -> Self {
        let id = self.disks;
        self.disks += 1;
        self.argument("-drive", &format!("if=none,id=disk{id},{drive}")).device(&format!("{device},drive=disk{id}"))
    }

    /// Adds a device by QEMU's name and options, as `edu`.
    #[must_use]
    pub fn device(self, device: &str) -> Self {
        self.argument("-device", device)
    }
}
