//! Parses the kernel command line: options of the machine, and after `--` the app's own arguments.
//!
//! ```text
//! irq=auto|msix|msi|intx  log=off|error|warn|info|debug|trace  log-time=boot|utc  app=NAME
//! ip=dhcp|A.B.C.D/N[,GATEWAY][,X:X::X/N][,GATEWAY][,auto6|off6]
//! dns=ADDRESS[,..]  search=DOMAIN[,..]  hostname=NAME  ntp=ADDRESS[,..]
//! vectors=N  grace=MS  spin=US  poll=US  services=echo,discard,chargen|all|none  -- ARGUMENTS OF THE APP
//! ```
//!
//! An invalid option never stops the machine: it keeps its default, and a [`Warning`] names what is allowed.

mod ipv6;
mod lists;

use core::fmt;
use core::net::Ipv4Addr;

use log::LevelFilter;
use switchboard::interrupt::ModePolicy;
use switchboard_drivers::hotplug::GRACE_MS;

use self::lists::is_label;

pub use self::ipv6::{Ipv6Word, Ipv6Words};
pub use self::lists::{AddressList, NameList};

/// About as long as a halted emulated CPU takes to wake; see [`HaltPolling`](crate::halt_polling::HaltPolling).
const DEFAULT_SPIN_US: u16 = 50;
/// About one time slice of the host's scheduler: a peer on the same host may be waiting for the same CPU. See
/// [`AdaptivePolling`](switchboard_drivers::adaptive_polling::AdaptivePolling).
const DEFAULT_POLL_US: u16 = 4000;
const MAX_SPIN_US: u16 = 1000;
const MAX_POLL_US: u16 = 10_000;

/// The options with their allowed values, for warnings.
const OPTIONS: [(&str, &str); 14] = [
    ("irq", "auto, msix, msi or intx"),
    ("log", "off, error, warn, info, debug or trace"),
    ("log-time", "boot or utc: the time of log lines"),
    ("app", "the name of an app"),
    ("ip", "dhcp or A.B.C.D/N[,GATEWAY] with N from 0 to 32, and X:X::X/N, GATEWAY, auto6 or off6 for IPv6"),
    ("dns", "addresses of DNS servers, with commas between them"),
    ("search", "domains, with commas between them, that names without a dot are looked up in"),
    ("hostname", "a name of letters, digits and hyphens, up to 63, which is also announced as NAME.local"),
    ("ntp", "addresses of NTP servers, with commas between them"),
    ("vectors", "a number of interrupt vectors"),
    ("grace", "milliseconds within which a second press of a slot's attention button cancels the first"),
    ("spin", "microseconds that an idle CPU may poll before it halts, up to 1000"),
    ("poll", "microseconds to poll a device for after an event, up to 10000, while that is faster than interrupts"),
    ("services", "none, all, or a list of echo, discard and chargen with commas between"),
];

/// The source of an interface's IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressSource {
    /// From a DHCP server.
    Dhcp,
    /// From the command line.
    Static {
        /// The address.
        address: Ipv4Addr,
        /// The prefix length in bits, 0 to 32.
        prefix: u8,
        /// The default gateway.
        gateway: Option<Ipv4Addr>,
    },
}

/// A selection of the simple services of RFC 862 to 864; by default none.
///
/// ```
/// use switchboard_runtime::command_line::{SimpleServices, parse};
///
/// let services = |line| parse(line, |warning| panic!("{warning}")).services;
/// assert_eq!(services(""), SimpleServices::NONE);
/// assert_eq!(services("services=all"), SimpleServices { echo: true, discard: true, chargen: true });
/// assert_eq!(services("services=echo"), SimpleServices { echo: true, ..SimpleServices::NONE });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SimpleServices {
    /// Echo (RFC 862): TCP and UDP port 7.
    pub echo: bool,
    /// Discard (RFC 863): TCP port 9.
    pub discard: bool,
    /// Character generator (RFC 864): TCP port 19.
    pub chargen: bool,
}

impl SimpleServices {
    /// No service.
    pub const NONE: Self = Self { echo: false, discard: false, chargen: false };
    /// Every service.
    pub const ALL: Self = Self { echo: true, discard: true, chargen: true };

    fn parse(value: &str) -> Option<Self> {
        match value {
            "none" => return Some(Self::NONE),
            "all" => return Some(Self::ALL),
            _ => {}
        }
        let mut services = Self::NONE;
        for name in value.split(',') {
            match name {
                "echo" => services.echo = true,
                "discard" => services.discard = true,
                "chargen" => services.chargen = true,
                _ => return None,
            }
        }
        Some(services)
    }
}

/// The time that log lines begin with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogTime {
    /// Seconds since boot.
    #[default]
    Boot,
    /// Date and time of day, as soon as they are known.
    Utc,
}

