//! The targets. Each takes any bytes, panics where a rule is broken, and returns a number that says how the program behaved:
//! inputs with new numbers are worth being changed further.

mod address;
mod config;
mod frames;
mod handshake;
mod http;
mod options;
mod queue;
mod reference;
mod relay;
mod request;

use std::hash::{DefaultHasher, Hash, Hasher};

/// A target.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&[u8]) -> u64,
    /// Words of its inputs' language.
    pub(crate) words: &'static [&'static [u8]],
}

/// All of them.
pub(crate) const ALL: &[Target] = &[
    Target { name: "config", run: config::run, words: config::WORDS },
    Target { name: "options", run: options::run, words: options::WORDS },
    Target { name: "relay", run: relay::run, words: &[] },
    Target { name: "frames", run: frames::run, words: frames::WORDS },
    Target { name: "queue", run: queue::run, words: queue::WORDS },
    Target { name: "handshake", run: handshake::run, words: &[] },
    Target { name: "address", run: address::run, words: address::WORDS },
    Target { name: "http", run: http::run, words: http::WORDS },
    Target { name: "request", run: request::run, words: frames::WORDS },
];

/// A number for how something behaved.
pub(crate) fn signature(behaviour: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    behaviour.hash(&mut hasher);
    hasher.finish()
}
