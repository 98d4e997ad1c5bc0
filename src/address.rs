//! Internet addresses as bytes, read and shown: no names, and no resolver that would turn one into an address. Must not look
//! at any network.

use crate::add;
use crate::bytes::until;
use crate::diag::{Line, Part, Show};
use crate::number::{self, parse};

/// The bytes that stand before an IPv4 address where it is written as one of IPv6 (RFC 4291, 2.5.5.2).
const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255];

/// Groups of 16 bits in an address.
const GROUPS: usize = 8;

/// The address of a host, or of all of this one. IPv4 is kept in its mapped form, as the kernel tells it of a connection
/// that came by IPv4 to a socket of both: so a host has one address, however it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address([u8; 16]);

impl Address {
    /// This Pod alone, by IPv4.
    pub const LOOPBACK: Address = Address::v4([127, 0, 0, 1]);

    /// An address of IPv4.
    pub const fn v4(host: [u8; 4]) -> Address {
        let [a, b, c, d] = host;
        Address([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, a, b, c, d])
    }

    /// An address of either.
    pub const fn v6(host: [u8; 16]) -> Address {
        Address(host)
    }

    /// The address that is written so: four numbers with dots, or IPv6 (RFC 4291, 2.2), in brackets or without. `None` for
    /// everything else, names included.
    pub fn parse(text: &[u8]) -> Option<Address> {
        if let Some(host) = parse_v4(text) {
            return Some(Address::v4(host));
        }
        let inner = text.strip_prefix(b"[").map_or(Some(text), |text| text.strip_suffix(b"]"))?;
        parse_v6(inner).map(Address)
    }

    /// Its bytes, in the network's order.
    pub fn bytes(&self) -> [u8; 16] {
        self.0
    }

    /// Its bytes where it is one of IPv4.
    pub fn as_v4(&self) -> Option<[u8; 4]> {
        let [.., a, b, c, d] = self.0;
        (self.0[..12] == MAPPED).then_some([a, b, c, d])
    }

    /// Whether it is of this host, and reached from nowhere else.
    pub fn is_loopback(&self) -> bool {
        self.as_v4().map_or(u128::from_be_bytes(self.0) == 1, |[first, ..]| first == 127)
    }
}

/// Four numbers with dots between them. One with a leading zero is none: some read it as octal.
fn parse_v4(text: &[u8]) -> Option<[u8; 4]> {
    let mut host = [0; 4];
    let mut parts = text.split(|byte| *byte == b'.');
    for byte in &mut host {
        let part = parts.next()?;
        if part.len() > 1 && part.starts_with(b"0") {
            return None;
        }
        *byte = u8::try_from(parse(part, 10)?).ok()?;
    }
    parts.next().is_none().then_some(host)
}

/// Groups with colons between them; `::` once for the groups of zero that are left out, and the last two as IPv4.
fn parse_v6(text: &[u8]) -> Option<[u8; 16]> {
    // The address is the groups before the gap, shifted to its top, and those behind it.
    let (mut before, mut behind) = (0_u128, 0_u128);
    let mut groups = 0;
    let mut gap = None;
    let mut rest = text;
    if let Some(after) = rest.strip_prefix(b"::") {
        gap = Some(0);
        rest = after;
    }
    while !rest.is_empty() {
        let group = until(rest, b':');
        let (value, width) = match parse_v4(group) {
            Some(host) if group.len() == rest.len() => (u32::from_be_bytes(host), 2),
            _ if group.len() > 4 => return None,
            _ => (u32::try_from(parse(group, 16)?).ok()?, 1),
        };
        groups += width;
        if groups > GROUPS {
            return None;
        }
        behind = behind << (16 * width) | u128::from(value);
        rest = rest.get(group.len()..)?;
        if let Some(after) = rest.strip_prefix(b"::") {
            if gap.replace(groups).is_some() || groups == GROUPS {
                return None;
            }
            (before, behind) = (behind, 0);
            rest = after;
        } else if let Some(after) = rest.strip_prefix(b":") {
            if after.is_empty() {
                return None;
            }
            rest = after;
        }
    }
    let top = match gap {
        Some(0) => 0,
        Some(leading) if groups < GROUPS => before << (16 * (GROUPS - leading)),
        None if groups == GROUPS => 0,
        _ => return None,
    };
    // `::` stands for one group at the least.
    (gap.is_none() || groups < GROUPS).then_some((top | behind).to_be_bytes())
}

/// IPv4 with dots, IPv6 with the longest run of zeros left out (RFC 5952), without brackets.
impl Show for Address {
    fn show(&self, line: &mut Line) {
        if let Some([a, b, c, d]) = self.as_v4() {
            return add!(line, "{}.{}.{}.{}", a, b, c, d);
        }
        let (gap, end) = self.zeros();
        for (index, group) in self.groups().enumerate() {
            if (gap..end).contains(&index) {
                if index == gap {
                    add!(line, "::");
                }
                continue;
            }
            if index > 0 && index != end {
                add!(line, ":");
            }
            add!(line, "{}", Part::Words(number::digits(group, 16, &mut [0; 24])));
        }
    }
}

impl Address {
    fn groups(&self) -> impl Iterator<Item = u64> {
        self.0.chunks_exact(2).map(|pair| pair.iter().fold(0, |group, byte| group << 8 | u64::from(*byte)))
    }

    /// The longest run of groups of zero, the first of several: where it begins, and where the next begins. One group alone
    /// is no run.
    fn zeros(&self) -> (usize, usize) {
        let (mut gap, mut length, mut run) = (GROUPS, 1, 0);
        for (index, group) in self.groups().enumerate() {
            run = if group == 0 { run + 1 } else { 0 };
            if run > length {
                (gap, length) = (index + 1 - run, run);
            }
        }
        (gap, gap + length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    fn shown(address: Address) -> String {
        String::from_utf8(line!("{}", address).bytes().to_vec()).expect("ASCII")
    }

    /// What the standard library makes of it, in the same form.
    fn standard(text: &str) -> Option<[u8; 16]> {
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let host: IpAddr = match inner {
            Some(inner) => IpAddr::V6(inner.parse().ok()?),
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
            "[1.2.3.4]",
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
            "::ffff:10.1.2.3",
            "1:2:3:4:5:6:1.2.3.4",
            "::1.2.3.4",
            "64:ff9b::1.2.3.4",
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
            agrees(&text);
        }
    }

    #[test]
    fn an_address_is_shown_as_it_is_read() {
        let mut random = fastrand::Rng::with_seed(6);
        for _ in 0..20_000 {
            let host: [u8; 16] = core::array::from_fn(|_| if random.u8(..3) == 0 { random.u8(..) } else { 0 });
            let mine = shown(Address::v6(host));
            assert_eq!(Address::parse(mine.as_bytes()), Some(Address::v6(host)));
            // That of IPv4 in IPv6's clothes, which the standard library shows in part with dots, is not kept apart here.
            if host[..10] != [0; 10] {
                assert_eq!(mine, Ipv6Addr::from(host).to_string());
            }
            let host: [u8; 4] = core::array::from_fn(|_| random.u8(..));
            assert_eq!(shown(Address::v4(host)), Ipv4Addr::from(host).to_string());
        }
        assert_eq!([shown(Address::v6([0; 16])), shown(Address::LOOPBACK)], ["::", "127.0.0.1"]);
    }

    #[test]
    fn loopback_is_known_in_both_families() {
        for (text, wanted) in [
            ("127.0.0.1", true),
            ("127.255.0.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
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
