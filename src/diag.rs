//! Messages: the only writer of them. One line each, `NAME: thing: reason`, written by one call so that lines of several
//! processes do not mix. Must not decide what is worth a message.

use crate::limits::MESSAGE;
use crate::sys::memory::Setting;
use crate::{exit, number, sys};
use rustix::io::Errno;

/// A line that is being put together.
pub struct Line {
    bytes: heapless::Vec<u8, MESSAGE>,
}

impl Default for Line {
    fn default() -> Line {
        Line::new()
    }
}

impl Line {
    /// An empty line.
    pub fn new() -> Line {
        Line { bytes: heapless::Vec::new() }
    }

    /// What it holds.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds bytes as they are.
    fn add(&mut self, bytes: &[u8]) {
        let most = MESSAGE - 4;
        // Beyond that only the ellipsis stands, and nothing follows it.
        let Some(room) = most.checked_sub(self.bytes.len()) else { return };
        // What is added was measured, so neither can fail.
        let _ = self.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        if bytes.len() > room {
            let _ = self.bytes.extend_from_slice("…".as_bytes());
        }
    }

    /// Ends the line and writes it to `stream`. A message that nobody can read is nobody's error.
    fn write(mut self, stream: rustix::fd::BorrowedFd<'_>) {
        let _ = self.bytes.push(b'\n');
        let mut rest = self.bytes.as_slice();
        while !rest.is_empty() {
            match rustix::io::write(stream, rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}

/// An error of which somebody has been told: all that is left is to end what it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told;

/// Something that can stand in a message.
pub trait Show {
    /// Adds it to the line.
    fn show(&self, line: &mut Line);
}

impl<T: Show + ?Sized> Show for &T {
    fn show(&self, line: &mut Line) {
        (**self).show(line);
    }
}

/// Words of this program's.
impl Show for str {
    fn show(&self, line: &mut Line) {
        line.add(self.as_bytes());
    }
}

/// What a message shows of one part, in bytes, so that a long path leaves room for the reason.
const PART: usize = 512;

/// Somebody else's bytes: control characters are written as escapes, so that a message stays one line and a terminal
/// stays as it is.
impl Show for [u8] {
    fn show(&self, line: &mut Line) {
        for byte in self.iter().take(PART) {
            match byte {
                b'\n' => line.add(b"\\n"),
                0..=31 | 127 => line.add(&[b'\\', b'x', hexadecimal(byte >> 4), hexadecimal(byte & 15)]),
                _ => line.add(core::slice::from_ref(byte)),
            }
        }
        if self.len() > PART {
            line.add("…".as_bytes());
        }
    }
}

/// A line within another, as it is.
impl Show for Line {
    fn show(&self, line: &mut Line) {
        line.add(&self.bytes);
    }
}

impl Show for core::ffi::CStr {
    fn show(&self, line: &mut Line) {
        self.to_bytes().show(line);
    }
}

/// The digit for a value below 16.
fn hexadecimal(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

impl Show for u64 {
    fn show(&self, line: &mut Line) {
        show_padded(*self, 1, line);
    }
}

/// A number with at least so many digits.
fn show_padded(value: u64, digits: usize, line: &mut Line) {
    let mut room = [0; 24];
    let text = number::digits(value, 10, &mut room);
    for _ in text.len()..digits {
        line.add(b"0");
    }
    line.add(text);
}

macro_rules! show_unsigned {
    ($($type:ty),*) => {$(
        impl Show for $type {
            fn show(&self, line: &mut Line) {
                show_padded(u64::try_from(*self).unwrap_or(u64::MAX), 1, line);
            }
        }
    )*};
}
show_unsigned!(u8, u16, u32, usize);

impl Show for i32 {
    fn show(&self, line: &mut Line) {
        if *self < 0 {
            line.add(b"-");
        }
        show_padded(self.unsigned_abs().into(), 1, line);
    }
}

impl Show for Errno {
    fn show(&self, line: &mut Line) {
        match crate::errno::text(self.raw_os_error()) {
            Some(text) => text.show(line),
            None => {
                "error ".show(line);
                self.raw_os_error().show(line);
            }
        }
    }
}

/// Puts a [`Line`] together from a text and what stands in the place of each `{}` in it.
#[macro_export]
macro_rules! line {
    ($text:literal $(, $part:expr)* $(,)?) => {{
        let mut line = $crate::diag::Line::new();
        $crate::add!(&mut line, $text $(, $part)*);
        line
    }};
}

/// Adds a text and its parts to a [`Line`].
#[macro_export]
macro_rules! add {
    ($line:expr, $text:literal $(, $part:expr)* $(,)?) => {
        $crate::diag::add($line, $text, &[$(&$part as &dyn $crate::diag::Show),*])
    };
}

/// Writes one message, `NAME: ` and the text with its parts, to stderr.
#[macro_export]
macro_rules! report {
    ($text:literal $(, $part:expr)* $(,)?) => {
        $crate::diag::report($text, &[$(&$part as &dyn $crate::diag::Show),*])
    };
}

/// Writes one message, and is the [`crate::diag::Told`] that says so.
#[macro_export]
macro_rules! told {
    ($text:literal $(, $part:expr)* $(,)?) => {{
        $crate::report!($text $(, $part)*);
        $crate::diag::Told
    }};
}

/// Writes one message and ends the process with the code.
#[macro_export]
macro_rules! fail {
    ($code:expr, $text:literal $(, $part:expr)* $(,)?) => {{
        $crate::report!($text $(, $part)*);
        $crate::sys::process::exit($code)
    }};
}

/// Writes a line for whoever asked for the component's with `K8PSH_DEBUG`. Costs one comparison where nobody did.
#[macro_export]
macro_rules! debug {
    ($component:ident, $text:literal $(, $part:expr)* $(,)?) => {
        if $crate::diag::is_wanted($crate::diag::Component::$component) {
            $crate::diag::tell(
                $crate::diag::Component::$component,
                $text,
                &[$(&$part as &dyn $crate::diag::Show),*],
            );
        }
    };
}

/// What a server calls itself in messages.
pub const SERVER: &[u8] = b"k8pshd";

static NAME: Setting<&'static [u8]> = Setting::new(b"k8psh");
static WANTED: Setting<u8> = Setting::new(0);

/// Sets the name that messages begin with: what this process was called as.
pub fn set_name(name: &'static [u8]) {
    NAME.set(name);
}

/// The name that messages begin with.
pub fn name() -> &'static [u8] {
    NAME.get()
}

/// Adds a text to a line, and each part in the place of a `{}` in it.
pub fn add(line: &mut Line, text: &str, parts: &[&dyn Show]) {
    let mut parts = parts.iter();
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'{') {
        line.add(rest.get(..at).unwrap_or_default());
        if let Some(part) = parts.next() {
            part.show(line);
        }
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    line.add(rest);
}

/// Writes a message to stderr, behind this program's name.
pub fn report(text: &str, parts: &[&dyn Show]) {
    let mut line = Line::new();
    add!(&mut line, "{}: ", name());
    write_error(line, text, parts);
}

/// Writes a debug line to stderr, behind its time, process and component.
pub fn tell(component: Component, text: &str, parts: &[&dyn Show]) {
    let mut line = Line::new();
    show_stamp(&mut line);
    add!(&mut line, "{}: ", component);
    write_error(line, text, parts);
}

/// Ends a line and writes it. Where stderr is closed there is nobody to tell.
fn write_error(mut line: Line, text: &str, parts: &[&dyn Show]) {
    add(&mut line, text, parts);
    line.write(sys::descriptor::error());
}

/// Writes help or a version to stdout; false where it could not be written whole.
#[must_use]
pub fn print(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match rustix::io::write(sys::descriptor::output(), rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(errno) => {
                report!("stdout: {}", errno);
                return false;
            }
        }
    }
    true
}

/// The parts of the program that can be asked to tell what they do: its modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// Roles, options, the poll loops.
    Applet = 1,
    /// The configuration.
    Config = 2,
    /// Requests and relays.
    Session = 4,
    /// Processes, signals, descriptors.
    Sys = 8,
    /// Frames.
    Wire = 16,
}

const COMPONENTS: [(Component, &str); 5] = [
    (Component::Applet, "applet"),
    (Component::Config, "config"),
    (Component::Session, "session"),
    (Component::Sys, "sys"),
    (Component::Wire, "wire"),
];

impl Show for Component {
    fn show(&self, line: &mut Line) {
        for (_, name) in COMPONENTS.iter().filter(|(component, _)| component == self) {
            name.show(line);
        }
    }
}

/// Whether the component's lines were asked for.
pub fn is_wanted(component: Component) -> bool {
    WANTED.get() & component as u8 != 0
}

/// Takes the value of `K8PSH_DEBUG`: names of components with commas between them, in any case, or `all`.
pub fn want(names: &[u8]) {
    let mut wanted = 0;
    for name in names.split(|byte| *byte == b',') {
        let name = name.trim_ascii();
        let mask = if is_same_word(name, b"all") { u8::MAX } else { mask_of(name) };
        if mask == 0 && !name.is_empty() {
            report!("K8PSH_DEBUG: no component {}; there are applet, config, session, sys, wire, all", name);
        }
        wanted |= mask;
    }
    WANTED.set(wanted);
}

/// Whether two words are the same in any case.
fn is_same_word(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| a.to_ascii_lowercase() == *b)
}

