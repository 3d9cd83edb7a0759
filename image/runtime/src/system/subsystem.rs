//! Subsystems: parts of an image that take devices over, such as a network stack.

use alloc::boxed::Box;
use core::pin::Pin;

use switchboard::config::Address;

use super::System;

/// The boxed future that a [`Subsystem`] returns: it stays on this CPU, and may borrow for `'a`.
pub type LocalBoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A part of an image that takes devices over when they are added, and drops them when they are removed.
///
/// It is added by [`System::add_subsystem`].
///
/// ```
/// use core::cell::RefCell;
/// use switchboard::config::Address;
/// use switchboard_runtime::devices::{Found, RandomSource};
/// use switchboard_runtime::system::{LocalBoxFuture, Subsystem, System};
///
/// /// Takes over every source of randomness.
/// #[derive(Default)]
/// struct Entropy {
///     sources: RefCell<Vec<Found<RandomSource>>>,
/// }
///
/// impl Subsystem for Entropy {
///     fn attached<'a>(&'a self, system: &'a mut System) -> LocalBoxFuture<'a, ()> {
///         Box::pin(async { self.sources.borrow_mut().extend(system.devices.take_all::<RandomSource>()) })
///     }
///
///     fn detach(&self, function: Address) -> LocalBoxFuture<'_, bool> {
///         let mut sources = self.sources.borrow_mut();
///         let count = sources.len();
///         sources.retain(|source| source.function != function);
///         let was_ours = sources.len() < count;
///         Box::pin(core::future::ready(was_ours))
///     }
/// }
///
/// let entropy = Entropy::default();
/// assert!(!embassy_futures::block_on(entropy.detach(Address::new(0, 0, 3, 0))), "it has no such device");
/// ```
pub trait Subsystem {
    /// Takes over the devices in `system.devices` that belong to this subsystem.
    ///
    /// Called when the subsystem is added, and after each device that is attached later.
    fn attached<'a>(&'a self, system: &'a mut System) -> LocalBoxFuture<'a, ()>;

    /// Ends the use of all devices when the app has returned, within a fraction of a second: the machine is stopped then.
    fn stop(&self) -> LocalBoxFuture<'_, ()> {
        Box::pin(core::future::ready(()))
    }

    /// Drops the device of a function with its driver; returns `false` if this subsystem does not have that device.
    fn detach(&self, function: Address) -> LocalBoxFuture<'_, bool>;
}
