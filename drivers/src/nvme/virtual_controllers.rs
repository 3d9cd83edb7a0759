//! Virtual functions of a primary controller: each a controller of its own, with queues and interrupts that the primary one gives
//! it (NVM Express Base Specification 1.4, 8.5, and PCIe 5.0, chapter 9).

use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::Ordering;

use switchboard::config::Address;
use switchboard::driver::ProbeError;
use switchboard::function::{EnableError, LentDriver, VirtualFunctions};

use super::Nvme;
use super::admin::Admin;
use super::command::Operation;
use super::identify::{
    IDENTIFY_BYTES, PRIMARY_CAPABILITIES, PrimaryCapabilities, SECONDARY_CONTROLLERS, secondary_controller,
};
use super::inner::Inner;

const VIRTUALIZATION_MANAGEMENT: u8 = 0x1c;
/// Actions (5.22): a secondary controller goes offline, gets resources, goes online.
const OFFLINE: u32 = 7;
const ASSIGN: u32 = 8;
const ONLINE: u32 = 9;
/// The kinds of resources: queue pairs, with that of the admin queue, and interrupts.
const QUEUES: u32 = 0;
const INTERRUPTS: u32 = 1;
/// What this driver uses of each: one for the admin queue, one for reads, one for all other requests.
const WANTED: u32 = 3;

/// The reason why the virtual functions of a controller were not enabled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VirtualControllersError {
    /// The controller has no virtual functions, or they are enabled already.
    #[error("the controller has no virtual functions, or they are enabled already")]
    Unavailable,
    /// The controller has too few queues or interrupts for so many virtual functions.
    #[error("{number} virtual functions need more queues or interrupts than the controller has")]
    TooFewResources {
        /// The number of virtual functions that was wanted.
        number: u16,
    },
    /// The controller refused resources.
    #[error(transparent)]
    Command(#[from] ProbeError),
    /// The physical function does not enable them.
    #[error(transparent)]
    Enable(#[from] EnableError),
}

impl Nvme {
    /// Enables `number` virtual functions and brings them online, each with queues and interrupts of its own. The controller is
    /// borrowed: while a virtual function or its driver lives, it is not dropped, and it is not reset after an error.
    ///
    /// With QEMU: `-device nvme,serial=1,subsys=S,sriov_max_vfs=4,sriov_vq_flexible=12,sriov_vi_flexible=12,max_ioqpairs=16,msix_qsize=17`.
    ///
    /// ```no_run
    /// use switchboard_drivers::interfaces::block::BlockDevice;
    /// use switchboard_drivers::nvme::Nvme;
    ///
    /// fn capacities(controller: &Nvme) -> Result<Vec<u64>, Box<dyn core::error::Error>> {
    ///     let functions = controller.virtual_controllers(4)?;
    ///     let mut capacities = Vec::new();
    ///     for index in 0..4 {
    ///         let disk = functions.attach(index)?;
    ///         capacities.push(disk.capacity());
    ///     }
    ///     Ok(capacities)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`VirtualControllersError`]. No virtual function is enabled then.
    pub fn virtual_controllers(&self, number: u16) -> Result<VirtualControllers<'_>, VirtualControllersError> {
        let inner = &*self.first.inner;
        let admin = &mut *inner.admin.lock();
        let mut slot = inner.sriov.lock();
        let Some(port) = slot.take() else { return Err(VirtualControllersError::Unavailable) };
        let enabled = match port.enable(number) {
            Ok(enabled) => enabled,
            Err((error, port)) => {
                *slot = Some(port);
                return Err(error.into());
            }
        };
        inner.has_virtual_controllers.store(true, Ordering::Release);
        drop(slot);
        let mut functions = VirtualControllers { inner, enabled: Some(enabled), online: Vec::new() };
        let outcome = functions.bring_online(admin, number);
        if let Err(error) = outcome {
            functions.take_offline(admin);
            return Err(error);
        }
        Ok(functions)
    }
}

/// The virtual functions of a controller, online. Dropping it takes them offline and disables them.
pub struct VirtualControllers<'a> {
    inner: &'a Inner,
    enabled: Option<VirtualFunctions>,
    /// The ids of the controllers that are online.
    online: Vec<u16>,
}

