//! The options, and their values without a command line.

use log::LevelFilter;
use switchboard::interrupt::ModePolicy;
use switchboard_drivers::hotplug::GRACE_MS;

use super::interface::{InterfaceOptions, MAX_INTERFACE_OPTIONS};
use super::lines::LineRoutes;
use super::lists::{AddressList, NameList};
use super::root::RootName;
use super::services::SimpleServices;

/// About as long as a halted emulated CPU takes to wake; see [`HaltPolling`](crate::halt_polling::HaltPolling).
const DEFAULT_SPIN_US: u16 = 50;
/// About one time slice of the host's scheduler: a peer on the same host may be waiting for the same CPU. See
/// [`AdaptivePolling`](switchboard_drivers::adaptive_polling::AdaptivePolling).
const DEFAULT_POLL_US: u16 = 4000;

/// The time that log lines begin with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogTime {
    /// Seconds since boot.
    #[default]
    Boot,
    /// Date and time of day, as soon as they are known.
    Utc,
}

/// The console that gets what is printed, beside the serial port and the debug console.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogConsole {
    /// None.
    #[default]
    Serial,
    /// The first port of the first console device.
    Device,
}

/// The options of a command line.
///
/// [`Options::default`] is an empty command line. Made by [`parse`](super::parse).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options<'a> {
    /// The interrupt modes that may be granted.
    pub policy: ModePolicy,
    /// The most detailed log level that is printed.
    pub log: LevelFilter,
    /// The time that log lines begin with.
    pub log_time: LogTime,
    /// The console that gets what is printed, too.
    pub log_console: LogConsole,
    /// Whether the serial port has a shell, in an image that has one.
    pub has_serial_shell: bool,
    /// The name of the app to run; empty for the image's first app.
    pub app: &'a str,
    /// The addresses and routes of the interfaces, in order of their PCI addresses: `ip=`, `ip1=` and so on.
    pub interfaces: [InterfaceOptions<'a>; MAX_INTERFACE_OPTIONS],
    /// The DNS servers, instead of those that the network offers.
    pub dns_servers: AddressList<'a>,
    /// The search domains, instead of those that the network offers.
    pub search_domains: NameList<'a>,
    /// The host name, instead of the one that the network assigns; empty for none.
    pub hostname: &'a str,
    /// The NTP servers, instead of those that the network offers.
    pub ntp_servers: AddressList<'a>,
    /// The lines of functions, instead of those where chipset and firmware route them.
    pub line_routes: LineRoutes<'a>,
    /// The number of CPUs that run, at most.
    pub max_cpus: usize,
    /// Whether interrupts are granted on the CPU that has fewest, instead of on the boot CPU.
    pub is_spread: bool,
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
    /// The volume that apps may write; none without the option.
    pub root: Option<RootName<'a>>,
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
            log_console: LogConsole::default(),
            has_serial_shell: false,
            app: "",
            interfaces: [InterfaceOptions::default(); MAX_INTERFACE_OPTIONS],
            dns_servers: AddressList::default(),
            search_domains: NameList::default(),
            hostname: "",
            ntp_servers: AddressList::default(),
            line_routes: LineRoutes::default(),
            max_cpus: usize::MAX,
            is_spread: false,
            max_vectors: None,
            grace_ms: GRACE_MS,
            spin_us: DEFAULT_SPIN_US,
            poll_us: DEFAULT_POLL_US,
            services: SimpleServices::NONE,
            root: None,
            arguments: "",
        }
    }
}
