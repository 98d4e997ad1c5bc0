//! `k8psh --list` and `--check`: what the configuration says, and what is wrong with it. Starts nothing and connects to
//! nobody.

use super::configuration::{self, tell};
use super::output::{self, Output};
use super::server;
use crate::config::Command;
use crate::diag::{Part, Told};
use crate::exit;
use crate::json::{Sink, fill, string};
use crate::number::{self, Digits};
use crate::sys::process::exit;
use crate::sys::program::Environment;
use core::ffi::CStr;

/// Prints every error in the configuration; the process's code says whether there is one.
pub(super) fn check(given: Option<&'static CStr>, environment: &Environment) -> ! {
    let Ok(loaded) = configuration::inspect(given, environment) else { exit(exit::FAILURE) };
    let mut outcome = loaded.sound().map(drop);
    for server in loaded.config.servers() {
        outcome = server::check_section(server, loaded).and(outcome);
        if let Some(other) = server.same_port() {
            tell!(loaded.source, server.at(), "port {} is that of server {}, too", server.port(), other.name());
            outcome = Err(Told);
        }
    }
    Output::default().end();
    exit(if outcome.is_ok() { exit::SUCCESS } else { exit::FAILURE })
}

/// Prints the commands, their servers, ports and arguments.
pub(super) fn list(given: Option<&'static CStr>, environment: &Environment) -> ! {
    let Ok(loaded) = configuration::load(given, environment) else { exit(exit::FAILURE) };
    let mut out = Output::default();
    let mut ends = [0; 3];
    if !output::is_array() {
        // The first time shows how wide the columns have to be.
        out.is_muted = true;
        loaded.config.commands().for_each(|command| print(command, &mut ends, &mut out));
        out.is_muted = false;
    }
    loaded.config.commands().for_each(|command| print(command, &mut ends, &mut out));
    out.end();
    exit(exit::SUCCESS)
}

/// A command as an object, or as a row of a table whose columns end where the longest word so far does.
#[inline(never)]
fn print(command: Command<'_>, ends: &mut [usize; 3], out: &mut Output) {
    let server = command.server();
    let (name, server, port) = (command.name().to_bytes(), server.name().to_bytes(), server.port().into());
    let is_object = output::is_array();
    if is_object {
        out.begin_object();
        fill(
            "{\"command\":$,\"server\":$,\"port\":$,\"arguments\":",
            &[Part::Bytes(name), Part::Bytes(server), Part::Number(port)],
            out,
        );
    } else {
        out.column = 0;
        for (word, end) in [name, server, number::digits(port, 10, &mut Digits::default())].into_iter().zip(ends) {
            quote(word, out);
            *end = out.column.max(*end);
            while out.column <= *end {
                out.add(b" ");
            }
        }
    }
    let mut separator = if is_object { b'[' } else { b' ' };
    for argument in command.arguments() {
        out.add(&[separator]);
        if is_object {
            separator = b',';
            string(argument.to_bytes(), b'"', out);
        } else {
            quote(argument.to_bytes(), out);
        }
    }
    out.add(if is_object { &b"]}\n"[..] } else { b"\n" });
}

/// Writes a word as a shell would take it: as it is, in `'...'`, or, where a byte of it has to be escaped, in `$'...'`. A
/// terminal stays as it is, and a row one line.
fn quote(word: &[u8], out: &mut Output) {
    let is_plain = |byte: &u8| matches!(byte, b'+'..=b':' | b'=' | b'@'..=b'Z' | b'_' | b'a'..=b'z' | 128..);
    if !word.is_empty() && word.iter().all(is_plain) {
        return out.add(word);
    }
    if word.iter().any(|byte| matches!(byte, 0..=31 | b'\'' | b'\\')) {
        out.add(b"$");
    }
    string(word, b'\'', out);
}
