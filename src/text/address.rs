//! Internet addresses as text. No names: there is no resolver that would turn one into an address.
//!
//! Addresses are kept in canonical form: an IPv4 address that came as IPv6 (`::ffff:a.b.c.d`, RFC 4291, 2.5.5.2) is one of
//! IPv4, so that a host has one address however it comes, and `==` tells whether two are the same.

use crate::text::bytes::{after, first, has, until};
use crate::text::line::{Line, Show};
use crate::text::number;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// This Pod alone, by IPv4.
pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Every address of this host, by IPv4 and IPv6, for something that listens.
pub const ANY: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Reads an IPv4 or IPv6 address, in brackets or without. `None` for anything else: names, zones (`%eth0`), and IPv4 with
/// leading zeros, which some read as octal.
///
/// By hand, since core's parser takes 2 KB more; a test holds them against each other.
pub fn parse(text: &[u8]) -> Option<IpAddr> {
    let text = if let [b'[', inner @ .., b']'] = text { inner } else { text };
    let address = parse_ipv4(text).map(Ipv4Addr::from).map(IpAddr::V4);
    address.or_else(|| Some(IpAddr::from(parse_ipv6(text)?).to_canonical()))
}

/// Four numbers with dots between them.
fn parse_ipv4(text: &[u8]) -> Option<[u8; 4]> {
    let mut octets = [0; 4];
    let mut numbers = text.split(|byte| *byte == b'.');
    for octet in &mut octets {
        let digits = numbers.next()?;
        let is_padded = digits.len() > 1 && digits[0] == b'0';
        *octet = number::parse(digits, 10).and_then(|number| u8::try_from(number).ok()).filter(|_| !is_padded)?;
    }
    numbers.next().is_none().then_some(octets)
}

/// Eight groups of 16 bits (RFC 4291, 2.2), of which `::` stands for one or more that are zero.
fn parse_ipv6(text: &[u8]) -> Option<[u16; 8]> {
    let mut groups = [0; 8];
    let Some(gap) = text.windows(2).position(|pair| pair == b"::") else {
        return (parse_groups(text, &mut groups)? == 8).then_some(groups);
    };
    let before = first(text, gap);
    let start = parse_groups(before, &mut groups).filter(|_| !has(before, b'.'))?;
    let end = start + parse_groups(after(text, gap + 2), groups.get_mut(start..)?)?;
    let zeros = 8_usize.checked_sub(end).filter(|zeros| *zeros > 0)?;
    for index in (start..end).rev() {
        groups.swap(index, index + zeros);
    }
    Some(groups)
}

/// Reads groups with colons between them, the last two as IPv4 if it is there, and tells how many there are.
fn parse_groups(text: &[u8], groups: &mut [u16]) -> Option<usize> {
    let mut count = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let group = until(rest, b':');
        if has(group, b'.') {
            let [a, b, c, d] = parse_ipv4(rest)?;
            groups
                .get_mut(count..count + 2)?
                .copy_from_slice(&[u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]);
            return Some(count + 2);
        }
        *groups.get_mut(count)? = parse_group(group)?;
        count += 1;
        rest = after(rest, group.len());
        if rest == b":" {
            return None;
        }
        rest = after(rest, 1);
    }
    Some(count)
}

/// One to four hexadecimal digits.
fn parse_group(digits: &[u8]) -> Option<u16> {
    number::parse(digits, 16).and_then(|number| u16::try_from(number).ok()).filter(|_| digits.len() <= 4)
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
            IpAddr::V4(host) => show_numbers(&host.octets().map(u16::from), b".", 10, line),
            IpAddr::V6(host) => show_groups(&host.segments(), line),
        }
    }
}

/// Eight groups of 16 bits, the longest run of zeros among them as `::` (RFC 5952, 4.2): of several the first, and none of
/// a single group.
fn show_groups(groups: &[u16; 8], line: &mut Line) {
    let (start, length) = longest_zeros(groups);
    if length < 2 {
        return show_numbers(groups, b":", 16, line);
    }
    show_numbers(first(groups, start), b":", 16, line);
    line.add(b"::");
    show_numbers(after(groups, start + length), b":", 16, line);
}

/// Where the first of the longest runs of zeros begins, and how many groups it has.
fn longest_zeros(groups: &[u16; 8]) -> (usize, usize) {
    let run = |start: usize| groups.iter().skip(start).take_while(|group| **group == 0).count();
    (0..groups.len())
        .map(|start| (start, run(start)))
        .fold((0, 0), |best, next| if next.1 > best.1 { next } else { best })
}

/// Numbers in a radix, with something between them.
fn show_numbers(numbers: &[u16], between: &[u8], radix: u64, line: &mut Line) {
    for (index, number) in numbers.iter().enumerate() {
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

    /// An address with a few characters of it replaced, left out or doubled, so that most are nearly addresses.
    fn distorted(text: &str, random: &mut fastrand::Rng) -> String {
        let mut text: Vec<u8> = text.bytes().collect();
        for _ in 0..random.u32(..4) {
            let at = random.usize(..=text.len());
            let byte = *random.choice(b":::..0019afF8%x").expect("one of them");
            match random.u32(..3) {
                0 if at < text.len() => text[at] = byte,
                1 if at < text.len() => drop(text.remove(at)),
                _ => text.insert(at, byte),
            }
        }
        String::from_utf8(text).expect("ASCII")
    }

    #[test]
    fn addresses_are_read_as_core_reads_them() {
        let mut random = fastrand::Rng::with_seed(4);
        let mut addresses = 0;
        for _ in 0..400_000 {
            let groups: [u16; 8] =
                std::array::from_fn(|_| if random.bool() { 0 } else { random.u16(..) >> random.u32(..16) });
            let tail = Ipv4Addr::from(random.u32(..));
            let text = match random.u32(..4) {
                0 => tail.to_string(),
                1 => format!("{}:{tail}", Ipv6Addr::from(groups)),
                _ => Ipv6Addr::from(groups).to_string(),
            };
            let text = distorted(&text, &mut random);
            let wanted = text.parse().ok().map(|address: IpAddr| address.to_canonical());
            assert_eq!(parse(text.as_bytes()), wanted, "{text}");
            addresses += u32::from(wanted.is_some());
        }
        assert!((100_000..300_000).contains(&addresses), "{addresses}");
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
