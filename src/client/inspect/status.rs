//! `k8psh --status`: what servers are at, as they tell it themselves. Each is asked by a stub of its own, a child of this
//! process.

use crate::client::run::{Call, call};
use crate::config::Server;
use crate::config::file::{self, Loaded};
use crate::diag::{self, Reported};
use crate::exit::{self, End};
use crate::protocol::request::STATUS;
use crate::sys::fd;
use crate::sys::process;
use crate::sys::program::Program;
use crate::told;
use core::ffi::CStr;

/// Prints what the server of that name, or every server that has commands, is at: tables, or an array of JSON's.
pub fn run(
    program: &Program,
    config: Option<&'static CStr>,
    name: Option<&'static CStr>,
    is_json: bool,
) -> Result<(), Reported> {
    let loaded = file::load(config, &program.environment)?;
    let mut outcome = match name {
        Some(name) if loaded.config.server(name.to_bytes()).is_none() => {
            return Err(told!("{}: there is no server {}", loaded.path(), name));
        }
        _ => Ok(()),
    };
    let is_meant = |server: &Server<'_>| name.map_or(server.has_commands(), |name| server.name() == name);
    let mut separator = c"[";
    for server in loaded.config.servers().filter(is_meant) {
        if ask(program, loaded, server, is_json.then_some(separator)) {
            separator = c",";
        } else {
            outcome = Err(Reported);
        }
    }
    let end = if separator == c"[" { "[]\n" } else { "]\n" };
    if is_json && !diag::print(end.as_bytes()) { Err(Reported) } else { outcome }
}

/// Asks a server for a table, or for an object behind a separator. Whether it has answered.
fn ask(program: &Program, loaded: Loaded<'static>, server: Server<'static>, separator: Option<&'static CStr>) -> bool {
    match process::fork() {
        Ok(0) => {
            // Nothing of the caller's input is for the server.
            let _ = fd::leave_streams(1);
            let arguments = &mut separator.into_iter();
            let end = call(program, loaded, Call { server, command: None, name: STATUS, arguments, patience: None });
            process::end_like(end.unwrap_or(End::Code(exit::UNAVAILABLE)))
        }
        Ok(_) => process::wait() == Some(End::Code(exit::SUCCESS)),
        Err(errno) => {
            let _: Reported = told!("cannot start a process: {}", errno);
            false
        }
    }
}
