//! The roles of the program: which one it plays is its name's business, the first argument's last component.

mod client;
mod command;
mod configuration;
mod connect;
mod gate;
mod inspection;
mod install;
mod listener;
mod log;
mod options;
mod output;
mod probe;
mod server;
mod session;
mod stub;
mod stubs;
mod supervise;
mod token;
mod watch;
mod worker;

pub use crate::diag::abort;

use crate::bytes::after;
use crate::config::path::directory;
use crate::exit::End;
use crate::sys::process;
use crate::sys::program::Program;
use crate::sys::signal;
use crate::{diag, exit};

/// The variable that asks for debug lines.
const DEBUG: &[u8] = b"K8PSH_DEBUG";

/// Runs the program. Called by the entry point with what the kernel handed over.
pub fn main(program: Program) -> ! {
    let mut arguments = program.arguments;
    let called = arguments.next().unwrap_or(c"k8psh").to_bytes();
    let name = after(called, directory(called).len());
    diag::set_name(name);
    if let Some(components) = program.environment.get(DEBUG) {
        diag::want(components);
    }
    if name == b"k8psh" {
        client::main(&program, arguments)
    } else if name == diag::SERVER {
        server::main(&program, arguments)
    } else {
        stub::main(&program, None, name, arguments)
    }
}

/// Prints what was asked for, and ends the process.
fn print(text: &str) -> ! {
    let printed = diag::print(text.as_bytes());
    process::exit(if printed { exit::SUCCESS } else { exit::FAILURE })
}

/// Ends this process as another one has ended.
fn end_like(end: End) -> ! {
    match end {
        End::Code(code) => process::exit(code),
        End::Signal(signal) => {
            signal::die_of(signal);
            // Process 1 of a container does not die of a signal, so it says it as a shell would.
            process::exit(128 + signal)
        }
    }
}
