//! Virtual functions whose drivers do not outlive their owner.

use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use super::enable::VirtualFunctions;
use crate::config::Address;
use crate::function::handle::Function;

/// A virtual function that borrows from its [`VirtualFunctions`]: they are neither disabled nor dropped while it or its driver
/// lives.
///
/// ```
/// use switchboard::driver::{Driver, Id, ProbeError};
/// use switchboard::function::{Function, Resources};
/// # use switchboard::config::Address;
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// struct Card(Resources);
///
/// impl Driver for Card {
///     const NAME: &'static str = "card";
///     const MATCHES: &'static [Id] = &[Id::new(0x1234, 2)];
///     fn probe(function: Function) -> Result<Self, ProbeError> {
///         Ok(Self(function.claim()?))
///     }
/// }
///
/// # let physical = FakeFunction::new(0x1234, 1).at("00:03.0").virtual_functions(1, 2, 0x1000);
/// # let fake = FakeMachine::new([physical, FakeFunction::new(0xffff, 0xffff).at("00:03.1")]);
/// # let function = fake.machine().take(Address::new(0, 0, 3, 0)).unwrap();
/// # let port = function.claim()?.sriov.unwrap();
/// let enabled = port.enable(1).map_err(|(error, _)| error)?;
/// let card = enabled.lend(0).expect("it is free").attach::<Card>()?;
/// assert_eq!(card.0.bar0.facts().map(|bar| bar.size), Some(0x1000));
/// # assert_eq!(fake.machine().functions()[1].driver, Some("card"));
/// // `enabled.disable()` does not compile before this.
/// drop(card);
/// assert!(enabled.disable().is_ok());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct VirtualFunction<'a> {
    function: Function,
    owner: PhantomData<&'a VirtualFunctions>,
}

impl<'a> VirtualFunction<'a> {
    pub(super) fn new(function: Function) -> Self {
        Self { function, owner: PhantomData }
    }

    /// Returns the address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.function.address()
    }

    /// Probes it, and keeps the driver within the lifetime.
    pub(crate) fn probe<D, E>(self, probe: impl FnOnce(Function) -> Result<D, E>) -> Result<LentDriver<'a, D>, E> {
        Ok(LentDriver { driver: probe(self.function)?, owner: PhantomData })
    }
}

/// The driver of a virtual function, which borrows from the owner of the virtual functions; made by [`VirtualFunction::attach`].
pub struct LentDriver<'a, D> {
    driver: D,
    owner: PhantomData<&'a VirtualFunctions>,
}

impl<D> Deref for LentDriver<'_, D> {
    type Target = D;

    fn deref(&self) -> &D {
        &self.driver
    }
}

impl<D> DerefMut for LentDriver<'_, D> {
    fn deref_mut(&mut self) -> &mut D {
        &mut self.driver
    }
}

impl<D: fmt::Debug> fmt::Debug for LentDriver<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.driver.fmt(f)
    }
}
