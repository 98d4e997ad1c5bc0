//! The roles of the program: its name, the last component of `argv[0]`, says which one it plays.

mod check;
mod install;
mod k8psh;
mod list;

use crate::diag::{self, Reported};
use crate::files::path::directory;
use crate::sys::process;
use crate::sys::program::{Program, Strings};
use crate::text::bytes::after;
use crate::text::name as names;
use crate::{client, exit};
use core::ffi::CStr;

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
    if name == names::PROGRAM {
        k8psh::main(&program, arguments)
    } else if name == names::SERVER {
        crate::server::main(&program, arguments)
    } else {
        run_command(&program, None, name, arguments)
    }
}

/// Runs a command through its server, and ends as it ended.
fn run_command(program: &Program, config: Option<&'static CStr>, name: &[u8], arguments: Strings) -> ! {
    match client::run(program, config, name, arguments) {
        Ok(end) => process::end_like(end),
        Err(Reported) => process::exit(exit::UNAVAILABLE),
    }
}
