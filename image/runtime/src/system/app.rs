//! Apps: async functions that run on the machine.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::pin::Pin;

use super::System;

/// How an app ends.
pub type Outcome = Result<(), Box<dyn core::error::Error>>;

/// What runs on the machine. The machine stops with success or failure when it ends.
#[derive(Clone, Copy)]
pub struct App {
    /// The name for the command line: `app=NAME`.
    pub name: &'static str,
    run: &'static dyn RunApp,
}

/// An async function that is an app: implemented for every one that takes a [`System`].
pub trait RunApp: Sync {
    /// Starts it.
    fn run(&self, system: System) -> Pin<Box<dyn Future<Output = Outcome>>>;
}

impl<F: Fn(System) -> R + Sync, R: Future<Output = Outcome> + 'static> RunApp for F {
    fn run(&self, system: System) -> Pin<Box<dyn Future<Output = Outcome>>> {
        Box::pin(self(system))
    }
}

impl App {
    /// Makes an app of an async function.
    ///
    /// ```
    /// use switchboard_runtime::system::{App, Outcome, System};
    ///
    /// async fn nothing(_system: System) -> Outcome {
    ///     Ok(())
    /// }
    ///
    /// const APPS: &[App] = &[App::new("nothing", &nothing)];
    /// # assert_eq!(APPS[0].name, "nothing");
    /// ```
    #[must_use]
    pub const fn new(name: &'static str, run: &'static dyn RunApp) -> Self {
        Self { name, run }
    }

    /// Returns the app of that name; the first one for no name.
    pub(super) fn find<'a>(apps: &'a [Self], name: &str) -> Option<&'a Self> {
        if name.is_empty() { apps.first() } else { apps.iter().find(|app| app.name == name) }
    }

    /// Returns the names of all apps, for a message.
    pub(super) fn names(apps: &[Self]) -> String {
        apps.iter().map(|app| app.name).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn run(&self, system: System) -> Pin<Box<dyn Future<Output = Outcome>>> {
        self.run.run(system)
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("name", &self.name).finish_non_exhaustive()
    }
}