impl VirtualControllers<'_> {
    /// Returns the addresses of the virtual functions.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        self.enabled.as_ref().map(VirtualFunctions::addresses).unwrap_or_default()
    }

    /// Probes the virtual function of a number, counted from 0.
    ///
    /// # Errors
    /// That of the probe, or [`ProbeError::Device`] when there is no such virtual function or it has a driver.
    pub fn attach(&self, index: u16) -> Result<LentDriver<'_, Nvme>, ProbeError> {
        let function = self.enabled.as_ref().and_then(|enabled| enabled.lend(index));
        function.ok_or(ProbeError::Device("no such virtual function, or it is in use"))?.attach()
    }

    fn bring_online(&mut self, admin: &mut Admin, number: u16) -> Result<(), VirtualControllersError> {
        let data = admin.identify("capabilities of the primary controller", PRIMARY_CAPABILITIES, 0)?;
        let capabilities = PrimaryCapabilities::parse(&data);
        let share = |total: u32, most: u16| (total / u32::from(number)).min(most.into()).min(WANTED);
        let queues = share(capabilities.queues, capabilities.max_queues);
        let interrupts = share(capabilities.interrupts, capabilities.max_interrupts);
        if queues < 2 || interrupts == 0 {
            return Err(VirtualControllersError::TooFewResources { number });
        }
        let data = admin.identify("list of secondary controllers", SECONDARY_CONTROLLERS, 0)?;
        for function in 1..=number {
            let controller = find(&data, function)?;
            manage(admin, "queues of a virtual function", ASSIGN | QUEUES << 8, controller, queues)?;
            manage(admin, "interrupts of a virtual function", ASSIGN | INTERRUPTS << 8, controller, interrupts)?;
            manage(admin, "a virtual function online", ONLINE, controller, 0)?;
            self.online.push(controller);
        }
        // They have as many messages as they were given.
        self.enabled.as_mut().map_or(Ok(()), VirtualFunctions::refresh)?;
        log::info!(
            "{}: nvme: {number} virtual functions with {queues} queue pairs and {interrupts} interrupts each",
            self.inner.controller.address
        );
        Ok(())
    }

    fn take_offline(&mut self, admin: &mut Admin) {
        let Some(enabled) = self.enabled.take() else { return };
        let address = self.inner.controller.address;
        if let Some(in_use) = enabled.in_use() {
            // Its owner took it out of its lifetime. It stays enabled until it is dropped.
            log::error!("{address}: nvme: {in_use}");
            return;
        }
        if self.inner.controller.presence.is_gone() {
            return;
        }
        for controller in self.online.drain(..) {
            if let Err(error) = manage(admin, "a virtual function offline", OFFLINE, controller, 0) {
                log::warn!("{address}: nvme: {error}");
            }
        }
        match enabled.disable() {
            Ok(port) => {
                *self.inner.sriov.lock() = Some(port);
                self.inner.has_virtual_controllers.store(false, Ordering::Release);
            }
            Err((in_use, _)) => log::error!("{address}: nvme: {in_use}"),
        }
    }
}

impl Drop for VirtualControllers<'_> {
    fn drop(&mut self) {
        let inner = self.inner;
        self.take_offline(&mut inner.admin.lock());
    }
}

impl fmt::Debug for VirtualControllers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VirtualControllers").field(&self.addresses()).finish()
    }
}

/// Returns the id of the controller of a virtual function, which are counted from 1 there.
fn find(list: &[u8; IDENTIFY_BYTES], function: u16) -> Result<u16, ProbeError> {
    let count = usize::from(list[0]);
    let found =
        (0..count).filter_map(|index| secondary_controller(list, index)).find(|(_, number)| *number == function);
    found.map(|(id, _)| id).ok_or(ProbeError::Device("a virtual function is not in the list of secondary controllers"))
}

fn manage(
    admin: &mut Admin,
    what: &'static str,
    action: u32,
    controller: u16,
    resources: u32,
) -> Result<(), ProbeError> {
    let operation = Operation::new(VIRTUALIZATION_MANAGEMENT, 0, action | u32::from(controller) << 16, resources);
    admin.command(what, operation).map(drop)
}
