//! The virtio PCI transport: a device from reset to DRIVER_OK, and back (virtio 1.2, 3.1 and 4.1).
//!
//! Each state has a type: a [`Transport`] was reset, a [`Setup`] has negotiated features and sets queues up, a [`Running`] device has
//! DRIVER_OK. Dropping any of them resets the device, which then uses neither memory nor interrupts when these are freed: a driver
//! keeps it in its first field.

use alloc::vec::Vec;
use core::fmt;

use bitflags::Flags;
use switchboard::config::Address;
use switchboard::dma::DmaPort;
use switchboard::driver::ProbeError;
use switchboard::function::{Function, Presence, Resources};
use switchboard::interrupt::InterruptPort;
use switchboard::mmio::{Bar, RegisterBlock};

use super::device::Device;
use super::interrupt_status::InterruptStatus;
use super::queue::{Chain, Queue, QueueParameters, RingFeatures, SplitQueue};
use super::registers::{
    CONFIG_MSIX_VECTOR, DEVICE_FEATURE, DEVICE_FEATURE_SELECT, DRIVER_FEATURE, DRIVER_FEATURE_SELECT, DeviceStatus,
    NO_VECTOR, NUM_QUEUES, QUEUE_DESC, QUEUE_DEVICE, QUEUE_DRIVER, QUEUE_ENABLE, QUEUE_MSIX_VECTOR, QUEUE_NOTIFY_OFF,
    QUEUE_SELECT, QUEUE_SIZE,
};
use super::structures::Structures;

/// `VIRTIO_F_VERSION_1`: without it, the device has the legacy interface.
const VERSION_1: u64 = 1 << 32;
/// `VIRTIO_F_ACCESS_PLATFORM`: addresses are bus addresses, as they always are in this framework.
const ACCESS_PLATFORM: u64 = 1 << 33;

/// A device that was reset, with the status DRIVER. The [module](super) has an example.
#[derive(Debug)]
pub struct Transport {
    device: Device,
}

impl Transport {
    /// Claims the function, finds its structures, and resets the device.
    ///
    /// # Errors
    /// [`ProbeError`], among others for a device without the modern interface.
    pub fn open(function: Function) -> Result<(Self, InterruptPort, DmaPort), ProbeError> {
        let clock = function.clock();
        let Resources { bar0, bar1, bar2, bar3, bar4, bar5, irq, dma, bus, config, presence, .. } = function.claim()?;
        let structures = Structures::find(&config, [bar0, bar1, bar2, bar3, bar4, bar5])?;
        let interrupt_status = InterruptStatus::new(structures.isr()?, structures.common()?, presence);
        let (common, address) = (structures.common()?, config.address());
        let device = Device { common, structures, interrupt_status, bus, clock, address };
        device.reset()?;
        device.add_status(DeviceStatus::ACKNOWLEDGE);
        device.add_status(DeviceStatus::DRIVER);
        Ok((Self { device }, irq, dma))
    }

    /// Returns the features of the device that the device offers, for a driver that wants some only beside others.
    #[must_use]
    pub fn offered<F: Flags<Bits = u64>>(&self) -> F {
        F::from_bits_truncate(self.offered_bits())
    }

    fn offered_bits(&self) -> u64 {
        let common = &self.device.common;
        let half = |select| {
            common.write(&DEVICE_FEATURE_SELECT, select);
            u64::from(common.read(&DEVICE_FEATURE))
        };
        half(0) | half(1) << 32
    }

    /// Negotiates features: those of `wanted` that the device offers, and those of queues.
    ///
    /// # Errors
    /// [`ProbeError::Unexpected`] when the device does not offer virtio 1, or refuses the features.
    pub fn negotiate<F: Flags<Bits = u64> + Copy>(self, wanted: F) -> Result<(Setup, F), ProbeError> {
        let common = &self.device.common;
        let offered = self.offered_bits();
        if offered & VERSION_1 == 0 {
            return Err(ProbeError::Unexpected { what: "virtio features", wanted: VERSION_1, found: offered });
        }
        let known = VERSION_1 | ACCESS_PLATFORM | RingFeatures::all().bits() | wanted.bits();
        let agreed = offered & known;
        for (select, bits) in [(0, agreed & 0xffff_ffff), (1, agreed >> 32)] {
            common.write(&DRIVER_FEATURE_SELECT, select);
            common.write(&DRIVER_FEATURE, u32::try_from(bits).unwrap_or_default());
        }
        self.device.add_status(DeviceStatus::FEATURES_OK);
        let status = self.device.status();
        if !status.contains(DeviceStatus::FEATURES_OK) {
            let (wanted, found) = ((status | DeviceStatus::FEATURES_OK).bits().into(), status.bits().into());
            return Err(ProbeError::Unexpected { what: "virtio status after feature negotiation", wanted, found });
        }
        let features = RingFeatures::from_bits_truncate(agreed);
        Ok((Setup { device: self.device, features }, F::from_bits_truncate(agreed & wanted.bits())))
    }
}

/// A device whose features are negotiated, and whose queues are set up.
#[derive(Debug)]
pub struct Setup {
    device: Device,
    features: RingFeatures,
}

impl Setup {
    /// Returns the interrupt status for handlers, which do nothing until [`start`](Self::start).
    #[must_use]
    pub fn interrupt_status(&self) -> InterruptStatus {
        self.device.interrupt_status.clone()
    }

    /// Maps the device configuration.
    ///
    /// # Errors
    /// [`ProbeError`] when there is none, or when it is shorter than `B`.
    pub fn config<B: RegisterBlock>(&self) -> Result<Bar<B>, ProbeError> {
        self.device.structures.device()
    }

