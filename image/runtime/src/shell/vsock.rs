//! The shell on the sockets between this machine and its host.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;

use switchboard::config::Address;
use switchboard_drivers::virtio::VirtioVsock;
use switchboard_drivers::virtio::vsock::{Vsock, VsockError};

use super::Shell;
use crate::system::{LocalBoxFuture, Subsystem, System};
use crate::tasks::{TaskGroup, Tasks};

/// The port of the shell, as of telnet.
pub const SHELL_PORT: u32 = 23;
/// The most sessions of a device at a time. A connection beyond is closed.
const MAX_SESSIONS: usize = 4;

/// The subsystem that serves a [`Shell`] on port [`SHELL_PORT`] of each virtio socket device, as for
/// `socat -,rawer VSOCK-CONNECT:3:23` on the host.
///
/// ```no_run
/// use std::rc::Rc;
/// use switchboard_runtime::shell::{Shell, VsockShells};
/// use switchboard_runtime::system::System;
///
/// async fn start_shells(system: &mut System) {
///     let shell = Rc::new(Shell::new(system.machine, Some(system.tasks)));
///     system.add_subsystem(Rc::new(VsockShells::new(system, shell))).await;
/// }
/// ```
pub struct VsockShells {
    tasks: Tasks,
    shell: Rc<Shell>,
    devices: RefCell<Vec<(Address, Rc<TaskGroup>)>>,
}

impl VsockShells {
    /// Makes the subsystem.
    #[must_use]
    pub fn new(system: &System, shell: Rc<Shell>) -> Self {
        Self { tasks: system.tasks, shell, devices: RefCell::default() }
    }

    fn remove(&self, function: Address) -> Option<Rc<TaskGroup>> {
        let mut devices = self.devices.borrow_mut();
        let place = devices.iter().position(|(other, _)| *other == function)?;
        Some(devices.remove(place).1)
    }
}

impl Subsystem for VsockShells {
    fn attached<'a>(&'a self, system: &'a mut System) -> LocalBoxFuture<'a, ()> {
        for found in system.devices.take_all::<VirtioVsock>() {
            let (function, device, group) = (found.function, found.device, Rc::new(TaskGroup::new(self.tasks)));
            let (sockets, shell, sessions) = (device.sockets(), self.shell.clone(), Rc::downgrade(&group));
            log::info!("{function}: CID {}, shell on port {SHELL_PORT}", sockets.cid());
            group.add(async move {
                let error = device.run().await;
                log::info!("{function}: {error}");
            });
            group.add(async move {
                let count = Rc::new(Cell::new(0));
                let add = |session| {
                    if let Some(group) = sessions.upgrade() {
                        group.add(Box::into_pin(session));
                    }
                };
                let _ = accept(&sockets, &shell, &count, add).await;
            });
            self.devices.borrow_mut().push((function, group));
        }
        Box::pin(core::future::ready(()))
    }

    fn detach(&self, function: Address) -> LocalBoxFuture<'_, bool> {
        Box::pin(async move {
            let Some(group) = self.remove(function) else { return false };
            // This drops the driver.
            group.end();
            group.ended().await;
            true
        })
    }
}

/// Starts a session for each connection, until the device is removed.
async fn accept(
    sockets: &Vsock,
    shell: &Rc<Shell>,
    count: &Rc<Cell<usize>>,
    add: impl Fn(Box<dyn Future<Output = ()>>),
) -> Result<(), VsockError> {
    let listener = sockets.listen(SHELL_PORT)?;
    loop {
        let mut stream = listener.accept().await?;
        if count.get() < MAX_SESSIONS {
            count.set(count.get() + 1);
            let (shell, count) = (shell.clone(), count.clone());
            add(Box::new(async move {
                // A peer that has reset the stream ends its session.
                let _ = shell.serve(&mut stream).await;
                count.set(count.get() - 1);
            }));
        }
    }
}

impl fmt::Debug for VsockShells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VsockShells").field("shell", &self.shell).finish_non_exhaustive()
    }
}
