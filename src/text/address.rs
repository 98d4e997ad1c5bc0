//! Internet addresses as bytes, read and shown: no names, and no resolver that would turn one into an address. Must not look
//! at any network.

use crate::text::bytes::{has, until};
use crate::text::line::{Line, Part, Show};
use crate::text::number::parse;

/// The bytes that stand before an IPv4 address where it is written as one of IPv6 (RFC 4291, 2.5.5.2).
const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255];

/// The address of a host, or of all of this one. IPv4 is kept in its mapped form, as the kernel tells it of a connection
/// that came by IPv4 to a socket of both: so a host has one address, however it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address([u8; 16]);

impl Address {
    /// This Pod alone, by IPv4.
    pub const LOOPBACK: Address = Address::v4([127, 0, 0, 1]);

    /// None: all of this host, where something listens.
    pub const ANY: Address = Address([0; 16]);

    /// An address of IPv4.
    pub const fn v4(host: [u8; 4]) -> Address {
        let [a, b, c, d] = host;
        Address([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, a, b, c, d])
    }

    /// An address of either.
    pub const fn v6(host: [u8; 16]) -> Address {
        Address(host)
    }

    /// The address that is written so: four numbers with dots, or IPv6 (RFC 4291, 2.2), in brackets or without, and not
    /// with IPv4 in it. `None` for everything else, names included.
    #[allow(clippy::cast_possible_truncation, reason = "a group's two bytes are meant")]
    pub fn parse(text: &[u8]) -> Option<Address> {
        let text = if let [b'[', inner @ .., b']'] = text { inner } else { text };
        let is_v6 = has(text, b':');
        let (Address(mut host), mut used, separator, radix) =
            if is_v6 { (Address::ANY, 0, b':', 16) } else { (Address::v4([0; 4]), 12, b'.', 10) };
        let mut gap = None;
        let mut rest = text;
        if let [b':', behind @ ..] = text {
            rest = behind;
            if !behind.starts_with(b":") {
                return None;
            }
        }
        loop {
            if let [b':', behind @ ..] = rest {
                if gap.replace(used).is_some() {
                    return None;
                }
                rest = behind;
                if rest.is_empty() {
                    break;
                }
            }
            let group = until(rest, separator);
            let number = parse(group, radix)?;
            if is_v6 {
                *host.get_mut(used)? = (number >> 8) as u8;
                used += 1;
            }
            // Some read a leading zero of IPv4 as octal.
            let is_fit =
                if is_v6 { group.len() <= 4 } else { number < 256 && (group.len() == 1 || !group.starts_with(b"0")) };
            if !is_fit {
                return None;
            }
            *host.get_mut(used)? = number as u8;
            used += 1;
            match rest.get(group.len() + 1..) {
                Some(behind) => rest = behind,
                None => break,
            }
        }
        // It stands for one group at the least.
        if gap.is_some() != (used < host.len()) {
            return None;
        }
        // What is behind the gap goes to the end, from its last byte on.
        for (to, from) in (0..host.len()).rev().zip((gap.unwrap_or(used)..used).rev()) {
            host.swap(from, to);
        }
        Some(Address(host))
    }

    /// Its bytes, in the network's order.
    pub fn bytes(&self) -> [u8; 16] {
        self.0
    }

    /// Its bytes where it is one of IPv4.
    #[inline(never)]
    pub fn as_v4(&self) -> Option<[u8; 4]> {
        let [.., a, b, c, d] = self.0;
        (self.0[..12] == MAPPED).then_some([a, b, c, d])
    }

    /// Whether it is of this host, and reached from nowhere else.
    #[inline(never)]
    pub fn is_loopback(&self) -> bool {
        self.as_v4().map_or(u128::from_be_bytes(self.0) == 1, |[first, ..]| first == 127)
    }
}

