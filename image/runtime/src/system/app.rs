//! Apps: async functions that the command line chooses from.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::System;
use super::subsystem::LocalBoxFuture;

/// The result of an app: an error is printed, and the machine stops with failure.
pub type Outcome = Result<(), Box<dyn core::error::Error>>;

/// An app of an image: a name, and the async function that runs.
///
/// The machine stops when the app returns.
///
/// ```
/// use switchboard_runtime::system::{App, Outcome, System};
///
/// async fn count(system: System) -> Outcome {
///     let functions = system.machine.functions().len();
///     if functions == 0 { Err("no functions".into()) } else { Ok(()) }
/// }
///
/// const APPS: &[App] = &[App::new("count", &count), App::new("nothing", &async |_| Ok(()))];
/// assert_eq!(APPS.iter().map(|app| app.name).collect::<Vec<_>>(), ["count", "nothing"]);
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct App {
    /// The name for the command line: `app=NAME`.
    pub name: &'static str,
    run: &'static dyn RunApp,
}

/// A function that is an app. Implemented for every async function that takes a [`System`].
pub trait RunApp: Sync {
    /// Returns the app's future.
    fn run(&self, system: System) -> LocalBoxFuture<'static, Outcome>;
}

impl<F: Fn(System) -> R + Sync, R: Future<Output = Outcome> + 'static> RunApp for F {
    fn run(&self, system: System) -> LocalBoxFuture<'static, Outcome> {
        Box::pin(self(system))
    }
}

impl App {
    /// Makes an app of an async function.
    #[must_use]
    pub const fn new(name: &'static str, run: &'static dyn RunApp) -> Self {
        Self { name, run }
    }

    /// Returns the app with this name, or the first app if the name is empty.
    pub(super) fn find<'a>(apps: &'a [Self], name: &str) -> Option<&'a Self> {
        if name.is_empty() { apps.first() } else { apps.iter().find(|app| app.name == name) }
    }

    /// Returns the names of all apps, separated by commas.
    pub(super) fn names(apps: &[Self]) -> String {
        apps.iter().map(|app| app.name).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn run(&self, system: System) -> LocalBoxFuture<'static, Outcome> {
        self.run.run(system)
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("name", &self.name).finish_non_exhaustive()
    }
}
