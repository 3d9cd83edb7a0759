//! Tests of the command line: each option, its limits and its warnings.

use alloc::string::ToString;
use alloc::vec::Vec;

use core::net::Ipv4Addr;

use log::LevelFilter;

use super::*;

fn parse(line: &str) -> (Options<'_>, Vec<Warning<'_>>) {
    let mut warnings = Vec::new();
    let options = super::parse(line, |warning| warnings.push(warning));
    (options, warnings)
}

#[test]
fn an_empty_line_gives_the_defaults() {
    assert_eq!(parse(""), (Options::default(), Vec::new()));
}

#[test]
fn every_option_is_parsed() {
    let (options, warnings) = parse(
        "irq=msi log=debug log-time=utc console=virtio shell=serial app=disk ip=192.168.7.2/24,192.168.7.1 vectors=3 grace=0 spin=7 poll=0 services=chargen,echo -- write 7 two  words",
    );
    let gateway = Some(Ipv4Addr::new(192, 168, 7, 1));
    assert_eq!(warnings, []);
    assert_eq!(options.policy, ModePolicy::MSI);
    assert_eq!(options.log, LevelFilter::Debug);
    assert_eq!(options.log_time, LogTime::Utc);
    assert_eq!((options.log_console, options.has_serial_shell), (LogConsole::Device, true));
    assert_eq!(options.app, "disk");
    assert_eq!(
        options.interfaces[0].source,
        AddressSource::Static { address: Ipv4Addr::new(192, 168, 7, 2), prefix: 24, gateway }
    );
    assert_eq!(options.max_vectors, Some(3));
    assert!(parse("irqcpus=all").0.is_spread && !parse("irqcpus=boot").0.is_spread);
    assert_eq!((options.spin_us, options.poll_us), (7, 0));
    assert_eq!(options.grace_ms, 0);
    assert_eq!(options.services, SimpleServices { echo: true, discard: false, chargen: true });
    assert_eq!(options.arguments, "write 7 two  words");
}

#[test]
fn lists_of_servers_and_domains_are_parsed() {
    let (options, warnings) = parse("dns=10.0.0.1,::1 search=lan,b.example hostname=Board-7 ntp=10.0.0.2");
    assert_eq!(warnings, []);
    assert!(
        options.dns_servers.iter().eq([[10, 0, 0, 1].into(), core::net::IpAddr::from(core::net::Ipv6Addr::LOCALHOST)])
    );
    assert!(options.search_domains.iter().eq(["lan", "b.example"]));
    assert!(options.ntp_servers.iter().eq([core::net::IpAddr::from([10, 0, 0, 2])]));
    assert_eq!(options.hostname, "Board-7");
    assert_eq!(parse("").0.dns_servers.iter().count() + parse("").0.search_domains.iter().count(), 0);
}

#[test]
fn the_last_of_equal_options_counts() {
    assert_eq!(parse("irq=msi irq=intx").0.policy, ModePolicy::INTX);
}

#[test]
fn invalid_options_keep_the_default_and_name_the_allowed_values() {
    for (line, part) in [
        ("irq=fast", "auto, msix, msi or intx"),
        ("log=loud", "warn"),
        ("log-time=local", "boot or utc"),
        ("app=", "name of an app"),
        ("app", "name of an app"),
        ("ip=10.0.0.1", "A.B.C.D/N"),
        ("ip=10.0.0.1/33", "A.B.C.D/N"),
        ("ip=10.0.0.1/24,here", "GATEWAY"),
        ("ip2=10.0.0.1/24,10.0.0.0/8>", "NET/N>GATEWAY"),
        ("ip1=off", "off4"),
        ("ip1", "linklocal"),
        ("ip8=dhcp", "ip1= to ip7="),
        ("ip0=dhcp", "ip1= to ip7="),
        ("dns=10.0.0.1,", "DNS servers"),
        ("dns=", "DNS servers"),
        ("search=-a.example", "domains"),
        ("search=a..example", "domains"),
        ("hostname=a.b", "letters"),
        ("hostname=", "letters"),
        ("ntp=pool", "NTP servers"),
        ("vectors=-1", "a number"),
        ("spin=1001", "microseconds"),
        ("poll=10001", "microseconds"),
        ("poll=x", "microseconds"),
        ("grace=long", "milliseconds"),
        ("services=", "none, all"),
        ("services=echo,", "chargen"),
        ("services=all,echo", "chargen"),
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
