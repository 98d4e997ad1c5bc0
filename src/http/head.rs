//! The head of a request: its first line and its header lines, up to the empty one. Read strictly, so that nobody on the way
//! can have understood it otherwise (RFC 9112, 11.2): no bare line feed, no folded line, one length.

use super::body::Body;
use super::fault::Fault;
use crate::limits;
use crate::text::bytes::{after, first, has, is_like, lines, until};
use crate::text::number;

/// Bytes of the longest name of a header line that becomes a variable.
const LONGEST: usize = 63;

/// A complete head.
#[derive(Debug)]
pub struct Head<'h> {
    /// `GET`, `POST` or `PUT`.
    pub method: &'h [u8],
    /// What it is about: a path, and a query if there is a question mark.
    target: &'h [u8],
    /// Whether it is of HTTP/1.1, whose clients know chunks.
    pub has_chunks: bool,
    /// What follows.
    pub body: Body,
    /// Whether the client waits for a word before it sends the body (`Expect: 100-continue`).
    pub waits: bool,
    /// Whether it would rather not wait for the command (`Prefer: respond-async`, RFC 7240, 4.1).
    pub is_async: bool,
    /// What it has to show for itself (`Authorization`); empty where it shows nothing.
    authorization: &'h [u8],
    /// The header lines, up to the empty one.
    lines: &'h [u8],
    /// What has come behind it.
    pub rest: &'h [u8],
}

/// The header lines that mean something here, in the order of [`NAMES`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Host,
    Length,
    Coding,
    Expect,
    Prefer,
    Authorization,
    Type,
    Proxy,
    /// Any other.
    Other,
}

const NAMES: &[u8] = b"host\ncontent-length\ntransfer-encoding\nexpect\nprefer\nauthorization\ncontent-type\nproxy";

const KNOWN: [Known; 8] = [
    Known::Host,
    Known::Length,
    Known::Coding,
    Known::Expect,
    Known::Prefer,
    Known::Authorization,
    Known::Type,
    Known::Proxy,
];

