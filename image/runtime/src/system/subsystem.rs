//! Parts of an image that take devices over, such as a network stack.

use alloc::boxed::Box;
use core::pin::Pin;

use switchboard::config::Address;

use super::System;

/// What a [`Subsystem`] returns: a future of its own type.
pub type LocalBoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A part of an image that takes devices over as they come, and gives them up before they go. It is added by
/// [`System::add_subsystem`].
pub trait Subsystem {
    /// Takes over those of `system.devices` that are its own. Called at first, and whenever a device has come up.
    fn attached<'a>(&'a self, system: &'a mut System) -> LocalBoxFuture<'a, ()>;

    /// Gives the device of a function up, if it has it; its driver is dropped by then. Returns whether it had it.
    fn detach(&self, function: Address) -> LocalBoxFuture<'_, bool>;
}
