//! What a device is: its descriptors are read, its configuration is chosen, and the drivers of its classes are attached
//! (USB 2.0, 9.1.2).

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use atomic_waker::AtomicWaker;
use spin::Mutex;

use super::device::XhciDevice;
use crate::usb::keyboard::UsbKeyboard;
use crate::usb::storage::UsbDisk;
use crate::usb::{
    CONFIGURATION, Class, Configuration, DEVICE, DeviceDescriptor, Endpoint, Interface, Setup, UsbError,
    control_packet_bytes, read, request,
};

/// The most bytes of a configuration with all that belongs to it.
const MAX_CONFIGURATION_BYTES: u16 = 4096;
const HUB_CLASS: u8 = 9;

/// The drivers of devices that were found and not handed out.
#[derive(Default)]
pub(super) struct Found {
    pub(super) disks: Mutex<VecDeque<UsbDisk<XhciDevice>>>,
    pub(super) keyboards: Mutex<VecDeque<UsbKeyboard<XhciDevice>>>,
    has_change: AtomicBool,
    pub(super) watcher: AtomicWaker,
}

impl Found {
    pub(super) fn report_change(&self) {
        self.has_change.store(true, Ordering::Release);
        self.watcher.wake();
    }

    pub(super) fn take_change(&self) -> bool {
        self.has_change.swap(false, Ordering::AcqRel)
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found").finish_non_exhaustive()
    }
}

/// Reads what a device that has an address is, and attaches the drivers of its classes.
pub(super) async fn identify(device: &XhciDevice, found: &Found) -> Result<(), UsbError> {
    let first = read(device, Setup::get_descriptor(DEVICE, 8)).await?;
    let max_packet = control_packet_bytes(&first.buffer[..first.length], device.speed());
    let max_packet = max_packet.ok_or(UsbError::Protocol("a device descriptor with an invalid size of packets"))?;
    device.set_control_packet(max_packet).await?;
    let data = read(device, Setup::get_descriptor(DEVICE, 18)).await?;
    let descriptor = DeviceDescriptor::parse(&data.buffer[..data.length]);
    let descriptor = descriptor.ok_or(UsbError::Protocol("an invalid device descriptor"))?;
    let configuration = configuration(device).await?;
    let DeviceDescriptor { vendor, product, .. } = descriptor;
    let what = alloc::format!("{device}: USB device {vendor:04x}:{product:04x}");
    let interfaces = choose(&configuration.interfaces);
    if interfaces.is_empty() {
        let reason = if descriptor.class == HUB_CLASS { "a hub" } else { "no class with a driver" };
        log::info!("{what}: left alone: {reason}");
        return Ok(());
    }
    let endpoints: Vec<Endpoint> = interfaces.iter().flat_map(|(class, it)| class.endpoints(it)).collect();
    device.configure(&endpoints, None).await?;
    request(device, Setup::set_configuration(configuration.value)).await?;
    for (class, interface) in interfaces {
        if interface.alternate != 0 {
            request(device, Setup::set_interface(interface.number, interface.alternate)).await?;
        }
        match class {
            Class::Keyboard => {
                let keyboard = UsbKeyboard::open(device.clone(), interface).await?;
                log::info!("{what}: a keyboard");
                found.keyboards.lock().push_back(keyboard);
            }
            Class::Storage => match UsbDisk::open(device.clone(), interface).await {
                Ok(disk) => {
                    log::info!("{what}: {disk}");
                    found.disks.lock().push_back(disk);
                }
                Err(UsbError::Protocol(reason)) => log::info!("{what}: left alone: {reason}"),
                Err(error) => return Err(error),
            },
        }
        found.report_change();
    }
    Ok(())
}

/// Reads the first configuration.
async fn configuration(device: &XhciDevice) -> Result<Configuration, UsbError> {
    let head = read(device, Setup::get_descriptor(CONFIGURATION, 9)).await?;
    let total = match &head.buffer[..head.length] {
        &[_, _, low, high, ..] => u16::from_le_bytes([low, high]).clamp(9, MAX_CONFIGURATION_BYTES),
        _ => return Err(UsbError::Protocol("an invalid configuration")),
    };
    let data = read(device, Setup::get_descriptor(CONFIGURATION, total)).await?;
    Configuration::parse(&data.buffer[..data.length]).ok_or(UsbError::Protocol("an invalid configuration"))
}

/// Returns the interfaces that have drivers, each in the first setting that has one.
fn choose(interfaces: &[Interface]) -> Vec<(Class, &Interface)> {
    let mut chosen: Vec<(Class, &Interface)> = Vec::new();
    for interface in interfaces {
        if let Some(class) = Class::of(interface)
            && chosen.iter().all(|(_, known)| known.number != interface.number)
        {
            chosen.push((class, interface));
        }
    }
    chosen
}