impl<'h> Head<'h> {
    const EMPTY: Head<'h> = Head {
        method: b"",
        target: b"",
        has_chunks: true,
        body: Body::NONE,
        waits: false,
        is_async: false,
        authorization: b"",
        lines: b"",
        rest: b"",
    };

    /// Reads the head that `bytes` begin with; `None` while it is not complete.
    ///
    /// # Errors
    /// The first thing that is wrong with it, as soon as that has come.
    pub fn read(bytes: &'h [u8]) -> Result<Option<Head<'h>>, Fault> {
        let mut head = Head { rest: bytes, ..Head::EMPTY };
        // What begins otherwise is no method: the hello of TLS, a stub, most tokens.
        if !bytes.first().is_none_or(u8::is_ascii_uppercase) {
            return Err(Fault::Line);
        }
        let is_complete = head.read_first()? && head.read_fields()?;
        if is_complete {
            Ok(Some(head))
        } else if bytes.len() < limits::HEAD {
            Ok(None)
        } else {
            Err(if head.method.is_empty() { Fault::LongLine } else { Fault::LongHead })
        }
    }

    /// Reads the first line; false while that is not complete.
    fn read_first(&mut self) -> Result<bool, Fault> {
        let Some(line) = next_line(&mut self.rest, Fault::Line)? else { return Ok(false) };
        let (method, behind) = split(line, b' ');
        let (target, version) = split(behind, b' ');
        let number = version.strip_prefix(b"HTTP/").ok_or(Fault::Line)?;
        if target.first() != Some(&b'/') || has(number, b' ') || has(line, b'\t') {
            return Err(Fault::Line);
        }
        self.has_chunks = number == b"1.1";
        if !self.has_chunks && number != b"1.0" {
            return Err(Fault::Version);
        }
        (self.method, self.target, self.lines) = (method, target, self.rest);
        Ok(true)
    }

    /// Reads the header lines; false while they are not complete.
    fn read_fields(&mut self) -> Result<bool, Fault> {
        let (mut hosts, mut lengths) = (0, 0);
        loop {
            let Some(line) = next_line(&mut self.rest, Fault::Field)? else { return Ok(false) };
            if line.is_empty() {
                break;
            }
            let (_, known, value) = read_field(line)?;
            match known {
                Known::Host => hosts += 1,
                Known::Length => {
                    lengths += 1;
                    self.body = Body::of_length(number::parse(value, 10).ok_or(Fault::Lengths)?);
                }
                Known::Coding if !is_like(value, b"chunked") => return Err(Fault::Coding),
                Known::Coding => {
                    // In HTTP/1.0 there are no chunks (RFC 9112, 6.1).
                    lengths += if self.has_chunks { 1 } else { 2 };
                    self.body = Body::CHUNKED;
                }
                Known::Expect => self.waits = self.has_chunks && is_like(value, b"100-continue"),
                Known::Prefer => {
                    let mut words = value.split(|byte| has(b",;", *byte));
                    self.is_async |= words.any(|word| is_like(word.trim_ascii(), b"respond-async"));
                }
                Known::Authorization => self.authorization = value,
                Known::Type | Known::Proxy | Known::Other => {}
            }
        }
        let is_get = self.method == b"GET";
        if hosts > 1 || hosts == 0 && self.has_chunks {
            Err(Fault::Host)
        } else if lengths > 1 {
            Err(Fault::Lengths)
        } else if !is_get && self.method != b"POST" && self.method != b"PUT" {
            Err(Fault::Method)
        } else if lengths == 0 && !is_get {
            Err(Fault::NoLength)
        } else {
            Ok(true)
        }
    }

    /// The token that it presents (RFC 6750, 2.1).
    #[must_use]
    pub fn bearer(&self) -> Option<&'h [u8]> {
        let (scheme, token) = self.authorization.split_at_checked(7)?;
        is_like(scheme, b"bearer ").then_some(token)
    }

    fn path(&self) -> &'h [u8] {
        split(self.target, b'?').0
    }

    /// Whether it asks whether the server is there.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.method == b"GET" && self.path() == b"/healthz"
    }

    /// Whether it is for this command.
    #[must_use]
    pub fn is_for(&self, command: &[u8]) -> bool {
        let name = after(self.path(), 1);
        name.is_empty() || name == command
    }

    /// Hands over the variables that CGI makes of it (RFC 3875, 4.1), each as what its name begins with, the rest of that with
    /// what separates it from the value, and the value. Neither the token nor what programs take for a setting of their own
    /// (`HTTP_PROXY`) is among them, nor a name that is longer than any variable's.
    pub fn visit_variables(&self, visit: &mut dyn FnMut(&[&[u8]])) {
        visit(&[b"REQUEST_METHOD=", self.method]);
        visit(&[b"QUERY_STRING=", split(self.target, b'?').1]);
        visit(&[b"SCRIPT_NAME=", self.path()]);
        let mut rest = self.lines;
        while let Ok(Some(line)) = next_line(&mut rest, Fault::Field)
            && let Ok((name, known, value)) = read_field(line)
        {
            let prefix: &[u8] = match known {
                Known::Authorization | Known::Proxy => continue,
                Known::Length | Known::Type => b"",
                _ => b"HTTP_",
            };
            let mut variable = [b'='; LONGEST + 1];
            if name.len() <= LONGEST {
                for (place, byte) in variable.iter_mut().zip(name) {
                    *place = if *byte == b'-' { b'_' } else { byte.to_ascii_uppercase() };
                }
                visit(&[prefix, first(&variable, name.len() + 1), value]);
            }
        }
    }
}

/// What is before the first `byte`, and what is behind it.
fn split(text: &[u8], byte: u8) -> (&[u8], &[u8]) {
    let first = until(text, byte);
    (first, after(text, first.len() + 1))
}

