//! The locations of the structures of a device, from its vendor capabilities (virtio 1.2, 4.1.4).
//!
//! A capability has a BAR, an offset and a length. None of them is trusted: their values are checked here, and the resulting range
//! when it is mapped.

use switchboard::bar::BarKind;
use switchboard::driver::ProbeError;
use switchboard::function::Config;
use switchboard::mmio::{Bar, BarWindows, MapError, RegisterBlock, UnmappedBar};

use super::doorbell::{Doorbell, Notify};
use super::registers::{Common, IsrStatus};

const ID_VENDOR: u8 = 0x09;
/// The length of a capability in bytes, and of the one for notifications.
const LENGTH: u8 = 16;
const NOTIFY_LENGTH: u8 = 20;

const COMMON: u8 = 1;
const NOTIFY: u8 = 2;
const ISR: u8 = 3;
const DEVICE: u8 = 4;

/// A structure whose length only the device knows.
pub(super) struct Bytes;

impl RegisterBlock for Bytes {
    const SIZE: u64 = 0;
}

/// The location of a structure.
#[derive(Debug, Clone, Copy)]
struct Location {
    bar: usize,
    offset: u64,
    length: u64,
}

/// The locations of the structures of a device, and its BARs.
#[derive(Debug)]
pub(super) struct Structures {
    windows: [Option<BarWindows>; 6],
    common: Location,
    isr: Location,
    notify: Location,
    notify_multiplier: u64,
    device: Option<Location>,
}

impl Structures {
    /// Reads the capabilities. Of several for one structure, the first usable one counts (4.1.4.1). One in an I/O BAR is not usable
    /// here; devices have a second one for this case.
    pub(super) fn find(config: &Config, bars: [UnmappedBar; 6]) -> Result<Self, ProbeError> {
        let mut found = [None; 5];
        let mut notify_multiplier = 0_u64;
        let mut refusal = None;
        for capability in config.capabilities().iter().filter(|capability| capability.id == ID_VENDOR) {
            let kind = config.read_u8(capability.offset + 3);
            let Some(entry @ None) = found.get_mut(usize::from(kind)) else { continue };
            match read(config, capability.offset, kind, &bars) {
                Ok(location) => {
                    *entry = Some(location);
                    if kind == NOTIFY {
                        notify_multiplier = config.read_u32(capability.offset + 16).into();
                    }
                }
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        if found.iter().all(Option::is_none) && refusal.is_none() {
            // With QEMU, `disable-modern=on` does this. Version 0.9.5 has no capabilities.
            let what = "the device has only the legacy interface of virtio, before version 1, which is not supported";
            return Err(ProbeError::Device(what));
        }
        let need = |kind: u8, what| found[usize::from(kind)].ok_or(refusal.clone().unwrap_or(ProbeError::Device(what)));
        let common = need(COMMON, "the virtio capability for the common configuration is missing")?;
        let notify = need(NOTIFY, "the virtio capability for notifications is missing")?;
        let isr = need(ISR, "the virtio capability for the ISR status is missing")?;
        // 0 or an even power of two, since notification registers are 16 bits wide (4.1.4.4).
        if notify_multiplier != 0 && (notify_multiplier == 1 || !notify_multiplier.is_power_of_two()) {
            let what = "virtio notify offset multiplier, an even power of two";
            let wanted = notify_multiplier.next_power_of_two().max(2);
            return Err(ProbeError::Unexpected { what, wanted, found: notify_multiplier });
        }
        let device = found[usize::from(DEVICE)];
        let used = [Some(common), Some(notify), Some(isr), device];
        let mut windows = [const { None }; 6];
        for (index, bar) in bars.into_iter().enumerate() {
            if used.iter().flatten().any(|location| location.bar == index) {
                windows[index] = Some(bar.windows()?);
            }
        }
        Ok(Self { windows, common, isr, notify, notify_multiplier, device })
    }

    /// Maps the common configuration.
    pub(super) fn common(&self) -> Result<Bar<Common>, ProbeError> {
        self.map(self.common, Common::SIZE)
    }

    /// Maps the ISR status.
    pub(super) fn isr(&self) -> Result<Bar<IsrStatus>, ProbeError> {
        self.map(self.isr, IsrStatus::SIZE)
    }

    /// Maps the device configuration, as much of it as `B` has.
    pub(super) fn device<B: RegisterBlock>(&self) -> Result<Bar<B>, ProbeError> {
        self.map(self.device_location()?, B::SIZE)
    }

    /// Maps the first bytes of the device configuration.
    pub(super) fn device_bytes(&self, length: u64) -> Result<Bar<Bytes>, ProbeError> {
        self.map(self.device_location()?, length)
    }

    fn device_location(&self) -> Result<Location, ProbeError> {
        self.device.ok_or(ProbeError::Device("the virtio capability for the device configuration is missing"))
    }

    /// Maps the doorbell of a queue whose `queue_notify_off` is `notify_off`.
    pub(super) fn doorbell(&self, queue: u16, notify_off: u16) -> Result<Doorbell, ProbeError> {
        // At most 2^48, so the sums do not overflow.
        let at = u64::from(notify_off) * self.notify_multiplier;
        if at + Notify::SIZE > self.notify.length {
            let what = "end of a virtio doorbell, within its structure";
            return Err(ProbeError::Unexpected { what, wanted: self.notify.length, found: at + Notify::SIZE });
        }
        let location = Location { offset: self.notify.offset + at, length: Notify::SIZE, ..self.notify };
        Ok(Doorbell::new(self.map(location, Notify::SIZE)?, queue))
    }

    fn map<B: RegisterBlock>(&self, location: Location, length: u64) -> Result<Bar<B>, ProbeError> {
        let Some(windows) = &self.windows[location.bar] else { unreachable!("a BAR with a structure has windows") };
        // Only what is used is mapped: the length in the capability may be that of the whole BAR.
        if length > location.length {
            let what = "length of a virtio structure";
            return Err(ProbeError::Unexpected { what, wanted: length, found: location.length });
        }
        Ok(windows.map(location.offset, length)?)
    }
}

/// Reads one capability and checks it against the BARs.
fn read(config: &Config, at: u16, kind: u8, bars: &[UnmappedBar; 6]) -> Result<Location, ProbeError> {
    let wanted = if kind == NOTIFY { NOTIFY_LENGTH } else { LENGTH };
    let length = config.read_u8(at + 2);
    if length < wanted || at + u16::from(length) > 256 {
        let what = "length of a virtio capability";
        return Err(ProbeError::Unexpected { what, wanted: wanted.into(), found: length.into() });
    }
    let bar = config.read_u8(at + 4);
    let Some(unmapped) = bars.get(usize::from(bar)) else {
        return Err(ProbeError::Unexpected {
            what: "BAR of a virtio capability, 0 to 5",
            wanted: 5,
            found: bar.into(),
        });
    };
    let facts = unmapped.facts().ok_or(MapError::Missing { index: bar })?;
    if facts.kind == BarKind::Io {
        return Err(MapError::Io { index: bar }.into());
    }
    let location =
        Location { bar: bar.into(), offset: config.read_u32(at + 8).into(), length: config.read_u32(at + 12).into() };
    // The sum of two 32-bit values does not overflow.
    if location.offset + location.length > facts.size {
        let wanted = location.offset + location.length;
        return Err(MapError::TooSmall { index: bar, wanted, size: facts.size }.into());
    }
    Ok(location)
}
