//! Which addresses of the network are anybody's.
//!
//! Pure. A server that fetches what a stranger names must not reach into the network it stands in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address belongs to the public internet: not to this machine, the network around it, a cloud's metadata, a
/// multicast group, or any block set apart for another use.
///
/// Source: the IANA special-purpose address registries (RFC 6890 and its updates).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = match a {
        // This network, private, loopback; multicast, reserved and broadcast.
        0 | 10 | 127 | 224.. => true,
        // Shared by providers, with the metadata of one cloud.
        100 => b & 0xc0 == 64,
        // Link-local, with the metadata of the others.
        169 => b == 254,
        172 => b & 0xf0 == 16,
        // Private; protocol assignments; documentation; the old relays of 6to4.
        192 => b == 168 || (b == 0 && (c == 0 || c == 2)) || (b == 88 && c == 99),
        // Benchmarks; documentation.
        198 => b & 0xfe == 18 || (b == 51 && c == 100),
        203 => b == 0 && c == 113,
        _ => false,
    };
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // The same machine under another name: mapped, and translated by a gateway.
    if let Some(v4) = address.to_ipv4_mapped() {
        return is_public_v4(v4);
    }
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => embedded(high, low),
        // Teredo and protocol assignments; documentation, twice.
        [0x2001, second, ..] => second >= 0x200 && second != 0xdb8,
        [first, second, ..] => {
            // Global unicast is all that is given to anybody.
            first & 0xe000 == 0x2000 && !(first == 0x3fff && second < 0x1000)
        }
    }
}

#[cfg(test)]
mod tests;
