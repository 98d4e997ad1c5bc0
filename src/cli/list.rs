//! `k8psh --list`: what the configuration says. Starts nothing and connects to nothing.

use crate::add;
use crate::config::Command;
use crate::config::file;
use crate::diag::{self, Reported, array};
use crate::sys::program::Environment;
use crate::text::json::{escape, string};
use crate::text::line::{Line, Part};
use crate::text::number::{self, Digits};
use core::ffi::CStr;

/// Prints the commands, their servers, ports and arguments, as a table or as a JSON array.
pub(super) fn run(given: Option<&'static CStr>, environment: &Environment, is_json: bool) -> Result<(), Reported> {
    let loaded = file::load(given, environment)?;
    // Only now: a warning is not a row.
    array::begin(is_json);
    let mut widths = [0; 3];
    if !is_json {
        // The first pass only measures how wide the columns of the table have to be.
        loaded.config.commands().for_each(|command| print(command, &mut widths, &mut Line::new()));
    }
    let mut out = diag::output();
    loaded.config.commands().for_each(|command| print(command, &mut widths, &mut out));
    array::end(&mut out);
    Ok(())
}

/// A command as an object, or as a row of a table whose columns are as wide as their longest word so far.
fn print(command: Command<'_>, widths: &mut [usize; 3], out: &mut Line) {
    let server = command.server();
    let (name, port, server) = (command.name().to_bytes(), server.port(), server.name().to_bytes());
    if array::is_array() {
        const TEXT: &str = "{}\"command\":{},\"server\":{},\"port\":{}";
        add!(out, TEXT, array::object(), Part::Json(name), Part::Json(server), port);
    } else {
        let mut digits = Digits::default();
        let port = number::digits(port.into(), 10, &mut digits);
        let [first, second, third] = widths;
        cell(name, first, out);
        cell(server, second, out);
        cell(port, third, out);
    }
    // The names of all other variables are in the file; a pattern stands for names that are not.
    if command.has_patterns() {
        let mut patterns = command.environment().filter_map(|variable| variable.stem().and(Some(variable.written)));
        add_words(b",\"patterns\":[", &mut patterns, out);
    }
    add_words(b",\"arguments\":[", &mut command.arguments().map(CStr::to_bytes), out);
    out.add(if array::is_array() { b"}\n" } else { b"\n" });
}

/// Adds words: as an array behind `begin`, or to a row as they are.
fn add_words(begin: &[u8], words: &mut dyn Iterator<Item = &[u8]>, out: &mut Line) {
    let is_object = array::is_array();
    let mut separator = begin;
    for word in words {
        if is_object {
            out.add(separator);
            separator = b",";
            string(word, out);
        } else {
            out.add(b" ");
            quote(word, out);
        }
    }
    // There is one at least.
    out.add(if is_object { b"]" } else { b"" });
}

/// A word in its column, which becomes as wide as the word, and the blanks up to the next column.
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

/// Writes a word as a shell would take it: as it is, in `'...'`, or, where a byte of it has to be escaped, in `$'...'`.
/// So a word can neither break its line nor send escape sequences to a terminal.
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