/// The options of a command line.
///
/// [`Options::default`] is an empty command line. Made by [`parse`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options<'a> {
    /// The interrupt modes that may be granted.
    pub policy: ModePolicy,
    /// The most detailed log level that is printed.
    pub log: LevelFilter,
    /// The time that log lines begin with.
    pub log_time: LogTime,
    /// The name of the app to run; empty for the image's first app.
    pub app: &'a str,
    /// The source of every interface's IPv4 address.
    pub address: AddressSource,
    /// What `ip=` has about IPv6 on the first interface.
    pub ipv6: Ipv6Words<'a>,
    /// The DNS servers, instead of those that the network offers.
    pub dns_servers: AddressList<'a>,
    /// The search domains, instead of those that the network offers.
    pub search_domains: NameList<'a>,
    /// The host name, instead of the one that the network assigns; empty for none.
    pub hostname: &'a str,
    /// The NTP servers, instead of those that the network offers.
    pub ntp_servers: AddressList<'a>,
    /// The limit of interrupt vectors for drivers, if any.
    pub max_vectors: Option<usize>,
    /// Milliseconds within which a removal that was requested at a slot's attention button can be cancelled there.
    pub grace_ms: u32,
    /// Microseconds that the idle CPU may poll for before it halts; 0 for never.
    pub spin_us: u16,
    /// Microseconds that a device may be polled for after an event; 0 for never.
    pub poll_us: u16,
    /// The simple services of each network interface.
    pub services: SimpleServices,
    /// The text after `--`: the app's own arguments.
    pub arguments: &'a str,
}

impl Options<'_> {
    /// Returns [`poll_us`](Self::poll_us) in nanoseconds.
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
            log_time: LogTime::default(),
            app: "",
            address: AddressSource::Dhcp,
            ipv6: Ipv6Words::default(),
            dns_servers: AddressList::default(),
            search_domains: NameList::default(),
            hostname: "",
            ntp_servers: AddressList::default(),
            max_vectors: None,
            grace_ms: GRACE_MS,
            spin_us: DEFAULT_SPIN_US,
            poll_us: DEFAULT_POLL_US,
            services: SimpleServices::NONE,
            arguments: "",
        }
    }
}

/// An option that was ignored. Displays as one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning<'a> {
    /// There is no such option.
    Unknown {
        /// The option as it was written.
        word: &'a str,
    },
    /// The option does not take this value.
    BadValue {
        /// The option as it was written.
        word: &'a str,
        /// The allowed values.
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

/// Parses a command line, and calls `warn` for each option that is ignored.
///
/// The last of several equal options counts. Allocates nothing, because the options are needed before there is a heap.
///
/// ```
/// use switchboard_runtime::command_line::{Warning, parse};
///
/// let mut warnings = Vec::new();
/// let options = parse("app=disk poll=200 colour=red -- read 0", |warning| warnings.push(warning));
/// assert_eq!((options.app, options.arguments), ("disk", "read 0"));
/// assert_eq!(options.poll_budget_ns(), 200_000);
/// assert_eq!(warnings, [Warning::Unknown { word: "colour=red" }]);
/// ```
pub fn parse<'a>(line: &'a str, mut warn: impl FnMut(Warning<'a>)) -> Options<'a> {
    let (own, arguments) = split_arguments(line);
    let mut options = Options { arguments, ..Options::default() };
    for word in own.split_ascii_whitespace() {
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

/// Splits the line at the first word that is exactly `--`.
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

/// Sets one option; `None` for a value that it does not take.
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
        "log-time" => {
            options.log_time = match value {
                "boot" => LogTime::Boot,
                "utc" => LogTime::Utc,
                _ => return None,
            };
        }
        "app" if !value.is_empty() => options.app = value,
        "ip" => (options.address, options.ipv6) = parse_addresses(value)?,
        "dns" => options.dns_servers = AddressList::parse(value)?,
        "search" => options.search_domains = NameList::parse(value)?,
        "hostname" => options.hostname = Some(value).filter(|name| is_label(name))?,
        "ntp" => options.ntp_servers = AddressList::parse(value)?,
        "spin" => options.spin_us = value.parse().ok().filter(|spin| *spin <= MAX_SPIN_US)?,
        "poll" => options.poll_us = value.parse().ok().filter(|poll| *poll <= MAX_POLL_US)?,
        "vectors" => options.max_vectors = Some(value.parse().ok()?),
        "grace" => options.grace_ms = value.parse().ok()?,
        "services" => options.services = SimpleServices::parse(value)?,
        _ => return None,
    }
    Some(())
}

/// Splits the words of `ip=` by their protocol: the source of the IPv4 address, which is DHCP if there is none, and those
/// of IPv6.
fn parse_addresses(value: &str) -> Option<(AddressSource, Ipv6Words<'_>)> {
    let ipv6 = Ipv6Words::parse(value)?;
    let mut words = value.split(',').filter(|word| !Ipv6Words::is_ipv6(word));
    let source = match words.next() {
        None | Some("dhcp") => AddressSource::Dhcp,
        Some(network) => {
            let (address, prefix) = network.split_once('/')?;
            let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
            let gateway = words.next().map(str::parse).transpose().ok()?;
            AddressSource::Static { address: address.parse().ok()?, prefix, gateway }
        }
    };
    words.next().is_none().then_some((source, ipv6))
}

#[cfg(test)]
mod tests;