    /// Reads `count` bytes of the device configuration from `offset` on: a part whose length only the device knows.
    ///
    /// # Errors
    /// [`ProbeError`] when the configuration is shorter.
    pub fn config_bytes(&self, offset: u16, count: u16) -> Result<Vec<u8>, ProbeError> {
        let end = u64::from(offset) + u64::from(count);
        let config = self.device.structures.device_bytes(end)?;
        Ok((offset.into()..end).map(|at| config.try_read(at).unwrap_or(0)).collect())
    }

    /// Reads fields of the configuration that belong together.
    ///
    /// # Errors
    /// [`ProbeError::Device`] when it changes all the time.
    pub fn read_config<R>(&self, read: impl FnMut() -> R) -> Result<R, ProbeError> {
        self.device.read_config(read)
    }

    /// Sets the MSI-X entry for changes of the configuration. `None` is for the line.
    ///
    /// # Errors
    /// [`ProbeError::Unexpected`] when the device refuses.
    pub fn set_config_entry(&self, entry: Option<u16>) -> Result<(), ProbeError> {
        let common = &self.device.common;
        let Some(entry) = entry else { return Ok(()) };
        common.write(&CONFIG_MSIX_VECTOR, entry);
        check_entry("MSI-X entry for the virtio configuration", entry, common.read(&CONFIG_MSIX_VECTOR))
    }

    /// Sets up queue `index`, with the size in `parameters` or the largest that the device supports. It interrupts by `entry` of the
    /// MSI-X table, or on the line.
    ///
    /// # Errors
    /// [`ProbeError`] when there is no such queue, no memory, or the device refuses the entry.
    pub fn queue<C: Chain>(
        &self,
        index: u16,
        dma: &DmaPort,
        parameters: QueueParameters,
        entry: Option<u16>,
    ) -> Result<Queue<C>, ProbeError> {
        let common = &self.device.common;
        let queues = common.read(&NUM_QUEUES);
        if index >= queues {
            let (wanted, found) = (u64::from(index) + 1, queues.into());
            return Err(ProbeError::Unexpected { what: "number of virtio queues", wanted, found });
        }
        common.write(&QUEUE_SELECT, index);
        let max_size = common.read(&QUEUE_SIZE);
        if !max_size.is_power_of_two() {
            // 0 is a queue that does not exist; other values violate 2.7.
            let (wanted, found) = (parameters.size.into(), max_size.into());
            return Err(ProbeError::Unexpected { what: "size of a virtio queue, a power of two", wanted, found });
        }
        let size = parameters.size.min(max_size);
        common.write(&QUEUE_SIZE, size);
        let accepted_size = common.read(&QUEUE_SIZE);
        if accepted_size != size {
            // The device would access memory past the end of the rings.
            let (wanted, found) = (size.into(), accepted_size.into());
            return Err(ProbeError::Unexpected { what: "size of a virtio queue, as it was set", wanted, found });
        }
        if let Some(entry) = entry {
            common.write(&QUEUE_MSIX_VECTOR, entry);
            check_entry("MSI-X entry for a virtio queue", entry, common.read(&QUEUE_MSIX_VECTOR))?;
        }
        let doorbell = self.device.structures.doorbell(index, common.read(&QUEUE_NOTIFY_OFF))?;
        let split = SplitQueue::new(dma, self.features, QueueParameters { size, ..parameters })?;
        let addresses = split.addresses();
        common.write_address_pair(&QUEUE_DESC, addresses.descriptors);
        common.write_address_pair(&QUEUE_DRIVER, addresses.available);
        common.write_address_pair(&QUEUE_DEVICE, addresses.used);
        common.write(&QUEUE_ENABLE, 1);
        Ok(Queue::new(split, doorbell))
    }

    /// Starts the device. Its interrupts must be registered and unmasked before: the first one may come at once.
    #[must_use]
    pub fn start(self) -> Running {
        self.device.interrupt_status.set_live(true);
        self.device.add_status(DeviceStatus::DRIVER_OK);
        Running { device: self.device }
    }
}

/// Checks that the device has accepted an entry of the MSI-X table.
fn check_entry(what: &'static str, entry: u16, found: u16) -> Result<(), ProbeError> {
    // A device that cannot use one more vector refuses by the value that the register reads.
    debug_assert_ne!(entry, NO_VECTOR, "a table has at most 2,048 entries");
    if found == entry {
        Ok(())
    } else {
        Err(ProbeError::Unexpected { what, wanted: entry.into(), found: found.into() })
    }
}

/// A running device. Dropping it resets the device.
#[derive(Debug)]
pub struct Running {
    device: Device,
}

impl Running {
    /// Reads fields of the configuration that belong together.
    ///
    /// # Errors
    /// [`ProbeError::Device`] when it changes all the time.
    pub fn read_config<R>(&self, read: impl FnMut() -> R) -> Result<R, ProbeError> {
        self.device.read_config(read)
    }

    /// Returns whether the device reports a fatal error (DEVICE_NEEDS_RESET, 2.1.1). A removed device does not.
    #[must_use]
    pub fn needs_reset(&self) -> bool {
        let status = self.device.status();
        if status.bits() == u8::MAX && self.presence().confirm().is_err() {
            return false;
        }
        status.contains(DeviceStatus::NEEDS_RESET)
    }

    /// Returns the presence of the device on the bus.
    #[must_use]
    pub fn presence(&self) -> &Presence {
        self.device.interrupt_status.presence()
    }

    /// Quarantines a device that violated the specification: isolates it from the bus, which needs no cooperation of the device, and
    /// resets it.
    pub fn quarantine(&self, reason: impl fmt::Display) {
        log::error!("{}: quarantined: {reason}", self.device.address);
        self.device.bus.isolate();
        self.device.stop();
    }

    /// Returns the address of the device.
    #[must_use]
    pub fn address(&self) -> Address {
        self.device.address
    }
}
