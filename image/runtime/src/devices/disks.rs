//! Controllers with any number of disks, and of keyboards, which may come and go.

use alloc::boxed::Box;
use core::any::Any;
use core::future::poll_fn;
use core::task::{Context, Poll};

use switchboard::driver::{Driver, attach};
use switchboard_drivers::interfaces::block::{BlockDevice, DiskController};
use switchboard_drivers::interfaces::keyboard::KeyboardController;

use super::class::{DeviceClass, DeviceOptions, DriverEntry, FromDriver};
use super::keyboard::Keyboard;
use super::{Devices, Registered};
use crate::disk::Disk;

/// What the registry does with a controller, whatever its type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Controller {
    /// Returns a new device of the controller: a disk or a keyboard.
    next: fn(&mut dyn Any, DeviceOptions) -> Option<Box<dyn Any>>,
    poll_change: fn(&mut dyn Any, &mut Context<'_>) -> Poll<u64>,
}

/// Returns the entry of a driver whose devices have any number of disks: each is a device of the class [`Disk`], with the address
/// of the controller.
///
/// ```
/// use switchboard::driver::Driver;
/// use switchboard_drivers::interfaces::block::DiskController;
/// use switchboard_runtime::devices::{DriverEntry, disks};
///
/// const fn entry<D: Driver + DiskController + 'static>() -> DriverEntry {
///     disks::<D>()
/// }
/// ```
#[must_use]
pub const fn disks<D: Driver + DiskController + 'static>() -> DriverEntry {
    DriverEntry {
        name: D::NAME,
        matches: D::MATCHES,
        probe: |function, _| Ok(Box::new(attach::<D>(function)?)),
        close: |device| {
            Box::pin(async {
                if let Ok(disk) = device.downcast::<Disk>() {
                    disk.close().await;
                }
            })
        },
        controller: Some(Controller {
            next: |device, options| {
                let disk = device.downcast_mut::<D>()?.next_disk()?;
                Some(Box::new(Disk::from_driver(disk, options)))
            },
            poll_change: poll_change::<D>,
        }),
    }
}

/// Returns the entry of a USB host controller: each stick is a device of the class [`Disk`], and each keyboard one of the class
/// [`Keyboard`], with the address of the controller.
///
/// ```
/// use switchboard_drivers::xhci::Xhci;
/// use switchboard_runtime::devices::{DriverEntry, usb_host};
///
/// const DRIVERS: &[DriverEntry] = &[usb_host::<Xhci>()];
/// # assert_eq!(DRIVERS[0].name(), "xhci");
/// ```
#[must_use]
pub const fn usb_host<D: Driver + DiskController + KeyboardController + 'static>() -> DriverEntry {
    DriverEntry {
        controller: Some(Controller {
            next: |device, options| {
                let controller = device.downcast_mut::<D>()?;
                if let Some(disk) = controller.next_disk() {
                    return Some(Box::new(Disk::from_driver(disk, options)));
                }
                Some(Box::new(Keyboard::from_driver(controller.next_keyboard()?, options)))
            },
            poll_change: poll_change::<D>,
        }),
        ..disks::<D>()
    }
}

fn poll_change<D: DiskController + 'static>(device: &mut dyn Any, context: &mut Context<'_>) -> Poll<u64> {
    device.downcast_mut::<D>().map_or(Poll::Pending, |controller| controller.poll_change(context))
}

impl Devices {
    /// Adds the devices that a controller has now, and not had before. Returns whether there are any.
    pub(super) fn add_disks(&mut self, index: usize) -> bool {
        let mut place = index + 1;
        while let Some(Registered { function, driver, device, close, controller: Some(controller) }) =
            self.list.get_mut(index)
            && let Some(disk) = (controller.next)(&mut **device, self.options)
        {
            let (function, driver, close) = (*function, *driver, *close);
            place += self.list[place..].iter().take_while(|other| other.function == function).count();
            self.list.insert(place, Registered { function, driver, device: disk, close, controller: None });
        }
        place > index + 1
    }

    /// Waits until the disks of a controller may have changed. Returns the nanoseconds after which they should be looked at.
    pub(crate) async fn disk_change(&mut self) -> u64 {
        poll_fn(|context| {
            let mut controllers = self.list.iter_mut().filter_map(|it| Some((&mut it.device, it.controller?)));
            let changed = controllers.find_map(|(device, it)| match (it.poll_change)(&mut **device, context) {
                Poll::Ready(delay_ns) => Some(delay_ns),
                Poll::Pending => None,
            });
            changed.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Adds the devices that were added to controllers, and closes those that were removed. Returns whether there are any.
    pub(crate) async fn update_disks(&mut self) -> bool {
        let mut has_changed = false;
        let mut index = 0;
        while index < self.list.len() {
            if self.list[index].controller.is_some() {
                has_changed |= self.add_disks(index);
            }
            index += 1;
        }
        let gone = |it: &Registered| {
            it.device.downcast_ref::<Disk>().is_some_and(|disk| disk.geometry().is_none())
                || it.device.downcast_ref::<Keyboard>().is_some_and(Keyboard::is_gone)
        };
        while let Some(place) = self.list.iter().position(gone) {
            let Registered { device, close, .. } = self.list.remove(place);
            close(device).await;
            has_changed = true;
        }
        has_changed
    }
}
