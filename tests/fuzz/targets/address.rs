//! Addresses: what is read is an address by RFC 4291, and is shown as it is read.

use super::signature;
use crate::diag::printable;
use crate::text::address;
use k8psh::line;
use std::net::IpAddr;

pub(crate) const WORDS: &[&[u8]] = &[
    b"::",
    b":",
    b".",
    b"ffff",
    b"::ffff:",
    b"0",
    b"00",
    b"255",
    b"256",
    b"127.0.0.1",
    b"[",
    b"]",
    b"%eth0",
    b"fe80::1",
];

pub(crate) fn run(input: &[u8]) -> u64 {
    let inner = input.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or(input);
    let Some(address) = address::parse(input) else {
        assert!(!is_v4(inner) && !is_v6(inner), "an address is refused: {:?}", String::from_utf8_lossy(input));
        return signature(&(inner.len().min(8), inner.contains(&b'.'), inner.contains(&b':')));
    };
    assert!(is_v4(inner) || is_v6(inner), "this is an address: {:?}", String::from_utf8_lossy(input));
    assert_eq!(address, address.to_canonical(), "a host has one address");
    let shown = printable(&line!("{}", address));
    assert_eq!(shown, address.to_string());
    assert_eq!(address::parse(shown.as_bytes()), Some(address), "{shown}");
    assert_eq!(address::parse(format!("[{shown}]").as_bytes()), Some(address), "{shown}");
    let mapped = address::bytes(&address);
    assert_eq!(IpAddr::from(mapped).to_canonical(), address);
    signature(&(
        address.is_ipv4(),
        shown.len(),
        shown.find("::"),
        shown.matches(':').count(),
        inner.len() < input.len(),
    ))
}

/// Four numbers up to 255 without leading zeros.
fn is_v4(text: &[u8]) -> bool {
    let parts: Vec<&[u8]> = text.split(|byte| *byte == b'.').collect();
    let is_number = |part: &&[u8]| {
        let is_short = matches!(part, [b'0'] | [b'1'..=b'9', ..]) && part.len() <= 3;
        is_short
            && part.iter().all(u8::is_ascii_digit)
            && part.iter().fold(0, |n, d| n * 10 + u32::from(d - b'0')) < 256
    };
    parts.len() == 4 && parts.iter().all(is_number)
}

/// Eight groups of up to four hexadecimal digits, of which the last two may be written as IPv4, and one run of at least one
/// group may be `::`.
fn is_v6(text: &[u8]) -> bool {
    let Some(at) = text.windows(2).position(|pair| pair == b"::") else { return groups(text, true) == Some(8) };
    let (before, after) = (&text[..at], &text[at + 2..]);
    let count = |text: &[u8], is_last| if text.is_empty() { Some(0) } else { groups(text, is_last) };
    matches!((count(before, false), count(after, true)), (Some(before), Some(after)) if before + after < 8)
}

/// How many groups of 16 bits this is.
fn groups(text: &[u8], is_last: bool) -> Option<usize> {
    let parts: Vec<&[u8]> = text.split(|byte| *byte == b':').collect();
    let (last, others) = parts.split_last()?;
    let is_group = |part: &[u8]| (1..=4).contains(&part.len()) && part.iter().all(u8::is_ascii_hexdigit);
    let of_last = if is_group(last) {
        1
    } else if is_last && is_v4(last) {
        2
    } else {
        return None;
    };
    others.iter().all(|part| is_group(part)).then_some(others.len() + of_last)
}
