//! Linux hosts beside the image, over taps and network namespaces: a DHCP server, clients, routers that lose packets.
//!
//! Each test is skipped by name where namespaces are not allowed.

use core::net::SocketAddr;
use core::time::Duration;

use switchboard_tests::lan::{GUEST_MAC, Namespace, is_skipped_without_namespaces};
use switchboard_tests::{Client, Guest, Machine, Qemu, Response, mebibyte_file, sha256};

use crate::seconds;

const GUEST: &str = "10.7.0.50";

/// A LAN with a bridge, on which are the guest and a client, and a router to a network with another client.
struct Network {
    /// Declared first: QEMU ends before its namespace.
    guest: Guest,
    client: Namespace,
    remote: Namespace,
    router: Namespace,
}

impl Network {
    /// Boots the guest with these kernel options; `prepare` may start servers in the router's namespace.
    fn start(options: &str, prepare: impl FnOnce(&mut Namespace)) -> Self {
        let (mut router, client, remote) = (Namespace::new(), Namespace::new(), Namespace::new());
        router.ip("link add br0 type bridge");
        router.ip("addr add 10.7.0.1/24 dev br0");
        router.ip("link set br0 up");
        router.add_tap("tap0");
        router.ip("link set tap0 master br0");
        router.join("lan0", &client, "eth0");
        router.ip("link set lan0 master br0");
        client.ip("addr add 10.7.0.2/24 dev eth0");
        router.join("wan0", &remote, "eth0");
        router.ip("addr add 192.0.2.1/24 dev wan0");
        remote.ip("addr add 192.0.2.9/24 dev eth0");
        remote.ip("route add default via 192.0.2.1");
        router.run("sysctl", "-q -w net.ipv4.ip_forward=1");
        prepare(&mut router);
        let qemu = Qemu::new(Machine::Q35).nic_on_tap(&router, "tap0", "virtio-net-pci", GUEST_MAC).option(options);
        let guest = qemu.files().limit(seconds(120)).start();
        guest.wait_for(&format!("address {GUEST}"));
        Self { guest, client, remote, router }
    }
}

fn fetch(from: &Namespace, path: &str) -> Response {
    let address: SocketAddr = (GUEST.parse::<core::net::Ipv4Addr>().expect("an address"), 80).into();
    from.enter(|| {
        let mut client = Client::connect_to(address, seconds(40)).expect("a connection");
        client.get(path).expect("a response")
    })
}

#[test]
fn dnsmasq_gives_a_lease_and_clients_get_the_page() {
    if is_skipped_without_namespaces("dnsmasq_gives_a_lease_and_clients_get_the_page") {
        return;
    }
    let mut log = None;
    let network = Network::start("hostname=switchboard", |router| {
        log = Some(router.start_dnsmasq(
            "br0",
            &[
                "--bind-interfaces",
                "--dhcp-authoritative",
                "--domain=example.org",
                "--dhcp-range=10.7.0.50,10.7.0.50,1h",
                "--dhcp-option=option:ntp-server,10.7.0.123",
                "--log-dhcp",
            ],
        ));
    });
    network.guest.wait_for("gateway 10.7.0.1");
    network.guest.wait_for("dns 10.7.0.1");
    let log = log.expect("it was started");
    assert!(log.wait_for("DHCPACK(br0) 10.7.0.50", seconds(20)).is_some(), "{}", log.text());
    for from in [&network.client, &network.remote] {
        assert_eq!(fetch(from, "/hello").body, b"Hello, world!");
        assert_eq!(sha256(&fetch(from, "/files/1mib.bin").body), sha256(&mebibyte_file()));
    }
}

#[test]
fn lossy_and_narrow_paths_carry_files() {
    if is_skipped_without_namespaces("lossy_and_narrow_paths_carry_files") {
        return;
    }
    let network = Network::start(&format!("ip={GUEST}/24,10.7.0.1"), |_| {});
    // Where the kernel has no netem, packets are lost without a delay.
    if !network.router.tries("tc", "qdisc add dev wan0 root netem loss 1% delay 3ms") {
        network.router.run("nft", "add table ip test");
        network.router.run("nft", "add chain ip test through { type filter hook forward priority 0 ; }");
        network.router.run("nft", "add rule ip test through numgen random mod 100 == 0 drop");
    }
    assert_eq!(sha256(&fetch(&network.remote, "/files/1mib.bin").body), sha256(&mebibyte_file()));
}

#[test]
fn a_router_with_a_small_mtu_is_honoured() {
    if is_skipped_without_namespaces("a_router_with_a_small_mtu_is_honoured") {
        return;
    }
    let network = Network::start(&format!("ip={GUEST}/24,10.7.0.1"), |_| {});
    // The client's MSS does not give the path away.
    network.router.ip("link set wan0 mtu 1300");
    assert_eq!(sha256(&fetch(&network.remote, "/files/1mib.bin").body), sha256(&mebibyte_file()));
    // The same without reports: a black hole (RFC 4821).
    network.router.ip("link set wan0 mtu 1200");
    network.router.run("nft", "add table ip test");
    network.router.run("nft", "add chain ip test out { type filter hook output priority 0 ; }");
    network.router.run("nft", "add rule ip test out icmp type destination-unreachable drop");
    assert_eq!(sha256(&fetch(&network.remote, "/files/1mib.bin").body), sha256(&mebibyte_file()));
}

#[test]
fn clients_behind_nat_are_served_side_by_side() {
    if is_skipped_without_namespaces("clients_behind_nat_are_served_side_by_side") {
        return;
    }
    let network = Network::start(&format!("ip={GUEST}/24"), |_| {});
    // The guest has no gateway: the router translates the remote network to its own address.
    network.router.run("nft", "add table ip nat");
    network.router.run("nft", "add chain ip nat post { type nat hook postrouting priority 100 ; }");
    network.router.run("nft", "add rule ip nat post oifname br0 masquerade");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(fetch(&network.remote, "/hello").body, b"Hello, world!");
                }
            });
        }
    });
    // A link that is pulled and plugged in again.
    network.router.ip("link set tap0 down");
    std::thread::sleep(Duration::from_millis(500));
    network.router.ip("link set tap0 up");
    assert_eq!(fetch(&network.client, "/hello").body, b"Hello, world!");
}
