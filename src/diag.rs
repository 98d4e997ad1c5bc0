//! Messages: the only writer of them. One line each, `NAME: thing: reason`, written by one call so that lines of several
//! processes do not mix. Must not decide what is worth a message.

use crate::limits::{LOG_MS, MESSAGE};
use crate::sys::memory::Setting;
use crate::{bytes, exit, json, number, sys};
use core::ffi::CStr;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

/// A line that is being put together.
pub struct Line {
    bytes: heapless::Vec<u8, MESSAGE>,
    /// Whether it is longer than any room: what does not fit leaves for stdout.
    is_endless: bool,
}

/// Bytes of a line but for the ellipsis and its end.
const MOST: usize = MESSAGE - 5;

impl Default for Line {
    fn default() -> Line {
        Line::new()
    }
}

impl Line {
    /// An empty line.
    pub const fn new() -> Line {
        Line { bytes: heapless::Vec::new(), is_endless: false }
    }

    /// An empty one of any length, which goes to stdout: piece by piece, and the rest with [`Line::flush`].
    pub const fn endless() -> Line {
        Line { bytes: heapless::Vec::new(), is_endless: true }
    }

    /// Whether it takes any length.
    pub fn is_endless(&self) -> bool {
        self.is_endless
    }

    /// What it holds.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds bytes as they are.
    pub fn add(&mut self, bytes: &[u8]) {
        if self.bytes.len() + bytes.len() > MOST {
            return self.add_beyond(bytes);
        }
        // What is added was measured.
        let _ = self.bytes.extend_from_slice(bytes);
    }

    /// Adds bytes for which there is not enough room.
    #[inline(never)]
    fn add_beyond(&mut self, bytes: &[u8]) {
        if self.is_endless {
            self.flush();
            print_or_end(bytes);
        } else if let Some(bytes) = MOST.checked_sub(self.bytes.len()).and_then(|room| bytes.get(..room)) {
            // Behind them only the ellipsis stands, and nothing follows it: both have room.
            let _ = self.bytes.extend_from_slice(bytes);
            let _ = self.bytes.extend_from_slice("…".as_bytes());
        }
    }

    /// Writes what is there to stdout. Without a reader this process has nothing left to do.
    pub fn flush(&mut self) {
        print_or_end(&self.bytes);
        self.bytes.clear();
    }

    /// Ends the line and writes it to stderr: a line of the log, which has no name before it.
    pub fn log(&mut self) {
        self.write(sys::descriptor::error());
    }

    /// Ends the line and writes it to `stream`. A message that nobody can read is nobody's error.
    fn write(&mut self, stream: BorrowedFd<'static>) {
        // A terminal on loan is raw: it begins a new line below, not at the left.
        if sys::terminal::is_borrowed() {
            let _ = self.bytes.push(b'\r');
        }
        let _ = self.bytes.push(b'\n');
        // A server has others to serve than who reads its stderr.
        let _ = match name() {
            SERVER => write_soon(stream, &self.bytes),
            _ => write_all(stream, &self.bytes),
        };
    }
}

/// An error of which somebody has been told: all that is left is to end what it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told;

/// Something that can stand in a message.
pub trait Show {
    /// Adds it to the line.
    fn show(&self, line: &mut Line);

    /// It as a part of a message.
    fn part(&self) -> Part<'_>
    where
        Self: Sized,
    {
        Part::Other(self)
    }
}

/// A number that is not known, as JSON says it.
pub const UNKNOWN: u64 = u64::MAX;

