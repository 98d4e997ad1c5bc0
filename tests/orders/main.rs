//! Every order of events: the machines of both ends of a session, the phases and deadlines of the server's, joined by a wire
//! that delays, cuts and loses. All states that some events can lead to are visited, the shortest way to each first, and
//! rules are checked in each: see `world`, and `rules` for the rules.
//!
//! ```text
//! cargo test --test orders                        every scene, up to a few seconds each
//! cargo test --test orders -- ends                one scene
//! cargo test --release --test orders -- --states 10000000
//! ```
//!
//! The scene `terminals` is another one: a terminal that a command shares with its caller, to six events and all that follows.
//!
//! The machines are those of the program, compiled once more from the same files with small [`limits`]: a window is two
//! frames of sixteen bytes. What carries their actions out makes system calls, so that part of both ends is told again here
//! (`stub`, `session::server`, `client`, `session::keys`), as are the command and the kernel's pipes (`process`).

mod client;
mod explore;
mod limits;
mod process;
mod rules;
mod scenes;
mod session;
mod stub;
mod sys;
mod terminals;
mod wire;
mod world;

#[path = "../../src/protocol/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports, reason = "the library uses the rest of it")]
mod protocol;

use k8psh::{add, diag, exit, line, report, text};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (mut names, mut states) = (Vec::new(), None);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--states" => states = words.next().and_then(|number| number.parse::<usize>().ok()),
            // What `cargo test` passes on to every program of tests.
            "--nocapture" | "--no-capture" | "--quiet" | "-q" | "--exact" => {}
            _ => names.push(word),
        }
    }
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    // What panics is told with the way that has led there.
    std::panic::set_hook(Box::new(|_| ()));
    let terminals = is_wanted("terminals").then(|| std::thread::spawn(|| terminals::explore(usize::MAX)));
    let wanted = scenes::ALL.iter().filter(|scene| is_wanted(scene.name));
    let outcomes = wanted.map(|scene| (scene.name, explore::explore(scene, states.unwrap_or(explore::FEW))));
    let of_terminals = || terminals.map(|thread| ("terminals", thread.join().expect("what fails is told")));
    let mut has_failed = false;
    for (name, outcome) in outcomes.chain(std::iter::once_with(of_terminals).flatten()) {
        match outcome {
            Ok(ref report) => println!("orders: {report}"),
            Err(ref why) => println!("orders: {name}: FAILED: {why}"),
        }
        has_failed |= outcome.is_err();
    }
    if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
