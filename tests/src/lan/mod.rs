//! A LAN whose every frame is the test's: hosts with any address that answer or not, raw frames, DHCP servers by script,
//! TCP connections by hand.
//!
//! ```no_run
//! use switchboard_tests::lan::{Lan, LIMIT};
//!
//! let lan = Lan::start("10.0.0.1/24", |qemu| qemu.option("services=echo"));
//! let host = lan.host(2);
//! assert_eq!(host.fetch("/hello", LIMIT).expect("a page").body, b"Hello, world!");
//! let connection = host.connect(7);
//! assert!(connection.is_opened(LIMIT));
//! connection.send(b"abc");
//! assert_eq!(connection.receive(3, LIMIT).expect("an echo"), b"abc");
//! ```

mod dhcp;
mod frame;
mod host;
mod link;
mod namespace;
mod neighbours;
pub mod packet;
mod peer;
mod tcp;

use core::net::{IpAddr, Ipv4Addr};
use core::ops::Deref;
use core::time::Duration;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

pub use dhcp::{DhcpReply, DhcpRequest, DhcpServer, MessageType};
pub use frame::{ArpMessage, Content, Frame, IpFacts};
pub use host::Host;
pub use link::Link;
pub use namespace::{Namespace, is_skipped_without_namespaces};
pub use packet::{Mac, Segment};
pub use peer::Peer;
pub use tcp::{Behaviour, Connection, Phase};

use crate::{Guest, Machine, Qemu};

/// The Ethernet address of the guest's card on the LAN.
pub const GUEST_MAC: Mac = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
/// A generous limit for what takes milliseconds; TCG on a busy machine is slow.
pub const LIMIT: Duration = Duration::from_secs(20);

/// A guest with a network card on a [`Link`]. Dereferences to the link.
#[derive(Debug)]
pub struct Lan {
    /// The guest.
    pub guest: Guest,
    link: Arc<Link>,
    address: Ipv4Addr,
}

impl Lan {
    /// Boots a guest with a disk and a static address, as `10.0.0.1/24,10.0.0.254` (`ip=`), and waits until it answers.
    /// `change` alters the machine before.
    ///
    /// # Panics
    /// Panics when the guest does not answer in time.
    #[must_use]
    pub fn start(address: &str, change: impl FnOnce(Qemu) -> Qemu) -> Self {
        Self::start_without_disk(address, |qemu| change(qemu.files()))
    }

    /// Boots a guest as [`start`](Self::start) does, without a disk.
    ///
    /// # Panics
    /// Panics when the guest does not answer in time.
    #[must_use]
    pub fn start_without_disk(address: &str, change: impl FnOnce(Qemu) -> Qemu) -> Self {
        let (own, _) = address.split_once('/').expect("an address with a prefix");
        let own: Ipv4Addr = own.parse().expect("an IPv4 address");
        let lan = Self::boot(own, |qemu| change(qemu.option(&format!("ip={address}"))));
        lan.guest.wait_for(&format!("address {own}"));
        // The other address of its /31, which is on the link of any prefix but /32.
        let next = Ipv4Addr::from(u32::from(own) ^ 1);
        let prober = Host::new(&lan.link, next.into(), [2, 0xff, 0, 0, 0, 1], own.into());
        prober.resolve(LIMIT).expect("the guest answers ARP");
        lan
    }

    /// Boots a guest without a disk that will have this address, from a DHCP server of the test or as `change` configures
    /// it; does not wait.
    #[must_use]
    pub fn boot(address: Ipv4Addr, change: impl FnOnce(Qemu) -> Qemu) -> Self {
        Self::boot_on(Link::new(), address, change)
    }

    /// Boots a guest on a link whose servers are prepared.
    #[must_use]
    pub fn boot_on(link: Arc<Link>, address: Ipv4Addr, change: impl FnOnce(Qemu) -> Qemu) -> Self {
        let qemu = Qemu::new(Machine::Q35).limit(Duration::from_secs(180)).nic_on(&link, "virtio-net-pci", GUEST_MAC);
        let guest = change(qemu).start();
        Self { guest, link, address }
    }

    /// Returns the link.
    #[must_use]
    pub fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// Returns the address of the guest.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Returns the host whose address is the guest's but for the last byte; it answers ARP.
    #[must_use]
    pub fn host(&self, last: u8) -> Host {
        let [a, b, c, _] = self.address.octets();
        self.host_at(Ipv4Addr::new(a, b, c, last))
    }

    /// Returns the host with this address, whose Ethernet address is made from it; it answers ARP.
    #[must_use]
    pub fn host_at(&self, address: Ipv4Addr) -> Host {
        let [_, b, c, d] = address.octets();
        self.host_with([2, 0, 0, b, c, d], address.into())
    }

    /// Returns the host with these addresses; it answers ARP or neighbour solicitations.
    #[must_use]
    pub fn host_with(&self, mac: Mac, address: IpAddr) -> Host {
        let guest = match address {
            IpAddr::V4(_) => self.address.into(),
            // The link-local address made from the Ethernet address (RFC 4291, appendix A).
            IpAddr::V6(_) => "fe80::5054:ff:fe12:3456".parse().expect("an address"),
        };
        Host::new(&self.link, address, mac, guest).answering()
    }

    /// Returns a value of `/metrics`, by its name with its labels.
    ///
    /// # Panics
    /// Panics when there is no such value, or the page does not answer in time.
    #[must_use]
    #[track_caller]
    pub fn metric(&self, name: &str) -> f64 {
        let prober = self.host(251);
        let page = prober.fetch("/metrics", LIMIT).expect("the metrics").body;
        let text = String::from_utf8_lossy(&page);
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in {text}"))
    }

    /// Returns the bytes of the guest's heap that are in use.
    #[must_use]
    #[track_caller]
    pub fn heap_bytes(&self) -> f64 {
        self.metric("switchboard_heap_bytes{state=\"used\"}")
    }

    /// Waits, while the receiving thread goes on.
    pub fn sleep(&self, time: Duration) {
        thread::sleep(time);
        assert!(self.guest.is_running(), "the guest has ended");
    }

    /// Returns how long a new client waits for `/hello`, or why it has no answer.
    ///
    /// # Errors
    /// Returns what was missing.
    pub fn probe(&self, host: &Host) -> Result<Duration, String> {
        let start = Instant::now();
        let response = host.fetch("/hello", LIMIT)?;
        if response.body != b"Hello, world!" {
            return Err(format!("status {}", response.status));
        }
        Ok(start.elapsed())
    }

    /// Checks that what peers did was logged at a bounded rate: at most so many warnings and errors so far.
    ///
    /// # Panics
    /// Panics when there are more.
    #[track_caller]
    pub fn assert_few_warnings(&self, most: usize) {
        let lines = [self.console_lines("WARN"), self.console_lines("ERROR")].concat();
        assert!(lines.len() <= most, "{} warnings and errors, as {:?}", lines.len(), lines.last());
    }

    /// Returns the lines of the console that contain a text.
    #[must_use]
    pub fn console_lines(&self, text: &str) -> Vec<String> {
        self.guest.console().text().lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        // The guest prints its console afterwards: the state of CPU and timer shows whether a silent guest waits.
        if thread::panicking() && self.guest.is_running() {
            self.guest.monitor("info registers");
            self.guest.monitor("info lapic");
            thread::sleep(Duration::from_millis(500));
        }
    }
}

impl Deref for Lan {
    type Target = Link;
    fn deref(&self) -> &Link {
        &self.link
    }
}
