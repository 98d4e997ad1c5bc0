//! `k8psh --check`: what is wrong with the configuration. Starts nothing and connects to nobody.

use crate::config::file::{self, Loaded, tell};
use crate::diag::{self, Reported, array};
use crate::options::settings::Settings;
use crate::sys::program::Environment;
use core::ffi::CStr;

/// Prints every error in the configuration, as lines or as an array of JSON's.
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

/// Warns of each pattern that matches everything, once, although a header's is that of many commands.
fn warn_of_patterns(loaded: Loaded<'_>) {
    const TEXT: &str = "warning: {} lets callers set every variable that no other word names, and so choose what code runs; \
                        =PATH= and =LD_PRELOAD= keep these the server's";
    let mut last = 0;
    for command in loaded.config.commands() {
        for (word, at) in command.patterns() {
            if at > last && matches!(word, b"*=" | b"?*=") {
                last = at;
                tell!(loaded, at, TEXT, word);
            }
        }
    }
}
