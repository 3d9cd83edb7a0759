//! The kernel command line: a few options, and after `--` the app's own words.
//!
//! ```text
//! irq=auto|msix|msi|intx  log=off|error|warn|info|debug|trace  app=NAME
//! ip=dhcp|A.B.C.D/N[,GATEWAY]  vectors=N  grace=N  spin=N  poll=N  -- WORDS FOR THE APP
//! ```
//!
//! A mistake never stops the machine: the option keeps its default, and a [`Warning`] says what is allowed.

use core::fmt;
use core::net::Ipv4Addr;

use log::LevelFilter;
use switchboard::interrupt::ModePolicy;
use switchboard_drivers::hotplug::GRACE_MS;

/// About as long as a halted CPU takes to wake, where it is emulated; see [`Spin`](crate::halt_polling::HaltPolling).
const DEFAULT_SPIN_US: u16 = 50;
/// As long as a host lets one thread run while another waits: a peer on the same host may be that other. See
/// [`AdaptivePolling`](switchboard_drivers::adaptive_polling::AdaptivePolling).
const DEFAULT_POLL_US: u16 = 4000;
const MAX_SPIN_US: u16 = 1000;
const MAX_POLL_US: u16 = 10_000;

/// Every option and what it takes, for warnings and help.
const OPTIONS: [(&str, &str); 8] = [
    ("irq", "auto, msix, msi or intx"),
    ("log", "off, error, warn, info, debug or trace"),
    ("app", "the name of an app"),
    ("ip", "dhcp or A.B.C.D/N[,GATEWAY] with N from 0 to 32"),
    ("vectors", "a number of interrupt vectors"),
    ("grace", "milliseconds within which a second press of a slot's button takes back the first"),
    ("spin", "microseconds to wait awake for before the CPU is halted, up to 1000, when that has paid off of late"),
    ("poll", "microseconds to poll a device for after an event, up to 10000, while that is faster than interrupts"),
];

/// Where an IPv4 address comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressSource {
    /// From a DHCP server.
    Dhcp,
    /// From the command line.
    Static {
        /// The address.
        address: Ipv4Addr,
        /// Leading bits that the network shares, 0 to 32.
        prefix: u8,
        /// The router for all other networks.
        gateway: Option<Ipv4Addr>,
    },
}

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options<'a> {
    /// The interrupt modes that may be granted.
    pub policy: ModePolicy,
    /// How much is logged.
    pub log: LevelFilter,
    /// The app to run; empty for the first one of the image.
    pub app: &'a str,
    /// Where the IPv4 address comes from.
    pub address: AddressSource,
    /// At most this many interrupt vectors for drivers.
    pub max_vectors: Option<usize>,
    /// How long the removal of what is in a slot can be taken back at its attention button, in milliseconds.
    pub grace_ms: u32,
    /// How long the CPU may wait awake before it is halted, in microseconds.
    pub spin_us: u16,
    /// How long a network card is polled after a frame, in microseconds.
    pub poll_us: u16,
    /// What follows `--`, for the app to read.
    pub arguments: &'a str,
}

impl Options<'_> {
    /// Returns how long a device may be polled after an event, in nanoseconds.
    #[must_use]
    pub fn poll_budget_ns(&self) -> u64 {
        u64::from(self.poll_us) * 1000
    }
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            policy: ModePolicy::all(),
            log: LevelFilter::Info,
            app: "",
            address: AddressSource::Dhcp,
            max_vectors: None,
            grace_ms: GRACE_MS,
            spin_us: DEFAULT_SPIN_US,
            poll_us: DEFAULT_POLL_US,
            arguments: "",
        }
    }
}

/// One option that was not understood. Displays as one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning<'a> {
    /// No such option.
    Unknown {
        /// The word as it was written.
        word: &'a str,
    },
    /// The option is known, its value is not.
    BadValue {
        /// The word as it was written.
        word: &'a str,
        /// What the option takes.
        allowed: &'static str,
    },
}

impl fmt::Display for Warning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadValue { word, allowed } => {
                write!(f, "kernel option `{word}` is ignored: it takes {allowed}")
            }
            Self::Unknown { word } => {
                write!(f, "kernel option `{word}` is unknown and ignored: the options are")?;
                for (index, (name, allowed)) in OPTIONS.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ";" };
                    write!(f, "{separator} {name}= {allowed}")?;
                }
                Ok(())
            }
        }
    }
}

