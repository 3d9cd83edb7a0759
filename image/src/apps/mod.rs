//! The apps of this image: **the list that a fork edits** to run something else. `app=NAME` chooses one.

mod bench_interrupts;
mod blkbench;
mod disk;
mod edu;
mod hello;
mod hotplug;
mod interrupts;
mod power;
mod reflect;
mod removal;
mod web;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::pin::Pin;

use crate::system::{Outcome, System};

/// The first one is the default of the command line, too.
pub const APPS: &[App] = &[
    App { name: "web", run: |system| Box::pin(web::run(system)) },
    App { name: "edu", run: |system| Box::pin(edu::run(system)) },
    App { name: "disk", run: |system| Box::pin(disk::run(system)) },
    App { name: "reflect", run: |system| Box::pin(reflect::run(system)) },
    App { name: "blkbench", run: |system| Box::pin(blkbench::run(system)) },
    App { name: "bench-interrupts", run: |system| Box::pin(bench_interrupts::run(system)) },
    App { name: "interrupts", run: |system| Box::pin(interrupts::run(system)) },
    App { name: "hotplug", run: |system| Box::pin(hotplug::run(system)) },
    App { name: "power", run: |system| Box::pin(power::run(system)) },
    App { name: "removal", run: |system| Box::pin(removal::run(system)) },
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