/// The bit of the component of that name; 0 for none.
fn mask_of(name: &[u8]) -> u8 {
    COMPONENTS.iter().find(|(_, known)| is_same_word(name, known.as_bytes())).map_or(0, |(bit, _)| *bit as u8)
}

/// Time of day in UTC to the millisecond, and process.
fn show_stamp(line: &mut Line) {
    let (seconds, milliseconds) = sys::time::wall();
    for (value, digits, after) in [
        (seconds / 3600 % 24, 2, ":"),
        (seconds / 60 % 60, 2, ":"),
        (seconds % 60, 2, "."),
        (milliseconds.into(), 3, " ["),
    ] {
        show_padded(value, digits, line);
        after.show(line);
    }
    sys::process::id().show(line);
    "] ".show(line);
}

/// A bug: says where, and ends with the code for "k8psh itself failed".
pub fn abort(location: Option<&core::panic::Location<'_>>) -> ! {
    match location {
        Some(place) => fail!(exit::UNAVAILABLE, "internal error at {}:{}", place.file(), place.line()),
        None => fail!(exit::UNAVAILABLE, "internal error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_put_together_from_its_parts() {
        let line = line!("cannot open {}: {} {} {} {}", &b"a\nb\x1b\x7f\xff"[..], Errno::NOENT, 0_u8, -12, u64::MAX);
        assert_eq!(
            line.bytes(),
            b"cannot open a\\nb\\x1b\\x7f\xff: No such file or directory 0 -12 18446744073709551615"
        );
    }

    #[test]
    fn a_line_that_is_too_long_ends_in_an_ellipsis_once() {
        let parts = [b'x'; PART];
        let line = line!("{}{}{}more", &parts[..], &parts[..], &parts[..]);
        assert!(line.bytes().len() < MESSAGE);
        assert!(line.bytes().ends_with("x…".as_bytes()));
    }

    #[test]
    fn a_long_part_leaves_room_for_the_others() {
        let line = line!("{}: {}", &[b'x'; PART + 1][..], Errno::NAMETOOLONG);
        assert!(line.bytes().ends_with("x…: File name too long".as_bytes()));
    }

    #[test]
    fn an_unknown_error_is_shown_by_its_number() {
        assert_eq!(line!("{}", Errno::from_raw_os_error(4000)).bytes(), b"error 4000");
    }

    #[test]
    fn components_are_found_by_name_in_any_case() {
        assert_eq!(mask_of(b"Wire"), Component::Wire as u8);
        assert_eq!(mask_of(b"wires"), 0);
    }
}
