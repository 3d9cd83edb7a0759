//! Where a device keeps its registers: the vendor capabilities (virtio 1.2, 4.1.4).
//!
//! A capability names a BAR, an offset and a length. All three are the device's words and are checked: here for
//! what they are, and by mapping for where they lead.

use switchboard::bar::BarKind;
use switchboard::driver::ProbeError;
use switchboard::function::Config;
use switchboard::mmio::{Bar, BarWindows, MapError, RegisterBlock, UnmappedBar};

use super::doorbell::{Doorbell, Notify};
use super::registers::{Common, IsrStatus};

const ID_VENDOR: u8 = 0x09;
/// Bytes of a capability, and of the one for notifications.
const LENGTH: u8 = 16;
const NOTIFY_LENGTH: u8 = 20;

const COMMON: u8 = 1;
const NOTIFY: u8 = 2;
const ISR: u8 = 3;
const DEVICE: u8 = 4;

/// Where a structure is.
#[derive(Debug, Clone, Copy)]
struct Place {
    bar: usize,
    offset: u64,
    length: u64,
}

/// The registers of a device.
#[derive(Debug)]
pub(super) struct Structures {
    windows: [Option<BarWindows>; 6],
    common: Place,
    isr: Place,
    notify: Place,
    notify_multiplier: u64,
    device: Option<Place>,
}

impl Structures {
    /// Reads the capabilities. Of several of a kind the first usable one counts (4.1.4.1); one in an I/O BAR is not
    /// usable here, and another is there for that reason.
    pub(super) fn find(config: &Config, bars: [UnmappedBar; 6]) -> Result<Self, ProbeError> {
        let mut found = [None; 5];
        let mut notify_multiplier = 0_u64;
        let mut refusal = None;
        for capability in config.capabilities().iter().filter(|capability| capability.id == ID_VENDOR) {
            let kind = config.read_u8(capability.offset + 3);
            let Some(slot @ None) = found.get_mut(usize::from(kind)) else { continue };
            match read(config, capability.offset, kind, &bars) {
                Ok(place) => {
                    *slot = Some(place);
                    if kind == NOTIFY {
                        notify_multiplier = config.read_u32(capability.offset + 16).into();
                    }
                }
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        let need = |kind: u8, what| found[usize::from(kind)].ok_or(refusal.clone().unwrap_or(ProbeError::Device(what)));
        let common = need(COMMON, "no modern virtio interface: a capability for the common configuration is missing")?;
        let notify = need(NOTIFY, "the virtio capability for notifications is missing")?;
        let isr = need(ISR, "the virtio capability for the ISR status is missing")?;
        // An even power of two, or none: notification registers are 16 bits wide (4.1.4.4).
        if notify_multiplier != 0 && (notify_multiplier == 1 || !notify_multiplier.is_power_of_two()) {
            let what = "virtio notify offset multiplier, an even power of two";
            let wanted = notify_multiplier.next_power_of_two().max(2);
            return Err(ProbeError::Unexpected { what, wanted, found: notify_multiplier });
        }
        let device = found[usize::from(DEVICE)];
        let used = [Some(common), Some(notify), Some(isr), device];
        let mut windows = [const { None }; 6];
        for (index, slot) in bars.into_iter().enumerate() {
            if used.iter().flatten().any(|place| place.bar == index) {
                windows[index] = Some(slot.windows()?);
            }
        }
        Ok(Self { windows, common, isr, notify, notify_multiplier, device })
    }

    pub(super) fn common(&self) -> Result<Bar<Common>, ProbeError> {
        self.map(self.common, Common::SIZE)
    }

    pub(super) fn isr(&self) -> Result<Bar<IsrStatus>, ProbeError> {
        self.map(self.isr, IsrStatus::SIZE)
    }

    /// The device's own configuration, as much of it as `B` needs.
    pub(super) fn device<B: RegisterBlock>(&self) -> Result<Bar<B>, ProbeError> {
        let missing = ProbeError::Device("the virtio capability for the device configuration is missing");
        self.map(self.device.ok_or(missing)?, B::SIZE)
    }

    /// The doorbell of a queue whose `queue_notify_off` is `notify_off`.
    pub(super) fn doorbell(&self, queue: u16, notify_off: u16) -> Result<Doorbell, ProbeError> {
        // At most 2^48, so the sums do not wrap.
        let at = u64::from(notify_off) * self.notify_multiplier;
        if at + Notify::SIZE > self.notify.length {
            let what = "end of a virtio doorbell, within its structure";
            return Err(ProbeError::Unexpected { what, wanted: self.notify.length, found: at + Notify::SIZE });
        }
        let place = Place { offset: self.notify.offset + at, length: Notify::SIZE, ..self.notify };
        Ok(Doorbell::new(self.map(place, Notify::SIZE)?, queue))
    }

    fn map<B: RegisterBlock>(&self, place: Place, length: u64) -> Result<Bar<B>, ProbeError> {
        let Some(windows) = &self.windows[place.bar] else { unreachable!("opened where a structure is") };
        // No more is mapped than is used: a length is the device's word too, and may be that of the whole BAR.
        if length > place.length {
            let what = "length of a virtio structure";
            return Err(ProbeError::Unexpected { what, wanted: length, found: place.length });
        }
        Ok(windows.map(place.offset, length)?)
    }
}

/// Reads one capability and checks it against the BARs there are.
fn read(config: &Config, at: u16, kind: u8, bars: &[UnmappedBar; 6]) -> Result<Place, ProbeError> {
    let wanted = if kind == NOTIFY { NOTIFY_LENGTH } else { LENGTH };
    let length = config.read_u8(at + 2);
    if length < wanted || at + u16::from(length) > 256 {
        let what = "length of a virtio capability";
        return Err(ProbeError::Unexpected { what, wanted: wanted.into(), found: length.into() });
    }
    let bar = config.read_u8(at + 4);
    let Some(slot) = bars.get(usize::from(bar)) else {
        return Err(ProbeError::Unexpected {
            what: "BAR of a virtio capability, 0 to 5",
            wanted: 5,
            found: bar.into(),
        });
    };
    let facts = slot.facts().ok_or(MapError::Missing { index: bar })?;
    if facts.kind == BarKind::Io {
        return Err(MapError::Io { index: bar }.into());
    }
    let place =
        Place { bar: bar.into(), offset: config.read_u32(at + 8).into(), length: config.read_u32(at + 12).into() };
    // Two 32-bit values: the sum does not wrap.
    if place.offset + place.length > facts.size {
        let wanted = place.offset + place.length;
        return Err(MapError::TooSmall { index: bar, wanted, size: facts.size }.into());
    }
    Ok(place)
}