/// A part of a message. The usual ones are passed by value: that takes less code than a reference to each and one to the
/// function that shows it. One byte says which it is, for the same reason.
#[repr(u8)]
#[derive(Clone, Copy)]
pub enum Part<'p> {
    /// Words of this program's, or a line: shown as they are.
    Words(&'p [u8]),
    /// Somebody else's bytes.
    Bytes(&'p [u8]),
    /// The same as a string of JSON's.
    Json(&'p [u8]),
    /// The same as the kernel and the configuration hand them over.
    String(&'p CStr),
    /// A number, or [`UNKNOWN`].
    Number(u64),
    /// A number with at least so many digits.
    Padded(u32, u8),
    /// A byte in two hexadecimal digits.
    Hex(u8),
    /// The present time.
    Now,
    /// The number of this process.
    Process,
    /// A number that may be negative.
    Signed(i32),
    /// A reason of the kernel's.
    Errno(Errno),
    /// Anything else.
    Other(&'p dyn Show),
}

impl Show for Part<'_> {
    fn show(&self, line: &mut Line) {
        match *self {
            Part::Words(words) => line.add(words),
            Part::Bytes(bytes) => show_bytes(bytes, line),
            Part::Json(text) => json::string(text, line),
            Part::String(string) => show_bytes(string.to_bytes(), line),
            Part::Number(UNKNOWN) => line.add(b"null"),
            Part::Number(number) => show_padded(number, 1, line),
            Part::Padded(number, digits) => show_padded(number.into(), digits, line),
            Part::Hex(byte) => show_hex(byte, line),
            Part::Now => show_time(sys::time::wall(), line),
            Part::Process => show_signed(sys::process::id(), line),
            Part::Signed(number) => show_signed(number, line),
            Part::Errno(errno) => show_errno(errno, line),
            Part::Other(other) => other.show(line),
        }
    }

    fn part(&self) -> Part<'_> {
        *self
    }
}

/// What is one part is shown as that.
macro_rules! show_as_part {
    ($($type:ty, $value:ident => $part:expr;)*) => {$(
        impl Show for $type {
            fn show(&self, line: &mut Line) {
                self.part().show(line);
            }

            fn part(&self) -> Part<'_> {
                let $value = *self;
                $part
            }
        }
    )*};
}

show_as_part! {
    &str, words => Part::Words(words.as_bytes());
    &[u8], bytes => Part::Bytes(bytes);
    &CStr, string => Part::String(string);
    u8, number => Part::Number(number.into());
    u16, number => Part::Number(number.into());
    u32, number => Part::Number(number.into());
    u64, number => Part::Number(number);
    usize, number => Part::Number(number as u64);
    i32, number => Part::Signed(number);
    Errno, errno => Part::Errno(errno);
    &dyn Show, other => Part::Other(other);
}

impl<T: Show> Show for &T {
    fn show(&self, line: &mut Line) {
        (**self).show(line);
    }

    fn part(&self) -> Part<'_> {
        (**self).part()
    }
}

/// A line within another, as it is.
impl Show for Line {
    fn show(&self, line: &mut Line) {
        self.part().show(line);
    }

    fn part(&self) -> Part<'_> {
        Part::Words(&self.bytes)
    }
}

/// What a message shows of one part, in bytes, so that a long path leaves room for the reason.
const PART: usize = 512;

/// Shows somebody else's bytes: control characters are written as escapes, so that a message stays one line and a
/// terminal stays as it is.
fn show_bytes(bytes: &[u8], line: &mut Line) {
    for byte in bytes.iter().take(PART) {
        match byte {
            b'\n' => line.add(b"\\n"),
            0..=31 | 127 => {
                line.add(b"\\x");
                Part::Hex(*byte).show(line);
            }
            _ => line.add(core::slice::from_ref(byte)),
        }
    }
    if bytes.len() > PART {
        line.add("…".as_bytes());
    }
}

#[inline(never)]
fn show_hex(byte: u8, line: &mut Line) {
    line.add(&[number::digit(byte >> 4), number::digit(byte & 15)]);
}

/// Shows a number with at least so many digits.
fn show_padded(value: u64, digits: u8, line: &mut Line) {
    let mut room = [0; 24];
    let text = number::digits(value, 10, &mut room);
    for _ in text.len()..digits.into() {
        line.add(b"0");
    }
    line.add(text);
}

fn show_signed(value: i32, line: &mut Line) {
    if value < 0 {
        line.add(b"-");
    }
    show_padded(value.unsigned_abs().into(), 1, line);
}

#[inline(never)]
fn show_errno(errno: Errno, line: &mut Line) {
    match crate::errno::text(errno.raw_os_error()) {
        Some(text) => line.add(text),
        None => {
            line.add(b"error ");
            show_signed(errno.raw_os_error(), line);
        }
    }
}

/// Puts a [`Line`] together from a text and what stands in the place of each `{}` in it.
#[macro_export]
macro_rules! line {
    ($text:expr $(, $part:expr)* $(,)?) => {{
        let mut line = $crate::diag::Line::new();
        $crate::add!(&mut line, $text $(, $part)*);
        line
    }};
}

