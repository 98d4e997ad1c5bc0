//! Messages: the only writer of them. One line each, `NAME: thing: reason`, written by one call so that lines of several
//! processes do not mix. Must not decide what is worth a message.

pub mod array;

use crate::sys::statics::Global;
use crate::text::line::{Line, Part, add};
use crate::text::packed::Text;
use crate::text::{bytes, name};
use crate::{add, exit, sys};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

/// Ends a line of the log, which has no name before it, and writes it to stderr.
pub fn log(line: &mut Line) {
    write(line, sys::fd::error());
}

/// Ends the line and writes it to `stream`. A message that cannot be read is no error.
fn write(line: &mut Line, stream: BorrowedFd<'static>) {
    line.end(LINE_END.get());
    let _ = match PATIENCE.get() {
        Some(patience) => write_soon(stream, line.bytes(), patience),
        None => write_all(stream, line.bytes()),
    };
}

/// A line of any length that goes to stdout. Without a reader this process has nothing left to do.
pub fn output() -> Line {
    Line::endless(print_or_end)
}

/// An error that has been reported: all that is left is to end what it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported;

/// Writes one message, `NAME: ` and the text with its parts, to stderr.
#[macro_export]
macro_rules! report {
    ($text:expr $(, $part:expr)* $(,)?) => {{
        $crate::assert_parts!($text $(, $part)*);
        $crate::diag::report($crate::text!($text), &[$($crate::text::line::Show::part(&$part)),*])
    }};
}

/// Writes one message, and is the [`crate::diag::Reported`] that says so.
#[macro_export]
macro_rules! reported {
    ($text:expr $(, $part:expr)* $(,)?) => {{
        $crate::report!($text $(, $part)*);
        $crate::diag::Reported
    }};
}

/// Writes one message and ends the process with the code.
#[macro_export]
macro_rules! fail {
    ($code:expr, $text:expr $(, $part:expr)* $(,)?) => {{
        $crate::assert_parts!($text $(, $part)*);
        $crate::diag::fail($code, $crate::text!($text), &[$($crate::text::line::Show::part(&$part)),*])
    }};
}

/// Writes a line for whoever asked for the component's with `K8PSH_DEBUG`. Not for what happens with every frame: it is put
/// together before anybody asks whether somebody did.
#[macro_export]
macro_rules! debug {
    ($component:ident, $text:expr $(, $part:expr)* $(,)?) => {{
        $crate::assert_parts!($text $(, $part)*);
        $crate::diag::tell(
            $crate::diag::Component::$component,
            $crate::text!($text),
            &[$($crate::text::line::Show::part(&$part)),*],
        )
    }};
}

/// What every message ends with.
static LINE_END: Global<&'static [u8]> = Global::new(b"\n");

/// Has messages end with these bytes, as a terminal needs it.
pub fn set_line_end(bytes: &'static [u8]) {
    LINE_END.set(bytes);
}

/// How long a message waits for room on stderr, in milliseconds; `None`: until there is some.
static PATIENCE: Global<Option<u64>> = Global::new(None);

/// Has messages wait for room on stderr for so many milliseconds at most: a server has others to serve than whoever reads
/// its stderr.
pub fn set_patience(milliseconds: u64) {
    PATIENCE.set(Some(milliseconds));
}

static NAME: Global<&'static [u8]> = Global::new(name::PROGRAM);
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
pub fn report(text: Text, parts: &[Part<'_>]) {
    let mut line = Line::new();
    add!(&mut line, "{}: ", name());
    write_error(&mut line, text, parts);
}

/// Writes a message to stderr and ends this process with the code.
pub fn fail(code: u8, text: Text, parts: &[Part<'_>]) -> ! {
    report(text, parts);
    sys::process::exit(code)
}

/// Writes a debug line to stderr, behind its time, process and component, where the component's were asked for.
pub fn tell(component: Component, text: Text, parts: &[Part<'_>]) {
    if WANTED.get() & component.bit() == 0 {
        return;
    }
    let mut line = Line::new();
    show_stamp(component, &mut line);
    write_error(&mut line, text, parts);
}

/// Ends a line and writes it. If stderr is closed, it is lost.
fn write_error(line: &mut Line, text: Text, parts: &[Part<'_>]) {
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

/// Writes a message that waits for room no longer than so many milliseconds. Once one has waited in vain, the next ones do
/// not wait until there is room again: a client without a token causes as many messages as it likes, and others wait
/// behind each.
fn write_soon(stream: BorrowedFd<'static>, bytes: &[u8], patience: u64) -> Result<(), Errno> {
    static WAS_IN_VAIN: Global<bool> = Global::new(false);
    let written = sys::fd::write_soon(stream, bytes, if WAS_IN_VAIN.get() { 0 } else { patience });
    WAS_IN_VAIN.set(written.is_err());
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

/// A part of the program that can be asked what it does with `K8PSH_DEBUG`: a room of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the rooms are described in lib.rs")]
pub enum Component {
    Client,
    Config,
    Protocol,
    Server,
    Session,
    Sys,
}

impl Component {
    const ALL: [Component; 6] = [
        Component::Client,
        Component::Config,
        Component::Protocol,
        Component::Server,
        Component::Session,
        Component::Sys,
    ];

    /// Its name, as `K8PSH_DEBUG` has it.
    const fn name(self) -> &'static str {
        match self {
            Component::Client => "client",
            Component::Config => "config",
            Component::Protocol => "protocol",
            Component::Server => "server",
            Component::Session => "session",
            Component::Sys => "sys",
        }
    }

    /// Its bit in a set of components.
    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Takes the value of `K8PSH_DEBUG`: names of components with commas or blanks between them, in any case, or `all`.
pub fn want(names: &[u8]) {
    let mut wanted = 0;
    let words = names.split(|byte| matches!(byte, 0..=b' ' | b','));
    for name in words.filter(|name| !name.is_empty()) {
        match components(name) {
            Some(set) => wanted |= set,
            None => report!(
                "K8PSH_DEBUG: no component {}; there are client, config, protocol, server, session, sys, all",
                name
            ),
        }
    }
    WANTED.set(wanted);
}

/// The set of components that a name in any case means; `None` where there is no such name.
fn components(name: &[u8]) -> Option<u8> {
    let is = |known: &str| bytes::is_like(name, known.as_bytes());
    if is("all") {
        return Some(u8::MAX);
    }
    // Names of before.
    if is("applet") {
        return Some(Component::Client.bit() | Component::Server.bit());
    }
    if is("wire") {
        return Some(Component::Protocol.bit());
    }
    Component::ALL.iter().find(|component| is(component.name())).map(|component| component.bit())
}

/// Time, process, component.
fn show_stamp(component: Component, line: &mut Line) {
    add!(line, "{} [{}] {}: ", Part::Time(sys::clock::wall()), Part::Signed(sys::process::id()), component.name());
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
        assert_eq!(components(b"client"), Some(Component::Client.bit()));
        assert_eq!(components(b"Protocol"), Some(Component::Protocol.bit()));
        assert_eq!(components(b"ALL"), Some(u8::MAX));
        assert_eq!(components(b"applet"), Some(Component::Client.bit() | Component::Server.bit()));
        assert_eq!(components(b"WIRE"), Some(Component::Protocol.bit()));
        for unknown in [&b"wires"[..], b"", b"sys "] {
            assert_eq!(components(unknown), None);
        }
    }
}
