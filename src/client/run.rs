//! From the configuration to a connected stub.

use super::connect::connect;
use super::request;
use super::request::descriptors;
use super::route::Route;
use super::stub::Stub;
use super::terminal::Terminal;
use crate::config::file::{self, Loaded};
use crate::config::{Command, Server};
use crate::diag::Reported;
use crate::exit::End;
use crate::options::settings::{NOT_FOR_STUBS, Settings};
use crate::options::value::Transport;
use crate::sys::clock::Instant;
use crate::sys::program::{Program, Strings};
use crate::{limits, told};
use core::ffi::CStr;

/// What a server is asked to run.
pub(super) struct Call<'c> {
    pub(super) server: Server<'static>,
    /// The command, unless the server itself is meant by the name.
    pub(super) command: Option<Command<'static>>,
    pub(super) name: &'c [u8],
    pub(super) arguments: &'c mut dyn Iterator<Item = &'static CStr>,
    /// How long the server is waited for, in milliseconds; `None`: it has to be there.
    pub(super) patience: Option<u64>,
}

/// Runs the command `name` with these arguments: how it ended. What keeps it from running has been reported.
pub fn run(
    program: &Program,
    config: Option<&'static CStr>,
    name: &[u8],
    mut arguments: Strings,
) -> Result<End, Reported> {
    let loaded = file::load_command(name, config, &program.environment)?;
    let command =
        loaded.config.command(name).ok_or_else(|| told!("{}: there is no command {}", loaded.path(), name))?;
    let patience = Some(loaded.config.connect_timeout());
    let (server, arguments) = (command.server(), &mut arguments);
    call(program, loaded, Call { server, command: Some(command), name, arguments, patience })
}

/// Makes a call: how it ended.
pub(super) fn call(program: &Program, loaded: Loaded<'static>, call: Call<'_>) -> Result<End, Reported> {
    let Call { server, command, name, arguments, patience } = call;
    let settings = Settings::of_section(server, loaded)?;
    if settings.trigger.is_some() {
        return Err(told!(NOT_FOR_STUBS, server.name(), server.port()));
    }
    let mut route = Route::to(server, &settings, &program.environment)?;
    let terminal = Terminal::of_caller();
    if route.transport == Transport::Auto && !terminal.is_there() && !terminal.is_in_foreground() {
        // stdin alone is the terminal of a background job. The kernel would let the command, which is in another session,
        // take the shell's keys; a stub that reads it is stopped.
        route.transport = Transport::Relay;
    }
    let descriptors = descriptors::inherited(route.transport);
    // What the server tells of itself, it tells from anywhere.
    let directory = if command.is_some() { request::directory(loaded)? } else { b"" };
    // Before the request is written, so that the server starts the session meanwhile.
    let deadline = Instant::after(patience.unwrap_or(limits::PROBE_MS));
    let connection = connect(&route, deadline, patience.is_some()).map_err(|errno| route.report_missing(errno))?;
    let keys = route.authenticate(&program.environment, &connection.socket, deadline)?;
    descriptors::restrict(descriptors, &connection)?;
    // The token is for nobody else.
    let environment = &program.environment.without(settings.token_variable());
    let caller =
        request::Caller { environment, name, arguments, directory, terminal: &terminal, connection: &connection };
    let request = request::write(command, caller, descriptors)?;
    Stub::new(route, connection, keys, request, terminal, descriptors)?.run()
}