/// Reads a command line, and tells `warn` of each mistake. The last of several equal options counts.
///
/// Allocates nothing: the options say how the machine is to be brought up, so they are read before there is a heap.
pub fn parse<'a>(line: &'a str, mut warn: impl FnMut(Warning<'a>)) -> Options<'a> {
    let (mine, arguments) = split_arguments(line);
    let mut options = Options { arguments, ..Options::default() };
    for word in mine.split_ascii_whitespace() {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let Some((_, allowed)) = OPTIONS.iter().find(|(known, _)| *known == name) else {
            warn(Warning::Unknown { word });
            continue;
        };
        if apply(&mut options, name, value).is_none() {
            warn(Warning::BadValue { word, allowed });
        }
    }
    options
}

/// Cuts the line at the first word that is just `--`.
fn split_arguments(line: &str) -> (&str, &str) {
    let mut from = 0;
    while let Some(found) = line[from..].find("--").map(|at| from + at) {
        let (before, after) = (&line[..found], &line[found + 2..]);
        let is_word = before.chars().next_back().is_none_or(char::is_whitespace)
            && after.chars().next().is_none_or(char::is_whitespace);
        if is_word {
            return (before, after.trim());
        }
        from = found + 2;
    }
    (line, "")
}

/// Sets one option, or gives `None` for a value that it does not take.
fn apply<'a>(options: &mut Options<'a>, name: &str, value: &'a str) -> Option<()> {
    match name {
        "irq" => {
            options.policy = match value {
                "auto" => ModePolicy::all(),
                "msix" => ModePolicy::MSIX,
                "msi" => ModePolicy::MSI,
                "intx" => ModePolicy::INTX,
                _ => return None,
            };
        }
        "log" => options.log = value.parse().ok()?,
        "app" if !value.is_empty() => options.app = value,
        "ip" => options.address = parse_address(value)?,
        "spin" => options.spin_us = value.parse().ok().filter(|spin| *spin <= MAX_SPIN_US)?,
        "poll" => options.poll_us = value.parse().ok().filter(|poll| *poll <= MAX_POLL_US)?,
        "vectors" => options.max_vectors = Some(value.parse().ok()?),
        "grace" => options.grace_ms = value.parse().ok()?,
        _ => return None,
    }
    Some(())
}

fn parse_address(value: &str) -> Option<AddressSource> {
    if value == "dhcp" {
        return Some(AddressSource::Dhcp);
    }
    let (network, gateway) = match value.split_once(',') {
        Some((network, gateway)) => (network, Some(gateway.parse().ok()?)),
        None => (value, None),
    };
    let (address, prefix) = network.split_once('/')?;
    let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
    Some(AddressSource::Static { address: address.parse().ok()?, prefix, gateway })
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use super::*;

    fn parse(line: &str) -> (Options<'_>, Vec<Warning<'_>>) {
        let mut warnings = Vec::new();
        let options = super::parse(line, |warning| warnings.push(warning));
        (options, warnings)
    }

    #[test]
    fn nothing_means_the_defaults() {
        assert_eq!(parse(""), (Options::default(), Vec::new()));
    }

    #[test]
    fn every_option_is_read() {
        let (options, warnings) = parse(
            "irq=msi log=debug app=disk ip=192.168.7.2/24,192.168.7.1 vectors=3 grace=0 spin=7 poll=0 -- write 7 two  words",
        );
        let gateway = Some(Ipv4Addr::new(192, 168, 7, 1));
        assert_eq!(warnings, []);
        assert_eq!(options.policy, ModePolicy::MSI);
        assert_eq!(options.log, LevelFilter::Debug);
        assert_eq!(options.app, "disk");
        assert_eq!(
            options.address,
            AddressSource::Static { address: Ipv4Addr::new(192, 168, 7, 2), prefix: 24, gateway }
        );
        assert_eq!(options.max_vectors, Some(3));
        assert_eq!((options.spin_us, options.poll_us), (7, 0));
        assert_eq!(options.grace_ms, 0);
        assert_eq!(options.arguments, "write 7 two  words");
    }

    #[test]
    fn the_last_option_counts() {
        assert_eq!(parse("irq=msi irq=intx").0.policy, ModePolicy::INTX);
    }

    #[test]
    fn mistakes_keep_the_default_and_say_what_is_allowed() {
        for (line, part) in [
            ("irq=fast", "auto, msix, msi or intx"),
            ("log=loud", "warn"),
            ("app=", "name of an app"),
            ("app", "name of an app"),
            ("ip=10.0.0.1", "A.B.C.D/N"),
            ("ip=10.0.0.1/33", "A.B.C.D/N"),
            ("ip=10.0.0.1/24,here", "GATEWAY"),
            ("vectors=-1", "a number"),
            ("spin=1001", "microseconds"),
            ("poll=10001", "microseconds"),
            ("poll=x", "microseconds"),
            ("grace=long", "milliseconds"),
            ("colour=red", "irq= auto, msix, msi or intx; log="),
        ] {
            let (options, warnings) = parse(line);
            assert_eq!(options, Options::default(), "{line}");
            let text = warnings[0].to_string();
            assert!(text.contains(line) && text.contains(part) && !text.contains('\n'), "{line}: {text}");
        }
    }

    #[test]
    fn only_a_word_of_two_dashes_ends_the_options() {
        let (options, warnings) = parse("--app=disk --");
        assert_eq!(options.arguments, "");
        assert_eq!(warnings, [Warning::Unknown { word: "--app=disk" }]);
        assert_eq!(parse("-- app=edu").0, Options { arguments: "app=edu", ..Options::default() });
    }
}
