//! `k8psh --list` and `--check`: what the configuration says, and what is wrong with it. Starts nothing and connects to
//! nobody.

use crate::config::Command;
use crate::config::file::{self as configuration, tell};
use crate::diag::Reported;
use crate::diag::{self, array as output};
use crate::server;
use crate::sys::process::exit;
use crate::sys::program::Environment;
use crate::text::json::{escape, string};
use crate::text::line::{Line, Part};
use crate::text::number::{self, Digits};
use crate::{add, exit};
use core::ffi::CStr;

/// Prints every error in the configuration; the process's code says whether there is one.
pub(super) fn check(given: Option<&'static CStr>, environment: &Environment, is_array: bool) -> ! {
    output::begin(is_array);
    let Ok(loaded) = configuration::inspect(given, environment) else { exit(exit::FAILURE) };
    let mut outcome = loaded.sound().map(drop);
    for server in loaded.config.servers() {
        outcome = server::check_section(server, loaded).and(outcome);
        if let Some(other) = server.same_port() {
            tell!(loaded, server.at(), "port {} is that of server {}, too", server.port(), other.name());
            outcome = Err(Reported);
        }
    }
    output::end(&mut diag::output());
    exit(if outcome.is_ok() { exit::SUCCESS } else { exit::FAILURE })
}

/// Prints the commands, their servers, ports and arguments.
pub(super) fn list(given: Option<&'static CStr>, environment: &Environment, is_array: bool) -> ! {
    let Ok(loaded) = configuration::load(given, environment) else { exit(exit::FAILURE) };
    // Only now: a warning is no row.
    output::begin(is_array);
    let (mut out, mut nowhere) = (diag::output(), Line::new());
    let mut widths = [0; 3];
    // The first time shows how wide the columns of a table have to be.
    let mut is_shown = output::is_array();
    loop {
        for command in loaded.config.commands() {
            print(command, &mut widths, if is_shown { &mut out } else { &mut nowhere });
        }
        if is_shown {
            break;
        }
        is_shown = true;
    }
    output::end(&mut out);
    exit(exit::SUCCESS)
}

/// A command as an object, or as a row of a table whose columns are as wide as their longest word so far.
#[inline(never)]
fn print(command: Command<'_>, widths: &mut [usize; 3], out: &mut Line) {
    let server = command.server();
    let (name, port, server) = (command.name().to_bytes(), server.port(), server.name().to_bytes());
    let is_object = output::is_array();
    let mut separator: &[u8] = if is_object { b"[" } else { b" " };
    if is_object {
        let text = "{}\"command\":{},\"server\":{},\"port\":{},\"arguments\":";
        add!(out, text, output::object(), Part::Json(name), Part::Json(server), port);
    } else {
        let mut digits = Digits::default();
        let port = number::digits(port.into(), 10, &mut digits);
        let [first, second, third] = widths;
        cell(name, first, out);
        cell(server, second, out);
        cell(port, third, out);
    }
    for argument in command.arguments() {
        out.add(separator);
        if is_object {
            separator = b",";
            string(argument.to_bytes(), out);
        } else {
            quote(argument.to_bytes(), out);
        }
    }
    out.add(if is_object { b"]}\n" } else { b"\n" });
}

/// A word in its column, and what is between that and the next one.
#[inline(never)]
fn cell(word: &[u8], width: &mut usize, out: &mut Line) {
    let mut measured = Line::new();
    quote(word, &mut measured);
    let mut length = measured.bytes().iter().filter(|byte| **byte & 0xc0 != 0x80).count();
    *width = length.max(*width);
    quote(word, out);
    while length <= *width {
        out.add(b" ");
        length += 1;
    }
}

/// Writes a word as a shell would take it: as it is, in `'...'`, or, where a byte of it has to be escaped, in `$'...'`. A
/// terminal stays as it is, and a row one line.
#[inline(never)]
fn quote(word: &[u8], out: &mut Line) {
    let is_plain =
        |byte: &u8| matches!(byte, b'+'..=b':' | b'=' | b'@'..=b'Z' | b'_' | b'a'..=b'z' | 128..=0xc1 | 0xc3..);
    if !word.is_empty() && word.iter().all(is_plain) {
        return out.add(word);
    }
    // Among the characters that begin with 0xc2 are control characters.
    let is_escaped = word.iter().any(|byte| matches!(byte, 0..=31 | 127 | 0xc2 | b'\'' | b'\\'));
    out.add(if is_escaped { b"$'" } else { b"'" });
    escape(word, b'\'', out);
    out.add(b"'");
}
