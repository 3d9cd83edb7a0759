//! Enabling virtual functions, and disabling them when none is in use.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::error::{EnableError, InUse};
use super::lend::VirtualFunction;
use crate::bar::SriovFacts;
use crate::config::{Address, COMMAND, Space};
use crate::function::handle::Function;
use crate::inventory::{KeepsEnabled, PhysicalFunction, Record};
use crate::ownership::{Claimed, Taken};
use crate::sync::IrqLock;
use crate::sync::primitives::Ordering;

/// The time that virtual functions need after they were enabled, and before they are enabled again (PCIe 5.0, 9.3.3.3.1).
const ENABLE_DELAY_NS: u64 = 100_000_000;
const DISABLE_DELAY_NS: u64 = 1_000_000_000;

/// The virtual functions that a physical function can have, while they are disabled; a field of
/// [`Resources`](crate::function::Resources).
///
/// ```
/// use switchboard::function::{Resources, VirtualFunctions};
/// # use switchboard::config::Address;
/// # use switchboard_testing::{FakeFunction, FakeMachine};
/// # // The virtual functions have no IDs of their own, so that no scan finds them.
/// # let virtual_function = |at| FakeFunction::new(0xffff, 0xffff).at(at);
/// # let physical = FakeFunction::new(0x1234, 1).at("00:03.0").bar(0, 0x1000).virtual_functions(2, 0x0002, 0x1000);
/// # let fake = FakeMachine::new([physical, virtual_function("00:03.1"), virtual_function("00:03.2")]);
/// # let function = fake.machine().take(Address::new(0, 0, 3, 0)).unwrap();
/// let Resources { sriov, .. } = function.claim()?;
/// let port = sriov.expect("a function with the capability");
/// assert_eq!(port.total(), 2);
///
/// let enabled: VirtualFunctions = port.enable(2).map_err(|(error, _port)| error)?;
/// let first = enabled.take(0).expect("it was not taken yet");
/// assert_eq!((first.address().to_string(), first.id()), ("0000:00:03.1".into(), (0x1234, 0x0002)));
///
/// // The first virtual function is in use.
/// let (error, enabled) = enabled.disable().unwrap_err();
/// assert_eq!(error.address, first.address());
/// drop(first);
/// let port = enabled.disable().map_err(|(in_use, _)| in_use)?;
/// # assert!(fake.machine().functions().len() == 1 && port.total() == 2);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SriovPort {
    claimed: Arc<Claimed>,
}

impl SriovPort {
    /// Returns the port of a physical function; `None` for one without virtual functions.
    pub(in crate::function) fn new(claimed: &Arc<Claimed>) -> Option<Self> {
        claimed.record().sriov.as_ref().map(|_| Self { claimed: claimed.clone() })
    }

    fn facts(&self) -> &SriovFacts {
        self.claimed.record().sriov.as_ref().unwrap_or_else(|| unreachable!("`new` checked it"))
    }

    /// Returns the most virtual functions that can be enabled.
    #[must_use]
    pub fn total(&self) -> u16 {
        self.facts().capability.total
    }

    /// Enables `number` virtual functions, which takes 100 ms, and up to a second more if they were disabled just before. They
    /// appear in the machine's inventory, and share the Vendor ID of the physical function.
    ///
    /// # Errors
    /// [`EnableError`] and the port. No virtual function is enabled then.
    pub fn enable(self, number: u16) -> Result<VirtualFunctions, (EnableError, Self)> {
        match self.try_enable(number) {
            Ok(enabled) => Ok(VirtualFunctions { enabled }),
            Err(error) => Err((error, self)),
        }
    }