/// Takes a line off `rest`, without its end; `None` where it has not come whole. A line feed alone is a `fault`, and so is any
/// other character that is none of a text.
fn next_line<'h>(rest: &mut &'h [u8], fault: Fault) -> Result<Option<&'h [u8]>, Fault> {
    if !has(rest, b'\n') {
        return Ok(None);
    }
    let (line, behind) = split(rest, b'\n');
    *rest = behind;
    let line = line.strip_suffix(b"\r").ok_or(fault)?;
    let is_text = line.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control());
    if is_text { Ok(Some(line)) } else { Err(fault) }
}

/// Name of a header line, what that means here, and value. A folded line begins with a blank, which no name has.
fn read_field(line: &[u8]) -> Result<(&[u8], Known, &[u8]), Fault> {
    let (name, value) = split(line, b':');
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || has(b"!#$%&'*+-.^_`|~", *byte);
    if name.is_empty() || name.len() == line.len() || !name.iter().all(is_token) {
        return Err(Fault::Field);
    }
    let number = lines(NAMES).position(|known| is_like(name, known));
    let known = number.and_then(|number| KNOWN.get(number)).map_or(Known::Other, |known| *known);
    Ok((name, known, value.trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of a head, as text.
    type Read = Result<Option<(String, String, bool, bool, Body, String)>, Fault>;

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    fn read(bytes: &[u8]) -> Read {
        let head = Head::read(bytes)?;
        Ok(head.map(|head| {
            let Head { method, target, has_chunks, waits, body, rest, .. } = head;
            (text(method), text(target), has_chunks, waits, body, text(rest))
        }))
    }

    fn fault(bytes: impl AsRef<[u8]>) -> Option<Fault> {
        Head::read(bytes.as_ref()).err()
    }

    /// A `POST` with these header lines between its first line with `Host` and the empty one.
    fn post(lines: &str) -> String {
        format!("POST / HTTP/1.1\r\nHost: h\r\n{lines}\r\n")
    }

    fn variables(bytes: &[u8]) -> Vec<String> {
        let head = Head::read(bytes).expect("a head").expect("a whole one");
        let mut variables = Vec::new();
        head.visit_variables(&mut |parts| variables.push(text(&parts.concat())));
        variables
    }

    /// First lines that are none, and what is said of them.
    const WRONG_LINES: [(&[u8], Fault); 34] = [
        (b"GET /\r\n", Fault::Line),
        (b"GET\r\n", Fault::Line),
        (b"G\r\n", Fault::Line),
        (b"\r\n", Fault::Line),
        (b"\n", Fault::Line),
        (b" GET / HTTP/1.1\r\n", Fault::Line),
        (b"\r\nGET / HTTP/1.1\r\n", Fault::Line),
        (b"\0", Fault::Line),
        (b"get / HTTP/1.1\r\n", Fault::Line),
        (b"correct horse\r\n", Fault::Line),
        (b"GET / HTTP/1.1\n", Fault::Line),
        (b"GET / HTTP/1.1\r\r\n", Fault::Line),
        (b"GET /\rHTTP/1.1 HTTP/1.1\r\n", Fault::Line),
        (b"GET  / HTTP/1.1\r\n", Fault::Line),
        (b"GET /  HTTP/1.1\r\n", Fault::Line),
        (b"GET / HTTP/1.1 \r\n", Fault::Line),
        (b"GET / HTTP/1.1 x\r\n", Fault::Line),
        (b"GET /a b HTTP/1.1\r\n", Fault::Line),
        (b"GET\t/ HTTP/1.1\r\n", Fault::Line),
        (b"GET /\0 HTTP/1.1\r\n", Fault::Line),
        (b"GET /\x01 HTTP/1.1\r\n", Fault::Line),
        (b"GET /\x7f HTTP/1.1\r\n", Fault::Line),
        (b"GET * HTTP/1.1\r\n", Fault::Line),
        (b"GET deploy HTTP/1.1\r\n", Fault::Line),
        (b"CONNECT host:443 HTTP/1.1\r\n", Fault::Line),
        (b"GET / http/1.1\r\n", Fault::Line),
        (b"GET / HTTPS/1.1\r\n", Fault::Line),
        // The preface of HTTP/2, and the hellos of TLS and of ssh.
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Fault::Line),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Fault::Line),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Fault::Line),
        (b"GET / HTTP/2.0\r\n", Fault::Version),
        (b"GET / HTTP/0.9\r\n", Fault::Version),
        (b"GET / HTTP/1.10\r\n", Fault::Version),
        (b"GET / HTTP/\r\n", Fault::Version),
    ];

    #[test]
    fn a_first_line_that_is_none_is_told() {
        for (bytes, wanted) in WRONG_LINES {
            assert_eq!(fault(bytes), Some(wanted), "{:?}", text(bytes));
            // Whatever comes behind it.
            assert_eq!(fault([bytes, b"Host: h\r\n\r\n"].concat()), Some(wanted), "{:?}", text(bytes));
        }
    }

    #[test]
    fn a_target_has_no_blanks_of_any_kind() {
        assert_eq!(fault("GET /\tx HTTP/1.1\r\nHost: h\r\n\r\n"), Some(Fault::Line));
        assert_eq!(fault("GET /\tHTTP/1.1 HTTP/1.1\r\nHost: h\r\n\r\n"), Some(Fault::Line));
    }

    /// Header lines that make no head, and what is said of them.
    const WRONG_FIELDS: [(&str, Fault); 45] = [
        ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", Fault::Lengths),
        ("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", Fault::Lengths),
        ("Content-Length: 1\r\nContent-Length: 2\r\n", Fault::Lengths),
        ("Content-Length: 1\r\nContent-Length: 1\r\n", Fault::Lengths),
        ("Content-Length: 1\r\ncontent-length: 1\r\n", Fault::Lengths),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Fault::Lengths),
        ("Content-Length: 1, 1\r\n", Fault::Lengths),
        ("Content-Length:\r\n", Fault::Lengths),
        ("Content-Length: \r\n", Fault::Lengths),
        ("Content-Length: +1\r\n", Fault::Lengths),
        ("Content-Length: -1\r\n", Fault::Lengths),
        ("Content-Length: 1 \t1\r\n", Fault::Lengths),
        ("Content-Length: 0x10\r\n", Fault::Lengths),
        ("Content-Length: a\r\n", Fault::Lengths),
        ("Content-Length: 1.0\r\n", Fault::Lengths),
        ("Content-Length: \u{661}\r\n", Fault::Lengths),
        ("Content-Length: 18446744073709551616\r\n", Fault::Lengths),
        ("Transfer-Encoding: gzip\r\n", Fault::Coding),
        ("Transfer-Encoding: gzip, chunked\r\n", Fault::Coding),
        ("Transfer-Encoding: chunked, gzip\r\n", Fault::Coding),
        ("Transfer-Encoding: chunked, chunked\r\n", Fault::Coding),
        ("Transfer-Encoding: identity\r\n", Fault::Coding),
        ("Transfer-Encoding: xchunked\r\n", Fault::Coding),
        ("Transfer-Encoding: \"chunked\"\r\n", Fault::Coding),
        ("Transfer-Encoding:\r\n", Fault::Coding),
        ("Transfer-Encoding: gzip\r\nContent-Length: 1\r\n", Fault::Coding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", Fault::Coding),
        ("Transfer-Encoding : chunked\r\n", Fault::Field),
        ("Content-Length : 1\r\n", Fault::Field),
        ("Content-Length\t: 1\r\n", Fault::Field),
        (" Content-Length: 1\r\n", Fault::Field),
        ("X: a\r\n b\r\nContent-Length: 1\r\n", Fault::Field),
        ("X: a\r\n\tb\r\nContent-Length: 1\r\n", Fault::Field),
        ("Content-Length: 1\n", Fault::Field),
        ("Content-Length: 1\n\n", Fault::Field),
        ("X: a\rb\r\nContent-Length: 1\r\n", Fault::Field),
        ("X: a\0b\r\nContent-Length: 1\r\n", Fault::Field),
        ("X: a\x08b\r\nContent-Length: 1\r\n", Fault::Field),
        ("X: \x7f\r\nContent-Length: 1\r\n", Fault::Field),
        ("X\0: a\r\n", Fault::Field),
        ("no colon\r\n", Fault::Field),
        (": no name\r\n", Fault::Field),
        ("X\u{fc}: a\r\n", Fault::Field),
        ("X(y): a\r\n", Fault::Field),
        ("\rContent-Length: 1\r\n", Fault::Field),
    ];

    #[test]
    fn a_header_line_that_is_none_or_not_clear_is_told() {
        for (lines, wanted) in WRONG_FIELDS {
            assert_eq!(fault(post(lines)), Some(wanted), "{lines:?}");
        }
        for end in ["\n", "\n\r\n", "\r\r\n"] {
            assert_eq!(fault(format!("GET / HTTP/1.1\r\nHost: h\r\n{end}")), Some(Fault::Field), "{end:?}");
        }
    }

    #[test]
    fn http_1_0_has_no_chunks() {
        for lines in ["", "Content-Length: 1\r\n"] {
            let head = format!("POST / HTTP/1.0\r\n{lines}Transfer-Encoding: chunked\r\n\r\n");
            assert_eq!(fault(head), Some(Fault::Lengths), "{lines:?}");
        }
    }

    #[test]
    fn there_is_one_host() {
        for lines in ["", "X-Host: h\r\n", "Host: h\r\nHost: h\r\n", "Host: a\r\nhost: b\r\n"] {
            assert_eq!(fault(format!("GET / HTTP/1.1\r\n{lines}\r\n")), Some(Fault::Host), "{lines:?}");
        }
        assert_eq!(fault("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), Some(Fault::Host));
        assert_eq!(fault("GET / HTTP/1.0\r\n\r\n"), None);
        assert_eq!(fault("GET / HTTP/1.1\r\nHost:\r\n\r\n"), None);
    }

    #[test]
    fn methods_that_start_nothing_are_told() {
        for method in ["PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "GETS", "POST_", "Get", "G"] {
            let head = format!("{method} / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(fault(head), Some(Fault::Method), "{method}");
        }
    }

    #[test]
    fn a_body_without_a_length_is_told_but_get_needs_none() {
        for method in ["POST", "PUT"] {
            for version in ["1.1", "1.0"] {
                assert_eq!(fault(format!("{method} / HTTP/{version}\r\nHost: h\r\n\r\n")), Some(Fault::NoLength));
            }
        }
        let (.., body, _) = read(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").expect("a head").expect("a whole one");
        assert_eq!(body, Body::NONE);
    }

    #[test]
    fn what_is_too_long_is_told_and_what_just_fits_is_not() {
        let long = "x".repeat(limits::HEAD);
        assert_eq!(fault(&format!("GET /{long}")[..limits::HEAD]), Some(Fault::LongLine));
        assert_eq!(fault(&format!("GET /{long}")[..limits::HEAD - 1]), None);
        assert_eq!(fault(long.to_uppercase()), Some(Fault::LongLine));
        let start = "GET / HTTP/1.1\r\nHost: h\r\n";
        assert_eq!(fault(&format!("{start}X: {long}")[..limits::HEAD]), Some(Fault::LongHead));
        assert_eq!(fault(&format!("{start}{}", "X: y\r\n".repeat(2000))[..limits::HEAD]), Some(Fault::LongHead));
        let fill = "x".repeat(limits::HEAD - start.len() - "X: \r\n\r\n".len());
        let whole = format!("{start}X: {fill}\r\n\r\n");
        assert_eq!(whole.len(), limits::HEAD);
        assert_eq!(fault(&whole), None);
        // One that is wrong as well is wrong first.
        assert_eq!(fault(format!("GET / HTTP/1.1\r\nno colon\r\nX: {long}")), Some(Fault::Field));
    }

    /// Heads that are right, and what each is understood as.
    fn right() -> Vec<(&'static [u8], Read)> {
        let head = |method: &str, target: &str, has_chunks, waits, body, rest: &str| {
            Ok(Some((method.to_owned(), target.to_owned(), has_chunks, waits, body, rest.to_owned())))
        };
        vec![
            (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", head("GET", "/", true, false, Body::NONE, "")),
            (b"GET /go?a=b?c HTTP/1.0\r\n\r\n", head("GET", "/go?a=b?c", false, false, Body::NONE, "")),
            (
                b"POST / HTTP/1.1\r\nhOsT:h\r\ncontent-LENGTH:\t 007 \t\r\n\r\nabc\r\n",
                head("POST", "/", true, false, Body::of_length(7), "abc\r\n"),
            ),
            (
                b"PUT /go HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\nExpect: 100-Continue\r\n\r\n0\r\n",
                head("PUT", "/go", true, true, Body::CHUNKED, "0\r\n"),
            ),
            (
                b"POST / HTTP/1.0\r\nContent-Length: 18446744073709551615\r\nExpect: 100-continue\r\n\r\n",
                head("POST", "/", false, false, Body::of_length(u64::MAX), ""),
            ),
            (b"GET / HTTP/1.1\r\nHost: h\r\nX-\xc3: y\r\n\r\n", Err(Fault::Field)),
            (
                b"GET / HTTP/1.1\r\nHost: h\r\nX: \xc3\xa4\xff\tb\r\nX!#$%&'*+-.^_`|~9:\r\n\r\n",
                head("GET", "/", true, false, Body::NONE, ""),
            ),
        ]
    }

    #[test]
    fn heads_are_understood() {
        for (bytes, wanted) in right() {
            assert_eq!(read(bytes), wanted, "{:?}", text(bytes));
        }
    }

    #[test]
    fn a_head_that_comes_in_pieces_is_judged_the_same() {
        let wrong = WRONG_FIELDS.map(|(lines, _)| post(lines).into_bytes());
        let lines = WRONG_LINES.map(|(line, _)| [line, b"Host: h\r\n\r\n"].concat());
        let heads = right().into_iter().map(|(bytes, _)| bytes.to_vec());
        for bytes in heads.chain(wrong).chain(lines) {
            let whole = read(&bytes);
            // Once it is judged, more bytes change nothing but what is behind it.
            let mut judged = None;
            for count in 0..=bytes.len() {
                let now = match read(&bytes[..count]) {
                    Ok(None) => None,
                    Ok(Some((method, target, has_chunks, waits, body, _))) => {
                        Some(Ok((method, target, has_chunks, waits, body)))
                    }
                    Err(fault) => Some(Err(fault)),
                };
                assert!(judged.is_none() || judged == now, "{:?} at {count}", text(&bytes));
                judged = now;
            }
            let wanted = whole.map(|head| head.map(|(a, b, c, d, e, _)| (a, b, c, d, e)));
            assert_eq!(judged, wanted.transpose(), "{:?}", text(&bytes));
        }
    }

    #[test]
    fn the_token_is_a_bearers() {
        for (lines, wanted) in [
            ("", None),
            ("Authorization: Bearer secret\r\n", Some("secret")),
            ("authorization:bEARER secret \r\n", Some("secret")),
            ("Authorization: Bearer two words\r\n", Some("two words")),
            ("Authorization: Bearer\r\n", None),
            ("Authorization: Bearersecret\r\n", None),
            ("Authorization: Basic c2VjcmV0\r\n", None),
            ("Authorization: secret\r\n", None),
            ("X-Authorization: Bearer secret\r\n", None),
            ("Proxy-Authorization: Bearer secret\r\n", None),
        ] {
            let head = format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
            let head = Head::read(head.as_bytes()).expect("a head").expect("a whole one");
            assert_eq!(head.bearer().map(text).as_deref(), wanted, "{lines:?}");
        }
    }

    #[test]
    fn a_path_is_the_commands_the_root_or_the_probes() {
        for (target, is_for, is_probe) in [
            ("/", true, false),
            ("/?x=/go", true, false),
            ("/go", true, false),
            ("/go?x", true, false),
            ("/go/", false, false),
            ("//go", false, false),
            ("/Go", false, false),
            ("/g", false, false),
            ("/go%20", false, false),
            ("/../go", false, false),
            ("/healthz", false, true),
            ("/healthz?verbose", false, true),
            ("/healthz/", false, false),
        ] {
            let head = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
            let head = Head::read(head.as_bytes()).expect("a head").expect("a whole one");
            assert_eq!((head.is_for(b"go"), head.is_probe()), (is_for, is_probe), "{target}");
        }
        let head = b"POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n";
        assert!(!Head::read(head).expect("a head").expect("a whole one").is_probe());
    }

    #[test]
    fn variables_are_those_of_cgi() {
        let head = b"POST /go?a=1&b=%20 HTTP/1.1\r\nHost: h:9\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\
            X-GitHub-Event:  push \r\nAccept:\r\n\r\nX-Behind: it\r\n\r\n";
        assert_eq!(
            variables(head),
            [
                "REQUEST_METHOD=POST",
                "QUERY_STRING=a=1&b=%20",
                "SCRIPT_NAME=/go",
                "HTTP_HOST=h:9",
                "CONTENT_TYPE=text/plain",
                "CONTENT_LENGTH=0",
                "HTTP_X_GITHUB_EVENT=push",
                "HTTP_ACCEPT=",
            ]
        );
        assert_eq!(variables(b"GET / HTTP/1.0\r\n\r\n"), ["REQUEST_METHOD=GET", "QUERY_STRING=", "SCRIPT_NAME=/"]);
    }

    #[test]
    fn who_would_rather_not_wait_says_so_in_one_of_its_preferences() {
        let is_async = |lines: &str| {
            let head = format!("GET / HTTP/1.0\r\n{lines}\r\n");
            Head::read(head.as_bytes()).expect("a head").expect("a whole one").is_async
        };
        for lines in [
            "Prefer: respond-async\r\n",
            "prefer: RESPOND-async\r\n",
            "Prefer: wait=10,respond-async\r\n",
            "Prefer: respond-async; wait=10\r\n",
            "Prefer: wait=10\r\nPrefer: respond-async\r\n",
            "Prefer: respond-async\r\nPrefer: wait=10\r\n",
        ] {
            assert!(is_async(lines), "{lines:?}");
        }
        for lines in
            ["", "Prefer:\r\n", "Prefer: respond\r\n", "Prefer: respond-async-not\r\n", "X-Prefer: respond-async\r\n"]
        {
            assert!(!is_async(lines), "{lines:?}");
        }
    }

    #[test]
    fn neither_the_token_nor_a_setting_becomes_a_variable() {
        let long = format!("{}: x\r\n", "A".repeat(300));
        for lines in
            ["Authorization: Bearer t\r\n", "AUTHORIZATION: x\r\n", "Proxy: http://x\r\n", "pRoXy: x\r\n", &long]
        {
            let head = format!("GET / HTTP/1.0\r\n{lines}\r\n");
            assert_eq!(
                variables(head.as_bytes()),
                ["REQUEST_METHOD=GET", "QUERY_STRING=", "SCRIPT_NAME=/"],
                "{lines:?}"
            );
        }
    }
}
