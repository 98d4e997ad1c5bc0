//! Internet addresses as text. No names: there is no resolver that would turn one into an address.
//!
//! Addresses are kept in canonical form: an IPv4 address that came as IPv6 (`::ffff:a.b.c.d`, RFC 4291, 2.5.5.2) is one of
//! IPv4, so that a host has one address however it comes, and `==` tells whether two are the same.

use crate::text::line::{Line, Show};
use crate::text::number;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// This Pod alone, by IPv4.
pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Every address of this host, by IPv4 and IPv6, for something that listens.
pub const ANY: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Reads an IPv4 or IPv6 address, in brackets or without. `None` for anything else: names, zones (`%eth0`), and IPv4 with
/// leading zeros, which some read as octal.
pub fn parse(text: &[u8]) -> Option<IpAddr> {
    let text = if let [b'[', inner @ .., b']'] = text { inner } else { text };
    let address: IpAddr = core::str::from_utf8(text).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

/// The address as 16 bytes in network order, IPv4 in its mapped form.
pub fn bytes(address: &IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(host) => host.to_ipv6_mapped().octets(),
        IpAddr::V6(host) => host.octets(),
    }
}

/// IPv4 with dots, IPv6 in its shortest form (RFC 5952), without brackets.
///
/// By hand, since nothing else here needs core's formatting, which takes 6 KB.
impl Show for IpAddr {
    fn show(&self, line: &mut Line) {
        match self {
            IpAddr::V4(host) => show_numbers(host.octets().map(u16::from).iter(), b".", 10, line),
            IpAddr::V6(host) => show_groups(&host.segments(), line),
        }
    }
}

/// Eight groups of 16 bits, the longest run of zeros among them as `::` (RFC 5952, 4.2): of several the first, and none of
/// a single group.
fn show_groups(groups: &[u16; 8], line: &mut Line) {
    let (start, length) = longest_zeros(groups);
    if length < 2 {
        return show_numbers(groups.iter(), b":", 16, line);
    }
    show_numbers(groups.iter().take(start), b":", 16, line);
    line.add(b"::");
    show_numbers(groups.iter().skip(start + length), b":", 16, line);
}

/// Where the first of the longest runs of zeros begins, and how many groups it has.
fn longest_zeros(groups: &[u16; 8]) -> (usize, usize) {
    let run = |start: usize| groups.iter().skip(start).take_while(|group| **group == 0).count();
    (0..groups.len())
        .map(|start| (start, run(start)))
        .fold((0, 0), |best, next| if next.1 > best.1 { next } else { best })
}

/// Numbers in a radix, with something between them.
fn show_numbers<'n>(numbers: impl Iterator<Item = &'n u16>, between: &[u8], radix: u64, line: &mut Line) {
    for (index, number) in numbers.enumerate() {
        if index > 0 {
            line.add(between);
        }
        line.add(number::digits((*number).into(), radix, &mut [0; 24]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line;

    fn shown(address: IpAddr) -> String {
        String::from_utf8(line!("{}", address).bytes().to_vec()).expect("ASCII")
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
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
            "0x7f.0.0.1",
            ":",
            ":::",
            "1::2::3",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9",
            "12345::",
            "::g",
            "[::1",
            "::1]",
            "[]",
            "[[::1]]",
            "fe80::1%eth0",
            "1.2.3.4::",
            "::1.2.3",
            "1:2:3:4:5:6:7:1.2.3.4",
            "::1\u{ff11}",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse(b"\xff"), None);
    }

    #[test]
    fn an_address_is_shown_in_its_canonical_form() {
        for (text, wanted) in [
            ("0.0.0.0", "0.0.0.0"),
            ("[127.0.0.1]", "127.0.0.1"),
            ("[::]", "::"),
            ("[::1]", "::1"),
            ("0001::0", "1::"),
            ("fd00:AbCd:0:0:0:0:0:1", "fd00:abcd::1"),
            ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
            ("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"),
            ("::ffff:10.1.2.3", "10.1.2.3"),
            ("::ffff:7f00:1", "127.0.0.1"),
            ("[::FFFF:192.0.2.1]", "192.0.2.1"),
            ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
        ] {
            let address = parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is an address"));
            assert_eq!(shown(address), wanted, "{text}");
            assert_eq!(address.to_string(), wanted, "{text}");
            assert_eq!(parse(wanted.as_bytes()), Some(address), "{wanted}");
        }
    }

    #[test]
    fn addresses_are_shown_as_core_shows_them() {
        let mut random = fastrand::Rng::with_seed(9);
        for _ in 0..100_000 {
            let groups: [u16; 8] =
                std::array::from_fn(|_| if random.bool() { 0 } else { random.u16(..) >> random.u32(..16) });
            let address = IpAddr::from(groups).to_canonical();
            assert_eq!(shown(address), address.to_string());
        }
    }

    #[test]
    fn an_ipv4_host_has_one_address_however_it_comes() {
        assert_eq!(parse(b"::ffff:127.0.0.1"), Some(LOOPBACK));
        assert_eq!(bytes(&LOOPBACK), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1]);
        assert_eq!(bytes(&ANY), [0; 16]);
        assert_ne!(parse(b"0.0.0.0"), Some(ANY));
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
            let address = parse(text.as_bytes()).expect("an address");
            assert_eq!(address.is_loopback(), wanted, "{text}");
        }
    }
}