    fn try_enable(&self, number: u16) -> Result<Arc<Enabled>, EnableError> {
        let (claimed, sriov) = (&self.claimed, self.facts());
        let (capability, space, clock) = (sriov.capability, claimed.space(), claimed.machine().clock);
        claimed.confirm()?;
        if number == 0 || number > capability.total {
            return Err(EnableError::Number { wanted: number, total: capability.total });
        }
        let not_before_ns = claimed.record().sriov_not_before_ns.load(Ordering::Relaxed);
        clock.wait_until(DISABLE_DELAY_NS, || clock.now_ns() >= not_before_ns);
        capability.disable(space);
        capability.select_pages(space);
        for bar in &sriov.bars {
            let index = bar.index;
            let address = bar.address.map_err(|reason| EnableError::Unassigned { index, reason })?;
            if !sriov.write(space, *bar, address) {
                return Err(EnableError::Refused { index, address });
            }
        }
        let addresses = self.addresses(number)?;
        // Dropping it from here on disables what was enabled.
        let enabled = Enabled { claimed: claimed.clone(), records: IrqLock::new(Vec::new()) };
        capability.enable(space);
        clock.wait_until(ENABLE_DELAY_NS, || false);
        let enabled = Arc::new(enabled);
        for (index, address) in (0..number).zip(addresses) {
            let record = enabled.read(index, address)?;
            enabled.records.lock().push(record.clone());
            claimed.machine().inventory.insert(record);
        }
        Ok(enabled)
    }

    /// Sets the number of virtual functions, and returns their addresses.
    fn addresses(&self, number: u16) -> Result<Vec<Address>, EnableError> {
        let (claimed, capability) = (&self.claimed, self.facts().capability);
        let physical = claimed.record().address();
        let (first, stride) = capability.set_number(claimed.space(), number);
        let inventory = &claimed.machine().inventory;
        let above = inventory.bridge_above(physical).and_then(|bridge| inventory.find(bridge));
        let is_link = above.is_some_and(|bridge| bridge.facts.express.is_some_and(|it| it.port.leads_to_link()));
        let own = u32::from(physical.device()) << 3 | u32::from(physical.function());
        let address = |index: u16| {
            let distance = u32::from(first) + u32::from(index) * u32::from(stride);
            let last = if is_link { 7 } else { 255 };
            // With a distance of 0 it would be the physical function, and all of them one with a stride of 0.
            let is_distinct = first != 0 && (stride != 0 || index == 0);
            let place = u8::try_from(own + distance).ok().filter(|place| *place <= last && is_distinct);
            let place = place.ok_or(EnableError::Unreachable { physical, index, distance })?;
            let address = Address::new(physical.segment(), physical.bus(), place >> 3, place & 7);
            if inventory.find(address).is_some() { Err(EnableError::Occupied { address }) } else { Ok(address) }
        };
        (0..number).map(address).collect()
    }
}

/// The enabled virtual functions of a physical function. Dropping it disables them when the last one in use was dropped.
///
/// [`SriovPort`] has an example.
#[must_use = "dropping it disables the virtual functions"]
pub struct VirtualFunctions {
    enabled: Arc<Enabled>,
}