/// IPv4 with dots, IPv6 with all of its digits, without brackets.
impl Show for Address {
    #[inline(never)]
    fn show(&self, line: &mut Line) {
        let is_v4 = self.as_v4().is_some();
        let bytes = if is_v4 { &self.0[12..] } else { &self.0[..] };
        for (index, byte) in bytes.iter().enumerate() {
            if index > 0 && (is_v4 || index % 2 == 0) {
                line.add(if is_v4 { b"." } else { b":" });
            }
            let part = if is_v4 { byte.part() } else { Part::Hex(*byte) };
            part.show(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line;
    use std::net::{IpAddr, Ipv4Addr};

    fn shown(address: Address) -> String {
        String::from_utf8(line!("{}", address).bytes().to_vec()).expect("ASCII")
    }

    /// What the standard library makes of it, in the same form.
    fn standard(text: &str) -> Option<[u8; 16]> {
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let host: IpAddr = match inner {
            Some(inner) => inner.parse().ok()?,
            None => text.parse().ok()?,
        };
        Some(match host {
            IpAddr::V4(host) => host.to_ipv6_mapped().octets(),
            IpAddr::V6(host) => host.octets(),
        })
    }

    fn agrees(text: &str) {
        let parsed = Address::parse(text.as_bytes()).map(|address| address.bytes());
        assert_eq!(parsed, standard(text), "{text:?}");
    }

    #[test]
    fn what_is_no_address_is_none() {
        for text in [
            "",
            "localhost",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.256",
            "01.2.3.4",
            "1.2.3.4 ",
            " 1.2.3.4",
            "1..3.4",
            "+1.2.3.4",
            ":",
            ":::",
            "1:",
            ":1",
            "1::2::3",
            "::1::",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9",
            "1:2:3:4:5:6:7:8::",
            "::1:2:3:4:5:6:7:8",
            "12345::",
            "::g",
            "[::1",
            "::1]",
            "[]",
            "fe80::1%eth0",
            "1.2.3.4::",
            "::1.2.3",
            "::1.2.3.4:5",
            "1:2:3:4:5:6:7:1.2.3.4",
            "0x7f.0.0.1",
        ] {
            assert_eq!(Address::parse(text.as_bytes()), None, "{text:?}");
            agrees(text);
        }
    }

    #[test]
    fn addresses_are_read_as_the_standard_library_reads_them() {
        for text in [
            "0.0.0.0",
            "127.0.0.1",
            "255.255.255.255",
            "::",
            "[::]",
            "::1",
            "[::1]",
            "1::",
            "1::8",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "fd00:AbCd::1",
            "0:0:0:0:0:0:0:0",
            "0001::0",
        ] {
            agrees(text);
            assert!(Address::parse(text.as_bytes()).is_some(), "{text:?}");
        }
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..200_000 {
            let alphabet = b"01f:::..2[]9";
            let text: String =
                (0..random.usize(..14)).map(|_| alphabet[random.usize(..alphabet.len())] as char).collect();
            // One within the other is not read here.
            if !text.contains(':') || !text.contains('.') {
                agrees(&text);
            }
        }
    }

    #[test]
    fn an_address_is_shown_as_it_is_read() {
        let mut random = fastrand::Rng::with_seed(6);
        for _ in 0..20_000 {
            let host: [u8; 16] = core::array::from_fn(|_| if random.u8(..3) == 0 { random.u8(..) } else { 0 });
            let mine = shown(Address::v6(host));
            assert_eq!(Address::parse(mine.as_bytes()), Some(Address::v6(host)));
            let host: [u8; 4] = core::array::from_fn(|_| random.u8(..));
            assert_eq!(shown(Address::v4(host)), Ipv4Addr::from(host).to_string());
        }
        for text in ["0000:0000:0000:0000:0000:0000:0000:0001", "fd00:0203:0000:0000:0000:0000:0abc:0012", "127.0.0.1"]
        {
            assert_eq!(shown(Address::parse(text.as_bytes()).expect("an address")), text);
        }
    }

    #[test]
    fn loopback_is_known_in_both_families() {
        for (text, wanted) in [
            ("127.0.0.1", true),
            ("127.255.0.9", true),
            ("::1", true),
            ("::ffff:7f00:1", true),
            ("0.0.0.0", false),
            ("::", false),
            ("10.0.0.1", false),
            ("::2", false),
            ("1::1", false),
            ("128.0.0.1", false),
        ] {
            let address = Address::parse(text.as_bytes()).expect("an address");
            assert_eq!(address.is_loopback(), wanted, "{text}");
        }
    }
}
