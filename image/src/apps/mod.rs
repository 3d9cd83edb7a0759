//! The apps of this image: **the list that a fork edits** to run something else. `app=NAME` chooses one.
//!
//! All but the default one try the machine and its drivers out; the feature `demos`, which is on by default, has them. Those
//! that measure or torture the interrupts need the feature `instruments`.

#[cfg(feature = "instruments")]
mod bench_interrupts;
#[cfg(feature = "demos")]
mod blkbench;
#[cfg(feature = "demos")]
mod disk;
#[cfg(feature = "demos")]
mod edu;
#[cfg(feature = "demos")]
mod hello;
#[cfg(feature = "demos")]
mod hotplug;
#[cfg(feature = "instruments")]
mod interrupts;
#[cfg(feature = "demos")]
mod power;
#[cfg(feature = "demos")]
mod reflect;
#[cfg(feature = "demos")]
mod removal;
mod web;

#[cfg(feature = "instruments")]
pub(crate) use interrupts::Raiser;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::pin::Pin;

use crate::system::{Outcome, System};

/// The first one is the default of the command line, too.
pub const APPS: &[App] = &[
    App { name: "web", run: |system| Box::pin(web::run(system)) },
    #[cfg(feature = "demos")]
    App { name: "edu", run: |system| Box::pin(edu::run(system)) },
    #[cfg(feature = "demos")]
    App { name: "disk", run: |system| Box::pin(disk::run(system)) },
    #[cfg(feature = "demos")]
    App { name: "reflect", run: |system| Box::pin(reflect::run(system)) },
    #[cfg(feature = "demos")]
    App { name: "blkbench", run: |system| Box::pin(blkbench::run(system)) },
    #[cfg(feature = "instruments")]
    App { name: "bench-interrupts", run: |system| Box::pin(bench_interrupts::run(system)) },
    #[cfg(feature = "instruments")]
    App { name: "interrupts", run: |system| Box::pin(interrupts::run(system)) },
    #[cfg(feature = "demos")]
    App { name: "hotplug", run: |system| Box::pin(hotplug::run(system)) },
    #[cfg(feature = "demos")]
    App { name: "power", run: |system| Box::pin(power::run(system)) },
    #[cfg(feature = "demos")]
    App { name: "removal", run: |system| Box::pin(removal::run(system)) },
    #[cfg(feature = "demos")]
    App { name: "hello", run: |system| Box::pin(hello::run(system)) },
];

/// What runs on the machine. The machine stops with success or failure when it ends.
#[derive(Debug, Clone, Copy)]
pub struct App {
    /// What `app=` calls it.
    pub name: &'static str,
    /// Runs it.
    pub run: fn(System) -> Pin<Box<dyn Future<Output = Outcome>>>,
}

/// The app of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static App> {
    APPS.iter().find(|app| app.name == name)
}

/// The names of all apps, for a message.
#[must_use]
pub fn names() -> String {
    APPS.iter().map(|app| app.name).collect::<Vec<_>>().join(", ")
}
