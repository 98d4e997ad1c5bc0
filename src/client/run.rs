//! From the configuration to a connected stub.

use super::connect::{Connection, Retries, connect};
use super::request;
use super::request::descriptors;
use super::route::Route;
use super::stub::Stub;
use super::terminal::Terminal;
use crate::auth::handshake::Refusal;
use crate::config::Server;
use crate::config::file;
use crate::diag::Reported;
use crate::exit::End;
use crate::limits;
use crate::options::settings::{NOT_FOR_STUBS, ONE_COMMAND, Settings};
use crate::reported;
use crate::secure::Transport;
use crate::sys::clock::Instant;
use crate::sys::program::{Environment, Program, Strings};
use core::ffi::CStr;

/// Runs the command `name` with these arguments: how it ended. What keeps it from running has been reported.
pub fn run(program: &Program, config: Option<&'static CStr>, name: &[u8], arguments: Strings) -> Result<End, Reported> {
    let loaded = file::load_command(name, config, &program.environment)?;
    let command =
        loaded.config.command(name).ok_or_else(|| reported!("{}: there is no command {}", loaded.path(), name))?;
    let server = command.server();
    let settings = Settings::of_section(server, loaded)?;
    let trigger = check_trigger(server, &settings, name, arguments)?;
    let route = Route::to(server, &settings, &program.environment)?;
    let descriptors = descriptors::inherited(route.transport);
    // It may be opened, which is no descriptor of the caller's.
    let mut terminal = Terminal::of_caller();
    // A trigger's command starts in its own base directory, which need not be here.
    let directory = if trigger.is_some() { b"" } else { request::directory(loaded)? };
    // Before the request is written, so that the server starts the session meanwhile.
    let deadline = Instant::after(loaded.config.connect_timeout());
    let (connection, keys) = open(&route, &program.environment, deadline)?;
    descriptors::restrict(descriptors, &connection)?;
    if trigger.is_none() {
        terminal.offer(connection.is_direct);
    }
    // The token must not reach the command.
    let environment = &program.environment.without(settings.token_variable());
    let caller = request::Caller { environment, arguments, directory, terminal: &terminal, connection: &connection };
    let request = request::write(command, &caller, descriptors)?;
    Stub::run(route, connection, keys, request, terminal, descriptors, deadline)
}

/// Connects, until the deadline, to a server that takes a request. A server that ends may drop a connection while others
/// listen at the same address. If it does so before it has answered, no request has been sent yet, and the stub connects
/// again.
fn open(
    route: &Route,
    environment: &Environment,
    deadline: Instant,
) -> Result<(Connection, Option<Transport>), Reported> {
    let mut retries = Retries::new(u32::MAX);
    loop {
        let connection = connect(route, deadline, true).map_err(|errno| route.report_unreachable(errno))?;
        // A server that accepted the connection at the last moment has its time all the same.
        let proven_by = deadline.max(Instant::after(limits::PROOF_MS));
        match route.authenticate(environment, &connection.socket, proven_by) {
            Ok(keys) => return Ok((connection, keys)),
            Err(Refusal::Ended) if retries.again(deadline) => {}
            Err(why) => return Err(route.refused(why)),
        }
    }
}

/// The command of the section's trigger, if it has one. A stub can ask for that alone, without arguments, and needs a token.
fn check_trigger<'g>(
    server: Server<'_>,
    settings: &Settings<'g>,
    name: &[u8],
    mut arguments: Strings,
) -> Result<Option<&'g CStr>, Reported> {
    let Some(trigger) = settings.trigger else { return Ok(None) };
    if settings.token().is_none() {
        return Err(reported!(NOT_FOR_STUBS, server.name(), server.port()));
    }
    if name != trigger.to_bytes() || arguments.next().is_some() {
        return Err(reported!(ONE_COMMAND, server.name(), trigger));
    }
    Ok(Some(trigger))
}