impl VirtualFunctions {
    /// Returns the addresses of the virtual functions.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        self.enabled.records.lock().iter().map(|record| record.address()).collect()
    }

    /// Takes a virtual function by its number, counted from 0. Returns `None` when there is none, or it is taken already.
    #[must_use]
    pub fn take(&self, index: u16) -> Option<Function> {
        let record = self.enabled.records.lock().get(usize::from(index)).cloned()?;
        Taken::take(self.enabled.claimed.machine(), &record).map(Function::new)
    }

    /// Takes a virtual function as [`take`](Self::take) does, for a driver that does not outlive `self`.
    #[must_use]
    pub fn lend(&self, index: u16) -> Option<VirtualFunction<'_>> {
        self.take(index).map(VirtualFunction::new)
    }

    /// Reads the configuration of the virtual functions again, except of those in use: after the driver of the physical function
    /// has set what they offer, such as their number of messages, by means of the device.
    ///
    /// # Errors
    /// [`EnableError::Silent`].
    pub fn refresh(&mut self) -> Result<(), EnableError> {
        let inventory = &self.enabled.claimed.machine().inventory;
        let records = self.enabled.records.lock().clone();
        for (index, old) in (0..).zip(records) {
            let Some(taken) = Taken::take(self.enabled.claimed.machine(), &old) else { continue };
            let new = self.enabled.read(index, old.address())?;
            old.watch.mark();
            drop(taken);
            inventory.forget_if_gone(&old);
            self.enabled.records.lock()[usize::from(index)] = new.clone();
            inventory.insert(new);
        }
        Ok(())
    }

    /// Returns a virtual function that is in use.
    #[must_use]
    pub fn in_use(&self) -> Option<InUse> {
        let records = self.enabled.records.lock();
        let taken = records.iter().find(|record| record.is_taken())?;
        Some(InUse { address: taken.address(), driver: taken.driver() })
    }

    /// Disables the virtual functions.
    ///
    /// # Errors
    /// [`InUse`] and the virtual functions, unchanged, while one is in use.
    pub fn disable(self) -> Result<SriovPort, (InUse, Self)> {
        let machine = self.enabled.claimed.machine();
        // All of them are taken, so that no other caller takes one meanwhile.
        let records = self.enabled.records.lock().clone();
        let taken: Vec<_> = records.iter().map(|record| Taken::take(machine, record)).collect();
        if let Some(record) = records.iter().zip(&taken).find_map(|(record, taken)| taken.is_none().then_some(record)) {
            // One that was removed is not taken, and has no driver.
            if record.is_taken() {
                return Err((InUse { address: record.address(), driver: record.driver() }, self));
            }
        }
        let claimed = self.enabled.claimed.clone();
        self.enabled.disable();
        drop(taken);
        Ok(SriovPort { claimed })
    }
}

impl fmt::Debug for VirtualFunctions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VirtualFunctions").field(&self.addresses()).finish()
    }
}

/// Virtual functions that are enabled. The values of those in use hold it, and it holds the physical function.
#[derive(Debug)]
struct Enabled {
    claimed: Arc<Claimed>,
    records: IrqLock<Vec<Arc<Record>>>,
}

impl KeepsEnabled for Enabled {}

impl Enabled {
    /// Reads the configuration of a virtual function.
    fn read(self: &Arc<Self>, index: u16, address: Address) -> Result<Arc<Record>, EnableError> {
        let physical = self.claimed.record();
        let silent = EnableError::Silent { address };
        let sriov = physical.sriov.as_ref().ok_or(silent)?;
        let space = Space::new(self.claimed.machine().config, address);
        if space.read_u16(COMMAND) == u16::MAX {
            return Err(silent);
        }
        let owner: Arc<dyn KeepsEnabled> = self.clone();
        let physical = PhysicalFunction {
            space: physical.space,
            ids: (physical.header().vendor, physical.header().device),
            capability: sriov.capability,
            enabled: Arc::downgrade(&owner),
        };
        Ok(Arc::new(Record::read_virtual(space, physical, sriov.bars_of(index))))
    }

    /// Disables the virtual functions, and removes them from the inventory.
    fn disable(&self) {
        let (claimed, machine) = (&self.claimed, self.claimed.machine());
        let Some(sriov) = claimed.record().sriov.as_ref().filter(|_| !claimed.is_gone()) else { return };
        sriov.capability.disable(claimed.space());
        let not_before_ns = machine.clock.now_ns().saturating_add(DISABLE_DELAY_NS);
        claimed.record().sriov_not_before_ns.store(not_before_ns, Ordering::Relaxed);
        let records = core::mem::take(&mut *self.records.lock());
        for record in records {
            record.watch.mark();
            record.watch.wake();
            machine.inventory.forget_if_gone(&record);
        }
    }
}

impl Drop for Enabled {
    fn drop(&mut self) {
        self.disable();
    }
}
