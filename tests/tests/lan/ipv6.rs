//! IPv6 beside Linux hosts: addresses by router advertisements and the command line, pages, pings, and DHCPv6.

use core::net::{Ipv6Addr, SocketAddr};

use switchboard_tests::lan::{GUEST_MAC, Namespace, is_skipped_without_namespaces};
use switchboard_tests::{Client, Console, Guest, Machine, Qemu, mebibyte_file, sha256};

use crate::seconds;

/// The guest's address by the router's prefix.
const GUEST: &str = "fd00:7::5054:ff:fe12:3456";

/// The guest and a router on a link, which has no IPv4.
struct Network {
    /// Declared first: QEMU ends before its namespace.
    guest: Guest,
    router: Namespace,
    log: Option<Console>,
}

impl Network {
    /// Boots the guest with these kernel options; with `mode`, `dnsmasq` advertises a prefix so.
    fn start(options: &str, mode: Option<&str>) -> Self {
        let mut router = Namespace::new();
        router.add_tap("tap0");
        router.ip("addr add fd00:7::1/64 dev tap0 nodad");
        let log = mode.map(|mode| {
            let range = format!("--dhcp-range={mode}");
            let arguments = [
                "--enable-ra",
                "--domain=example.org",
                "--dhcp-option=option6:domain-search,example.org",
                "--dhcp-option=option6:dns-server,[fd00:7::53]",
                "--dhcp-option=option6:ntp-server,[fd00:7::123]",
                "--log-dhcp",
                &range,
            ];
            router.start_dnsmasq("tap0", &arguments)
        });
        let qemu = Qemu::new(Machine::Q35).nic_on_tap(&router, "tap0", "virtio-net-pci", GUEST_MAC).option(options);
        Self { guest: qemu.files().limit(seconds(120)).start(), router, log }
    }

    fn serves(&self, address: &str) {
        let address: SocketAddr = (address.parse::<Ipv6Addr>().expect("an address"), 80).into();
        self.router.enter(|| {
            let mut client = Client::connect_to(address, seconds(40)).expect("a connection");
            assert_eq!(client.get("/hello").expect("a response").body, b"Hello, world!");
            let file = client.get("/files/1mib.bin").expect("a response");
            assert_eq!(sha256(&file.body), sha256(&mebibyte_file()));
        });
    }
}

#[test]
fn an_advertised_prefix_makes_an_address_that_serves_the_page() {
    if is_skipped_without_namespaces("an_advertised_prefix_makes_an_address_that_serves_the_page") {
        return;
    }
    let network = Network::start("log=debug", Some("fd00:7::,ra-stateless"));
    network.guest.wait_for(&format!("address {GUEST}/64 by router advertisement"));
    network.guest.wait_for("gateway fe80::");
    network.guest.wait_for("dns fd00:7::53");
    network.guest.wait_for("search example.org");
    network.guest.wait_for("ntp fd00:7::123");
    network.serves(GUEST);
}

#[test]
fn an_address_by_dhcpv6_serves_the_page() {
    if is_skipped_without_namespaces("an_address_by_dhcpv6_serves_the_page") {
        return;
    }
    let network = Network::start("log=debug", Some("fd00:7::100,fd00:7::100"));
    network.guest.wait_for("address fd00:7::100/128 by dhcpv6");
    let log = network.log.as_ref().expect("it was started");
    assert!(log.wait_for("DHCPREPLY(tap0) fd00:7::100", seconds(20)).is_some(), "{}", log.text());
    network.serves("fd00:7::100");
}

#[test]
fn a_static_address_needs_no_router() {
    if is_skipped_without_namespaces("a_static_address_needs_no_router") {
        return;
    }
    let network = Network::start("ip=10.9.9.9/24,fd00:7::9/64,fd00:7::1", None);
    network.guest.wait_for("address fd00:7::9/64 by command line");
    network.guest.wait_for("gateway fd00:7::1");
    network.serves("fd00:7::9");
    // Without ping6: its neighbour entry shows that the guest has answered.
    assert!(network.router.run("ip", "-6 neigh show dev tap0").contains("fd00:7::9 lladdr"));
}

#[test]
fn an_interface_without_ipv6_sends_none() {
    if is_skipped_without_namespaces("an_interface_without_ipv6_sends_none") {
        return;
    }
    let network = Network::start("ip=10.9.9.9/24,off6", Some("fd00:7::,ra-stateless"));
    network.guest.wait_for("address 10.9.9.9/24 by command line");
    std::thread::sleep(seconds(3));
    let text = network.guest.console().text();
    assert!(!text.contains("fe80::") && !text.contains("fd00:7::"), "{text}");
}
