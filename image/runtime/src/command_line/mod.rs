//! Parses the kernel command line: options of the machine, and after `--` the app's own arguments.
//!
//! ```text
//! irq=auto|msix|msi|intx  log=off|error|warn|info|debug|trace  log-time=boot|utc  console=serial|virtio  shell=serial  app=NAME
//! ip=dhcp|linklocal|off4|A.B.C.D/N[,GATEWAY][,NET/N>GATEWAY][,X:X::X/N][,GATEWAY][,auto6|off6]
//! ip1=.. to ip7=.. as ip=, for the second interface and so on, in order of their PCI addresses
//! dns=ADDRESS[,..]  search=DOMAIN[,..]  hostname=NAME  ntp=ADDRESS[,..]
//! gsi=FUNCTION>GSI[,..]  vectors=N  cpus=N  irqcpus=boot|all  grace=MS  spin=US  poll=US  services=echo,discard,chargen|all|none
//! root=diskN|diskNpM|shareN|@NAME  -- ARGUMENTS OF THE APP
//! ```
//!
//! An invalid option never stops the machine: it keeps its default, and a [`Warning`] names what is allowed.

mod interface;
mod ipv6;
mod lines;
mod lists;
mod options;
mod root;
mod services;
mod warning;

use switchboard::interrupt::ModePolicy;

use self::interface::interface_of;
use self::lists::is_label;
use self::warning::OPTIONS;

pub use self::interface::{AddressSource, InterfaceOptions, MAX_INTERFACE_OPTIONS, StaticRoute};
pub use self::ipv6::{Ipv6Word, Ipv6Words};
pub use self::lines::LineRoutes;
pub use self::lists::{AddressList, NameList};
pub use self::options::{LogConsole, LogTime, Options};
pub use self::root::RootName;
pub use self::services::SimpleServices;
pub use self::warning::Warning;

const MAX_SPIN_US: u16 = 1000;
const MAX_POLL_US: u16 = 10_000;

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
        let listed = if interface_of(name).is_some() { "ip" } else { name };
        let Some((_, allowed)) = OPTIONS.iter().find(|(known, _)| *known == listed) else {
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
        "console" => {
            options.log_console = match value {
                "serial" => LogConsole::Serial,
                "virtio" => LogConsole::Device,
                _ => return None,
            };
        }
        "shell" => options.has_serial_shell = matches!(value, "serial").then_some(true)?,
        "app" if !value.is_empty() => options.app = value,
        "dns" => options.dns_servers = AddressList::parse(value)?,
        "search" => options.search_domains = NameList::parse(value)?,
        "hostname" => options.hostname = Some(value).filter(|name| is_label(name))?,
        "ntp" => options.ntp_servers = AddressList::parse(value)?,
        "spin" => options.spin_us = value.parse().ok().filter(|spin| *spin <= MAX_SPIN_US)?,
        "poll" => options.poll_us = value.parse().ok().filter(|poll| *poll <= MAX_POLL_US)?,
        "gsi" => options.line_routes = LineRoutes::parse(value)?,
        "cpus" => options.max_cpus = value.parse().ok().filter(|count| *count > 0)?,
        "irqcpus" => {
            options.is_spread = match value {
                "boot" => false,
                "all" => true,
                _ => return None,
            };
        }
        "vectors" => options.max_vectors = Some(value.parse().ok()?),
        "grace" => options.grace_ms = value.parse().ok()?,
        "root" => options.root = Some(RootName::parse(value)?),
        "services" => options.services = SimpleServices::parse(value)?,
        _ => *options.interfaces.get_mut(interface_of(name)?)? = InterfaceOptions::parse(value)?,
    }
    Some(())
}

#[cfg(test)]
mod tests;
