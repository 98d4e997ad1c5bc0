//! Internet addresses as bytes, read and shown: no names, and no resolver that would turn one into an address. Must not look
//! at any network.

use crate::add;
use crate::bytes::until;
use crate::diag::{Line, Part, Show};
use crate::number::{self, parse};

/// The bytes that stand before an IPv4 address where it is written as one of IPv6 (RFC 4291, 2.5.5.2).
const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255];

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
#[allow(clippy::cast_possible_truncation, reason = "a group's two bytes are meant")]
fn parse_v6(text: &[u8]) -> Option<[u8; 16]> {
    let mut host = [0; 16];
    let (mut used, mut gap) = (0, None);
    let mut rest = text;
    let mut is_joint = true;
    while !rest.is_empty() {
        if let [b':', b':', behind @ ..] = rest {
            if gap.replace(used).is_some() {
                return None;
            }
            (rest, is_joint) = (behind, true);
            continue;
        }
        if !is_joint {
            rest = rest.strip_prefix(b":")?;
        }
        is_joint = false;
        let group = until(rest, b':');
        rest = rest.get(group.len()..)?;
        if rest.is_empty()
            && let Some(last) = parse_v4(group)
        {
            *host.get_mut(used..)?.first_chunk_mut()? = last;
            used += 4;
        } else {
            let number = parse(group, 16).filter(|_| group.len() <= 4)?;
            *host.get_mut(used..)?.first_chunk_mut()? = [(number >> 8) as u8, number as u8];
            used += 2;
        }
    }
    // It stands for one group at the least.
    if gap.is_some() != (used < host.len()) {
        return None;
    }
    // What is behind the gap goes to the end, from its last byte on.
    let (mut from, mut to) = (used, host.len());
    while from > gap.unwrap_or(from) {
        (from, to) = (from - 1, to - 1);
        host[to] = core::mem::take(&mut host[from]);
    }
    Some(host)
}

/// IPv4 with dots, IPv6 with its first zeros left out, without brackets.
impl Show for Address {
    #[inline(never)]
    fn show(&self, line: &mut Line) {
        let is_v4 = self.as_v4().is_some();
        let (skipped, width, radix, separator) = if is_v4 { (12, 1, 10, ".") } else { (0, 2, 16, ":") };
        let (mut gap, mut between) = (if is_v4 { Gap::Behind } else { Gap::Before }, "");
        for group in self.0.chunks(width).skip(skipped) {
            let number = group.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
            if number == 0 && gap != Gap::Behind {
                gap = Gap::Within;
                continue;
            }
            if gap == Gap::Within {
                (gap, between) = (Gap::Behind, "::");
            }
            add!(line, "{}{}", between, Part::Words(number::digits(number, radix, &mut [0; 24])));
            between = separator;
        }
        if gap == Gap::Within {
            add!(line, "::");
        }
    }
}

/// Where the zeros are that are left out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gap {
    Before,
    Within,
    Behind,
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
            let host: [u8; 4] = core::array::from_fn(|_| random.u8(..));
            assert_eq!(shown(Address::v4(host)), Ipv4Addr::from(host).to_string());
        }
        for text in ["::", "::1", "1::", "fd00::1", "1:2:3:4:5:6:7:8", "1::2:0:0:3", "127.0.0.1", "fe80::abc:0:12"] {
            assert_eq!(shown(Address::parse(text.as_bytes()).expect("an address")), text);
        }
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
