//! Telegram's networks, as published in <https://core.telegram.org/resources/cidr.txt>.
//!
//! An address in one of them is evidence of a connection to Telegram, not proof of polling.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 networks: address and length of the prefix.
const V4: [(Ipv4Addr, u32); 9] = [
    (Ipv4Addr::new(91, 105, 192, 0), 23),
    (Ipv4Addr::new(91, 108, 4, 0), 22),
    (Ipv4Addr::new(91, 108, 8, 0), 22),
    (Ipv4Addr::new(91, 108, 12, 0), 22),
    (Ipv4Addr::new(91, 108, 16, 0), 22),
    (Ipv4Addr::new(91, 108, 20, 0), 22),
    (Ipv4Addr::new(91, 108, 56, 0), 22),
    (Ipv4Addr::new(149, 154, 160, 0), 20),
    (Ipv4Addr::new(185, 76, 151, 0), 24),
];

/// IPv6 networks: address and length of the prefix.
const V6: [(Ipv6Addr, u32); 5] = [
    (Ipv6Addr::new(0x2001, 0x67c, 0x4e8, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x2001, 0xb28, 0xf23c, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x2001, 0xb28, 0xf23d, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x2001, 0xb28, 0xf23f, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x2a0a, 0xf280, 0, 0, 0, 0, 0, 0), 32),
];

/// Whether the address is one of Telegram's. An IPv4 address mapped into IPv6, as a dual-stack socket has it, counts as
/// what it is.
pub fn is_telegram(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => V4.iter().any(|&(network, length)| {
            let shift = 32 - length;
            address.to_bits() >> shift == network.to_bits() >> shift
        }),
        IpAddr::V6(address) => V6.iter().any(|&(network, length)| {
            let shift = 128 - length;
            address.to_bits() >> shift == network.to_bits() >> shift
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> bool {
        is_telegram(text.parse().unwrap())
    }

    #[test]
    fn the_edges_of_the_networks() {
        for inside in [
            "149.154.160.0",
            "149.154.167.220",
            "149.154.175.255",
            "91.108.4.0",
            "91.108.23.255",
            "91.108.56.1",
            "91.105.193.255",
            "185.76.151.7",
            "2001:67c:4e8:f004::9",
            "2001:b28:f23f:ffff::1",
            "2a0a:f280:203:a:5000:0:0:100",
            "::ffff:149.154.167.220",
        ] {
            assert!(of(inside), "{inside}");
        }
        for outside in [
            "149.154.159.255",
            "149.154.176.0",
            "91.108.3.255",
            "91.108.24.0",
            "91.108.60.0",
            "91.105.194.0",
            "185.76.152.0",
            "127.0.0.1",
            "2001:67c:4e9::1",
            "2001:b28:f23e::1",
            "::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(!of(outside), "{outside}");
        }
    }
}
