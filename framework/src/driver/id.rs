//! Match tables: the functions that a driver matches, and the choice among several drivers that match one.

use core::fmt;

use crate::config::{Class, SlotCapabilities};
use crate::function::Function;

/// An entry of a match table: the ids that a function must have for a driver to match it.
///
/// ```
/// use switchboard::driver::Id;
///
/// const MATCHES: &[Id] = &[
///     // A device, and another device only on one board.
///     Id::new(0x8086, 0x100e),
///     Id::new(0x8086, 0x100f).subsystem(0x15ad, 0x0750),
///     // Every NVM Express controller.
///     Id::class(0x01, 0x08).interface(0x02),
/// ];
/// # assert!(MATCHES[1].specificity() > MATCHES[0].specificity());
/// # assert!(MATCHES[0].specificity() > MATCHES[2].specificity());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id {
    device: Option<(u16, u16)>,
    subsystem: Option<(u16, u16)>,
    class: Option<(u8, Option<u8>, Option<u8>)>,
    is_hot_plug_port: bool,
}

impl Id {
    const ANY: Self = Self { device: None, subsystem: None, class: None, is_hot_plug_port: false };

    /// Matches a Vendor ID and a Device ID.
    #[must_use]
    pub const fn new(vendor: u16, device: u16) -> Self {
        Self { device: Some((vendor, device)), ..Self::ANY }
    }

    /// Matches a class: base class and sub-class, with any programming interface.
    #[must_use]
    pub const fn class(base: u8, sub: u8) -> Self {
        Self { class: Some((base, Some(sub), None)), ..Self::ANY }
    }

    /// Matches a base class, with any sub-class.
    #[must_use]
    pub const fn base_class(base: u8) -> Self {
        Self { class: Some((base, None, None)), ..Self::ANY }
    }

    /// Matches a PCI Express port with a hot-plug capable slot, by its capability.
    #[must_use]
    pub const fn hot_plug_port() -> Self {
        Self { is_hot_plug_port: true, ..Self::ANY }
    }

    /// Requires a programming interface as well.
    ///
    /// # Panics
    /// At compile time in a constant, when this is not an [`Id::class`]: a programming interface has no meaning without
    /// its class.
    #[must_use]
    pub const fn interface(self, interface: u8) -> Self {
        match self.class {
            Some((base, Some(sub), _)) => Self { class: Some((base, Some(sub), Some(interface))), ..self },
            _ => panic!("a programming interface belongs to a class and sub-class"),
        }
    }

    /// Requires a Subsystem Vendor ID and a Subsystem ID as well.
    #[must_use]
    pub const fn subsystem(self, vendor: u16, device: u16) -> Self {
        Self { subsystem: Some((vendor, device)), ..self }
    }

    /// Returns whether the function has all ids that this entry requires.
    #[must_use]
    pub fn matches(self, function: &Function) -> bool {
        let Class { base, sub, interface } = function.class();
        self.device.is_none_or(|ids| function.id() == ids)
            && self.subsystem.is_none_or(|ids| function.subsystem() == Some(ids))
            && self.class.is_none_or(|(wanted, wanted_sub, wanted_interface)| {
                let is_it = |wanted: Option<u8>, found| wanted.is_none_or(|wanted| wanted == found);
                wanted == base && is_it(wanted_sub, sub) && is_it(wanted_interface, interface)
            })
            && (!self.is_hot_plug_port || function.slot().is_some_and(SlotCapabilities::is_hot_plug_capable))
    }

    /// Returns how specific this entry is; the larger number wins when several match. A subsystem counts more than a device, a
    /// device more than the hot-plug capability, and that more than a class. A class with a programming interface counts more
    /// than one with a sub-class, and that more than a base class.
    #[must_use]
    pub const fn specificity(self) -> u8 {
        let class = match self.class {
            None => 0,
            Some((_, None, _)) => 1,
            Some((_, Some(_), None)) => 2,
            Some((_, Some(_), Some(_))) => 3,
        };
        class
            | (self.is_hot_plug_port as u8) << 2
            | (self.device.is_some() as u8) << 3
            | (self.subsystem.is_some() as u8) << 4
    }
}

impl fmt::Display for Id {
    /// Writes the ids as in `lspci -n`, each that is required: `8086:100e`, `subsystem 15ad:0750`, `class 0108.02`.
    ///
    /// ```
    /// use switchboard::driver::Id;
    ///
    /// assert_eq!(Id::new(0x8086, 0x100f).subsystem(0x15ad, 0x0750).to_string(), "8086:100f subsystem 15ad:0750");
    /// assert_eq!(Id::class(0x01, 0x08).interface(0x02).to_string(), "class 0108.02");
    /// assert_eq!(Id::base_class(0x02).to_string(), "class 02");
    /// assert_eq!(Id::hot_plug_port().to_string(), "port with a hot-plug slot");
    /// ```
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut part = |arguments: fmt::Arguments<'_>| {
            f.write_str(separator)?;
            separator = " ";
            f.write_fmt(arguments)
        };
        if let Some((vendor, device)) = self.device {
            part(format_args!("{vendor:04x}:{device:04x}"))?;
        }
        if let Some((vendor, device)) = self.subsystem {
            part(format_args!("subsystem {vendor:04x}:{device:04x}"))?;
        }
        match self.class {
            None => {}
            Some((base, None, _)) => part(format_args!("class {base:02x}"))?,
            Some((base, Some(sub), None)) => part(format_args!("class {base:02x}{sub:02x}"))?,
            Some((base, Some(sub), Some(interface))) => {
                part(format_args!("class {base:02x}{sub:02x}.{interface:02x}"))?;
            }
        }
        if self.is_hot_plug_port {
            part(format_args!("port with a hot-plug slot"))?;
        }
        Ok(())
    }
}

/// Returns the candidate whose match table has the [most specific](Id::specificity) entry for the function, or `None` when
/// no entry matches. Among equally specific entries, the first candidate wins.
///
/// ```
/// use switchboard::driver::{Id, best_match};
/// use switchboard::function::Function;
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// const GENERIC: &[Id] = &[Id::class(0x0c, 0x03).interface(0x30)];
/// const QUIRKY: &[Id] = &[Id::new(0x1033, 0x0194)];
///
/// fn driver_name(function: &Function) -> Option<&'static str> {
///     best_match(function, [("generic", GENERIC), ("quirky", QUIRKY)])
/// }
///
/// # let xhci = |device, at| FakeFunction::new(0x1033, device).at(at).byte(9, 0x30).byte(10, 3).byte(11, 0x0c);
/// # let fake = FakeMachine::new([xhci(0x0194, "00:03.0"), xhci(0x0195, "00:04.0")]);
/// # let [first, second] = fake.machine().take_all().try_into().unwrap();
/// assert_eq!(driver_name(&first), Some("quirky"), "Device ID 0x0194");
/// assert_eq!(driver_name(&second), Some("generic"), "Device ID 0x0195");
/// ```
pub fn best_match<'a, T>(function: &Function, candidates: impl IntoIterator<Item = (T, &'a [Id])>) -> Option<T> {
    let mut best = None;
    for (candidate, matches) in candidates {
        let fitting = matches.iter().filter(|id| id.matches(function));
        let Some(specificity) = fitting.map(|id| id.specificity()).max() else { continue };
        if best.as_ref().is_none_or(|(_, other)| specificity > *other) {
            best = Some((candidate, specificity));
        }
    }
    best.map(|(candidate, _)| candidate)
}
