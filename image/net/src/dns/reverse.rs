//! The name at which the name of an address is stored (RFC 1035, 3.5; RFC 3596, 2.5).

use alloc::string::String;
use core::net::IpAddr;

/// Returns the name at which the name of an address is stored.
pub(super) fn reverse_name(address: IpAddr) -> String {
    use core::fmt::Write;
    let mut name = String::new();
    let written = match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            write!(name, "{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let mut octets = address.octets().into_iter().rev();
            let written = octets.try_for_each(|octet| write!(name, "{:x}.{:x}.", octet & 15, octet >> 4));
            written.and_then(|()| name.write_str("ip6.arpa"))
        }
    };
    written.expect("a string takes any text");
    name
}

#[cfg(test)]
mod tests {
    use core::net::Ipv6Addr;

    use super::*;

    #[test]
    fn names_of_addresses_are_reversed() {
        assert_eq!(reverse_name([10, 0, 2, 15].into()), "15.2.0.10.in-addr.arpa");
        let name = reverse_name(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)));
        assert_eq!(name, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
    }
}
