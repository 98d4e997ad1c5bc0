//! `k8psh --check`: what is wrong with the configuration. Starts nothing and connects to nothing.

use crate::config::file::{self, Loaded, tell};
use crate::diag::{self, Reported, array};
use crate::options::settings::Settings;
use crate::sys::program::Environment;
use core::ffi::CStr;

/// Prints every error in the configuration, as lines or as a JSON array.
pub(super) fn run(given: Option<&'static CStr>, environment: &Environment, is_json: bool) -> Result<(), Reported> {
    array::begin(is_json);
    let loaded = file::inspect(given, environment)?;
    let mut outcome = loaded.sound().map(drop);
    warn_of_patterns(loaded);
    for server in loaded.config.servers() {
        outcome = Settings::checked(server, loaded).map(drop).and(outcome);
        if let Some(other) = server.same_port() {
            tell!(loaded, server.at(), "port {} is that of server {}, too", server.port(), other.name());
            outcome = Err(Reported);
        }
    }
    array::end(&mut diag::output());
    outcome
}

/// Warns of each pattern that lets callers set every variable: once, although that of a header belongs to many commands.
fn warn_of_patterns(loaded: Loaded<'_>) {
    const TEXT: &str =
        "warning: {} lets callers choose what code runs, by PATH, LD_PRELOAD or what no other word names";
    let mut last = 0;
    for command in loaded.config.commands() {
        for variable in command.environment() {
            if variable.at > last && matches!(variable.written, b"*=" | b"?*=") {
                last = variable.at;
                tell!(loaded, last, TEXT, variable.written);
            }
        }
    }
}
