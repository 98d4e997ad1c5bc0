//! Messages: the only writer of them. One line each, `NAME: thing: reason`, written by one call so that lines of several
//! processes do not mix. Must not decide what is worth a message.

pub mod array;

use crate::limits::LOG_MS;
use crate::sys::statics::Global;
use crate::text::bytes;
use crate::text::line::{Line, Part, add};
use crate::{add, exit, sys};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

/// Ends a line of the log, which has no name before it, and writes it to stderr.
pub fn log(line: &mut Line) {
    write(line, sys::fd::error());
}

/// Ends the line and writes it to `stream`. A message that nobody can read is nobody's error.
fn write(line: &mut Line, stream: BorrowedFd<'static>) {
    line.end(LINE_END.get());
    // A server has others to serve than who reads its stderr.
    let _ = match name() {
        SERVER => write_soon(stream, line.bytes()),
        _ => write_all(stream, line.bytes()),
    };
}

/// A line of any length that goes to stdout. Without a reader this process has nothing left to do.
pub fn output() -> Line {
    Line::endless(print_or_end)
}

/// An error of which somebody has been told: all that is left is to end what it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported;

/// Writes one message, `NAME: ` and the text with its parts, to stderr.
#[macro_export]
macro_rules! report {
    ($text:expr $(, $part:expr)* $(,)?) => {
        $crate::diag::report($text, &[$($crate::text::line::Show::part(&$part)),*])
    };
}

/// Writes one message, and is the [`crate::diag::Reported`] that says so.
#[macro_export]
macro_rules! told {
    ($text:expr $(, $part:expr)* $(,)?) => {{
        $crate::report!($text $(, $part)*);
        $crate::diag::Reported
    }};
}

/// Writes one message and ends the process with the code.
#[macro_export]
macro_rules! fail {
    ($code:expr, $text:expr $(, $part:expr)* $(,)?) => {{
        $crate::diag::fail($code, $text, &[$($crate::text::line::Show::part(&$part)),*])
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
            &[$($crate::text::line::Show::part(&$part)),*],
        )
    };
}

/// What a server calls itself in messages.
pub const SERVER: &[u8] = b"k8pshd";

/// What every message ends with.
static LINE_END: Global<&'static [u8]> = Global::new(b"\n");

/// Has messages end with these bytes, as a terminal needs it.
pub fn set_line_end(bytes: &'static [u8]) {
    LINE_END.set(bytes);
}

static NAME: Global<&'static [u8]> = Global::new(b"k8psh");
static WANTED: Global<u8> = Global::new(0);

/// Sets the name that messages begin with: what this process was called as.
pub fn set_name(name: &'static [u8]) {
    NAME.set(name);
}

/// The name that messages begin with.
pub fn name() -> &'static [u8] {
    NAME.get()
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
    write(line, sys::fd::error());
}

/// Writes what was asked for to stdout; false where it could not be written whole.
#[must_use]
pub fn print(text: &[u8]) -> bool {
    let result = write_all(sys::fd::output(), text);
    if let Err(errno) = result {
        report!("stdout: {}", errno);
    }
    result.is_ok()
}

/// Prints what was asked for, and ends the process.
pub fn print_and_exit(text: &str) -> ! {
    let printed = print(text.as_bytes());
    sys::process::exit(if printed { exit::SUCCESS } else { exit::FAILURE })
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
    static PATIENCE: Global<u64> = Global::new(LOG_MS);
    let written = sys::fd::write_soon(stream, bytes, PATIENCE.get());
    PATIENCE.set(if written.is_ok() { LOG_MS } else { 0 });
    written.map(drop)
}

/// Writes all of it, by one call unless a signal or the other end cuts it short.
fn write_all(stream: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), Errno> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match sys::fd::write(stream, rest) {
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
    add!(
        line,
        "{} [{}] {}: ",
        Part::Time(sys::clock::wall()),
        Part::Signed(sys::process::id()),
        Part::Words(bytes::line(COMPONENTS, component as usize))
    );
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
    fn components_are_found_by_name_in_any_case() {
        assert_eq!([mask_of(b"applet"), mask_of(b"Wire"), mask_of(b"ALL")], [1, 16, 32]);
        assert_eq!(mask_of(b"wires"), 0);
    }
}