/// Adds a text and its parts to a [`Line`].
#[macro_export]
macro_rules! add {
    ($line:expr, $text:expr $(, $part:expr)* $(,)?) => {
        $crate::diag::add($line, $text, &[$($crate::diag::Show::part(&$part)),*])
    };
}

/// Writes one message, `NAME: ` and the text with its parts, to stderr.
#[macro_export]
macro_rules! report {
    ($text:expr $(, $part:expr)* $(,)?) => {
        $crate::diag::report($text, &[$($crate::diag::Show::part(&$part)),*])
    };
}

/// Writes one message, and is the [`crate::diag::Told`] that says so.
#[macro_export]
macro_rules! told {
    ($text:expr $(, $part:expr)* $(,)?) => {{
        $crate::report!($text $(, $part)*);
        $crate::diag::Told
    }};
}

/// Writes one message and ends the process with the code.
#[macro_export]
macro_rules! fail {
    ($code:expr, $text:expr $(, $part:expr)* $(,)?) => {{
        $crate::diag::fail($code, $text, &[$($crate::diag::Show::part(&$part)),*])
    }};
}

/// Writes a line for whoever asked for the component's with `K8PSH_DEBUG`. Not for what happens with every frame: it is put
/// together before anybody asks whether somebody did.
#[macro_export]
macro_rules! debug {
    ($component:ident, $text:expr $(, $part:expr)* $(,)?) => {
        $crate::diag::tell(
            $crate::diag::Component::$component,
            $text,
            &[$($crate::diag::Show::part(&$part)),*],
        )
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

/// Adds a text to a line, and each part in the place of a `{}` in it. Parts beyond the last `{}` are left out, so several
/// texts can go with the same parts.
pub fn add(line: &mut Line, text: &str, parts: &[Part<'_>]) {
    fill(line, text.as_bytes(), parts);
}

/// The same; the parts that are left.
#[inline(never)]
pub fn fill<'p>(line: &mut Line, text: &[u8], mut parts: &'p [Part<'p>]) -> &'p [Part<'p>] {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == b'{') {
        line.add(bytes::first(rest, at));
        if let Some((part, others)) = parts.split_first() {
            part.show(line);
            parts = others;
        }
        rest = bytes::after(rest, at + 2);
    }
    line.add(rest);
    parts
}

/// Writes a message to stderr, behind this program's name.
pub fn report(text: &str, parts: &[Part<'_>]) {
    let mut line = Line::new();
    add!(&mut line, "{}: ", name());
    write_error(&mut line, text, parts);
}

/// Writes a message to stderr and ends this process with the code.
pub fn fail(code: u8, text: &str, parts: &[Part<'_>]) -> ! {
    report(text, parts);
    sys::process::exit(code)
}

/// Writes a debug line to stderr, behind its time, process and component, where the component's were asked for.
pub fn tell(component: Component, text: &str, parts: &[Part<'_>]) {
    if WANTED.get() & (1 << component as u8 | 1 << ALL) == 0 {
        return;
    }
    let mut line = Line::new();
    show_stamp(component, &mut line);
    write_error(&mut line, text, parts);
}

/// Ends a line and writes it. Where stderr is closed there is nobody to tell.
fn write_error(line: &mut Line, text: &str, parts: &[Part<'_>]) {
    add(line, text, parts);
    line.write(sys::descriptor::error());
}

/// Writes what was asked for to stdout; false where it could not be written whole.
#[must_use]
pub fn print(text: &[u8]) -> bool {
    let result = write_all(sys::descriptor::output(), text);
    if let Err(errno) = result {
        report!("stdout: {}", errno);
    }
    result.is_ok()
}

/// The same, and ends this process where it could not.
fn print_or_end(text: &[u8]) {
    if !print(text) {
        sys::process::exit(exit::FAILURE);
    }
}

/// Writes what waits for room for a while. Once that was in vain, no further line waits until one has found room: who is at
/// a server's door without a token has it say so as often as he likes, and others wait behind that.
fn write_soon(stream: BorrowedFd<'static>, bytes: &[u8]) -> Result<(), Errno> {
    static PATIENCE: Setting<u64> = Setting::new(LOG_MS);
    let written = sys::descriptor::write_soon(stream, bytes, PATIENCE.get());
    PATIENCE.set(if written.is_ok() { LOG_MS } else { 0 });
    written.map(drop)
}

/// Writes all of it, by one call unless a signal or the other end cuts it short.
fn write_all(stream: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), Errno> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match sys::descriptor::write(stream, rest) {
            Ok(written) => rest = bytes::after(rest, written),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// The parts of the program that can be asked to tell what they do: its modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// Roles, options, the poll loops.
    Applet,
    /// The configuration.
    Config,
    /// Requests and relays.
    Session,
    /// Processes, signals, descriptors.
    Sys,
    /// Frames.
    Wire,
}

/// Their names, a line each, in their order, and the word for all of them.
const COMPONENTS: &[u8] = b"applet\nconfig\nsession\nsys\nwire\nall";
const ALL: usize = Component::Wire as usize + 1;

/// Takes the value of `K8PSH_DEBUG`: names of components with commas or blanks between them, in any case, or `all`.
pub fn want(names: &[u8]) {
    let mut wanted = 0;
    let words = names.split(|byte| matches!(byte, 0..=b' ' | b','));
    for name in words.filter(|name| !name.is_empty()) {
        let mask = mask_of(name);
        if mask == 0 {
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
    let number = (0..=ALL).find(|number| is_same_word(name, bytes::line(COMPONENTS, *number)));
    number.map_or(0, |number| 1 << number)
}

/// Time, process, component.
fn show_stamp(component: Component, line: &mut Line) {
    add!(line, "{} [{}] {}: ", Part::Now, Part::Process, Part::Words(bytes::line(COMPONENTS, component as usize)));
}

/// Shows a time, in milliseconds since 1970, as RFC 3339 writes it, in UTC.
#[inline(never)]
fn show_time(milliseconds: u64, line: &mut Line) {
    // All the digits as one number: 1970-01-01T00:00:00.000 is 19700101000000000.
    let (mut rest, mut number, mut unit) = (milliseconds, 0, 1);
    for radix in [1000_u16, 60, 60, 24] {
        number += rest % u64::from(radix) * unit;
        rest /= u64::from(radix);
        unit *= if radix == 1000 { 1000 } else { 100 };
    }
    let (mut year, mut month) = (1970_u32, 1_u32);
    // A loop for each takes half the code of a formula for all.
    let mut days = u32::try_from(rest).unwrap_or(0);
    loop {
        let is_leap = year % 4 == 0 && (year % 25 != 0 || year % 16 == 0);
        let length = if month == 2 { 28 + u32::from(is_leap) } else { 30 + ((month ^ month >> 3) & 1) };
        if days < length {
            break;
        }
        days -= length;
        month += 1;
        if month > 12 {
            (year, month) = (year + 1, 1);
        }
    }
    number += unit * u64::from((year * 100 + month) * 100 + days + 1);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    for place in text.iter_mut().rev().filter(|place| **place == b'0') {
        *place += (number % 10).to_le_bytes()[0];
        number /= 10;
    }
    line.add(&text);
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
        let line =
            line!("cannot open {}: {} {} {} {}", &b"a\nb\x1b\x7f\xff"[..], Errno::NOENT, 0_u8, -12, u64::MAX - 1);
        assert_eq!(
            line.bytes(),
            b"cannot open a\\nb\\x1b\\x7f\xff: No such file or directory 0 -12 18446744073709551614"
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
    fn a_time_is_written_as_the_calendar_has_it() {
        for (seconds, wanted) in [
            (0, "1970-01-01T00:00:00.007Z"),
            (951_782_399, "2000-02-28T23:59:59.007Z"),
            (951_782_400, "2000-02-29T00:00:00.007Z"),
            (951_868_800, "2000-03-01T00:00:00.007Z"),
            (1_735_689_599, "2024-12-31T23:59:59.007Z"),
            (4_107_542_400, "2100-03-01T00:00:00.007Z"),
            (253_402_300_799, "9999-12-31T23:59:59.007Z"),
        ] {
            let mut line = Line::new();
            show_time(seconds * 1000 + 7, &mut line);
            assert_eq!(line.bytes(), wanted.as_bytes());
        }
    }

    #[test]
    fn components_are_found_by_name_in_any_case() {
        assert_eq!([mask_of(b"applet"), mask_of(b"Wire"), mask_of(b"ALL")], [1, 16, 32]);
        assert_eq!(mask_of(b"wires"), 0);
    }
}
