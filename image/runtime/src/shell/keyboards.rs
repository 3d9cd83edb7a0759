//! The shell at keyboards: what is typed is read from the keyboard, and shown on the console.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

use embedded_io_async::{ErrorType, Read, Write};
use switchboard::config::Address;
use switchboard_drivers::interfaces::keyboard::{KeyReader, KeyReaderError};

use super::Shell;
use super::sessions::print_text;
use crate::devices::{Keyboard, KeyboardError};
use crate::system::{LocalBoxFuture, Subsystem, System};
use crate::tasks::{TaskGroup, Tasks};

/// The subsystem that serves a [`Shell`] at each keyboard. Its output is on the console.
///
/// ```no_run
/// use std::rc::Rc;
/// use switchboard_runtime::shell::{KeyboardShells, Shell};
/// use switchboard_runtime::system::System;
///
/// async fn start_shells(system: &mut System) {
///     let shell = Rc::new(Shell::new(system.machine, Some(system.tasks)));
///     system.add_subsystem(Rc::new(KeyboardShells::new(system, shell))).await;
/// }
/// ```
pub struct KeyboardShells {
    tasks: Tasks,
    shell: Rc<Shell>,
    keyboards: RefCell<Vec<(Address, Rc<TaskGroup>)>>,
}

impl KeyboardShells {
    /// Makes the subsystem.
    #[must_use]
    pub fn new(system: &System, shell: Rc<Shell>) -> Self {
        Self { tasks: system.tasks, shell, keyboards: RefCell::default() }
    }

    /// Removes the keyboards of a function: a USB host controller may have several.
    fn remove(&self, function: Address) -> Vec<Rc<TaskGroup>> {
        let (removed, kept) = self.keyboards.take().into_iter().partition(|(other, _)| *other == function);
        self.keyboards.replace(kept);
        let removed: Vec<(Address, Rc<TaskGroup>)> = removed;
        removed.into_iter().map(|(_, group)| group).collect()
    }
}

impl Subsystem for KeyboardShells {
    fn attached<'a>(&'a self, system: &'a mut System) -> LocalBoxFuture<'a, ()> {
        for found in system.devices.take_all::<Keyboard>() {
            let (function, group, shell) = (found.function, Rc::new(TaskGroup::new(self.tasks)), self.shell.clone());
            log::info!("{function}: {}, with a shell", found.driver);
            group.add(async move {
                let mut terminal = Terminal(KeyReader::new(found.device));
                while shell.serve(&mut terminal).await.is_ok() {}
                // It was removed. The driver is dropped here.
            });
            self.keyboards.borrow_mut().push((function, group));
        }
        Box::pin(core::future::ready(()))
    }

    fn detach(&self, function: Address) -> LocalBoxFuture<'_, bool> {
        Box::pin(async move {
            for group in self.remove(function) {
                group.end();
                group.ended().await;
            }
            // The registry may have more of the function: a USB host controller, with its disks.
            false
        })
    }
}

/// A keyboard, and the console as its screen.
struct Terminal(KeyReader<Keyboard>);

impl ErrorType for Terminal {
    type Error = KeyReaderError<KeyboardError>;
}

impl Read for Terminal {
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Self::Error> {
        self.0.read(bytes).await
    }
}

impl Write for Terminal {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        print_text(bytes);
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl fmt::Debug for KeyboardShells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyboardShells").field("shell", &self.shell).finish_non_exhaustive()
    }
}
