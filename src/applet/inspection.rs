//! `k8psh --list` and `--check`: what the configuration says, and what is wrong with it. Starts nothing and connects to
//! nobody.

use super::configuration::{self, tell};
use super::output::{self, Output};
use super::server;
use crate::config::Command;
use crate::diag::Told;
use crate::exit;
use crate::json::{Sink, escape, fill};
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
    // The first time shows how wide the columns of a table have to be.
    out.is_muted = !output::is_array();
    loop {
        for command in loaded.config.commands() {
            print(command, &mut ends, &mut out);
        }
        if !out.is_muted {
            break;
        }
        out.is_muted = false;
    }
    out.end();
    exit(exit::SUCCESS)
}

/// A command as an object, or as a row of a table whose columns end where the longest word so far does.
#[inline(never)]
fn print(command: Command<'_>, ends: &mut [usize; 3], out: &mut Output) {
    let server = command.server();
    let mut port = Digits::default();
    let port = number::digits(server.port().into(), 10, &mut port);
    let words = [command.name().to_bytes(), server.name().to_bytes(), port];
    let is_object = output::is_array();
    let mut separator = b' ';
    if is_object {
        out.begin_object();
        fill("{\"command\":\"$\",\"server\":\"$\",\"port\":$,\"arguments\":", &words, out);
        separator = b'[';
    } else {
        out.column = 0;
        for (word, end) in words.iter().zip(ends) {
            quote(word, out);
            *end = out.column.max(*end);
            while out.column <= *end {
                out.add(b" ");
            }
        }
    }
    for argument in command.arguments() {
        out.add(&[separator]);
        if is_object {
            separator = b',';
            fill("\"$\"", &[argument.to_bytes()], out);
        } else {
            quote(argument.to_bytes(), out);
        }
    }
    fill(if is_object { "]}\n" } else { "\n" }, &[], out);
}

/// Writes a word as a shell would take it: as it is, in `'...'`, or, where a byte of it has to be escaped, in `$'...'`. A
/// terminal stays as it is, and a row one line.
fn quote(word: &[u8], out: &mut Output) {
    let is_plain = |byte: &u8| matches!(byte, b'+'..=b':' | b'=' | b'@'..=b'Z' | b'_' | b'a'..=b'z' | 128..);
    if !word.is_empty() && word.iter().all(is_plain) {
        return out.add(word);
    }
    let is_escaped = word.iter().any(|byte| matches!(byte, 0..=31 | b'\'' | b'\\'));
    out.add(if is_escaped { b"$'" } else { b"'" });
    escape(word, b'\'', out);
    out.add(b"'");
}
