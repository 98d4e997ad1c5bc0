//! The first start of a server, from its configuration to a listener, and reloads. Either goes in an order in which whatever
//! fails leaves nothing behind, and everything as it was.

use super::generation::{Generation, Plan, Setup};
use super::listener::Listener;
use super::sockets::Sockets;
use super::stubs::{Spot, Stubs, Wish};
use super::supervise::Supervised;
use crate::config::Server;
use crate::diag::Reported;
use crate::sys::clock::Instant;
use crate::sys::{epoll, fd, poll, signal};
use crate::{limits, report, told};
use rustix::io::Errno;

/// A server that has started.
pub(super) struct Running {
    pub(super) listener: Listener,
    /// Where its stubs are.
    pub(super) stub_directory: Spot,
}

/// Starts the server. `None`: there are no commands for it, and the stubs of others were made.
pub(super) fn start(setup: &Setup<'_>, generation: &mut Generation) -> Result<Option<Running>, Reported> {
    let Generation { file, stubs } = generation;
    let plan = Plan::load(setup, file)?;
    let mut listener = None;
    if plan.server.is_some() {
        check_kernel()?;
        listener = Some(make_listener(setup).map_err(|errno| told!("cannot start: {}", errno))?);
    }
    // From here on a signal waits until what is made can be removed again.
    let mask = signal::block(signal::Set::ALL);
    let stub_directory = Spot::open(plan.settings.executable_directory, setup.program)?;
    let Some(mut listener) = listener else {
        let count = make_stubs(&plan, &stub_directory, stubs, None)?;
        explain_stubs(setup, &plan, &stub_directory, count);
        signal::block(mask);
        return Ok(None);
    };
    // The port first: where another server has it, that one's stubs stay as they are.
    let deadline = Instant::after(limits::BIND_MS);
    let (sockets, gate) = bind(setup, &plan, &mut listener, deadline)?;
    let count = make_stubs(&plan, &stub_directory, stubs, None)?;
    explain_stubs(setup, &plan, &stub_directory, count);
    listener.renew(sockets, gate);
    Ok(Some(Running { listener, stub_directory }))
}

/// Puts the next generation together and into force.
pub(super) fn reload(
    setup: &Setup<'_>,
    running: &mut Running,
    current: &Generation,
    next: &mut Generation,
) -> Result<(), Reported> {
    let Generation { file, stubs } = next;
    let plan = Plan::load(setup, file)?;
    if plan.server.is_none() {
        return Err(told!("{}: there are no commands for this server", setup.file));
    }
    // A server that already runs must not hold up its clients for a port that another one has.
    let (sockets, gate) = bind(setup, &plan, &mut running.listener, Instant::PAST)?;
    make_stubs(&plan, &running.stub_directory, stubs, Some(current))?;
    running.listener.renew(sockets, gate);
    Ok(())
}

/// Checks that the kernel, or what filters its calls (seccomp(2)), has what a server cannot do without: before there is
/// anything that clients could find and that does not answer.
fn check_kernel() -> Result<(), Reported> {
    for (call, result) in [
        ("epoll_create1", epoll::Set::new().map(drop)),
        ("signalfd4", signal::descriptor(signal::Set::ALL).map(drop)),
        ("ppoll", poll::check()),
    ] {
        result.map_err(|errno| told!("cannot serve: {}: {}; does a seccomp profile deny it?", call, errno))?;
    }
    Ok(())
}

/// Makes the listener, and the process for the program behind `--`.
fn make_listener(setup: &Setup<'_>) -> Result<Listener, Errno> {
    let mut program = 0;
    if let Some(invocation) = &setup.invocation {
        program = Supervised::prepare(invocation)?;
    }
    // Only now: the configuration may be one of them, as /dev/fd/3, and the program keeps its own.
    fd::close_inherited();
    // Where a caller ignores CHLD, the kernel would reap in this process's place.
    signal::set_action(signal::name::CHLD, false);
    Listener::new(Supervised::of(program))
}

/// Binds the sockets of this plan, unless the listener has them already. Whether the section has a token, and then whether
/// clients send it as a line, is the second result.
fn bind(
    setup: &Setup<'_>,
    plan: &Plan<'_>,
    listener: &mut Listener,
    deadline: Instant,
) -> Result<(Sockets, Option<bool>), Reported> {
    let settings = &plan.settings;
    let mut gate = None;
    if setup.has_token(settings)? {
        gate = Some(settings.trigger.is_some());
        listener.prepare_gate(setup.program.environment).map_err(|errno| told!("cannot keep a gate: {}", errno))?;
    }
    let port = plan.server.map_or(0, Server::port);
    let sockets = Sockets::bind(&settings.listen, port, settings.server_transport(), listener.sockets(), deadline)?;
    Ok((sockets, gate))
}

/// Makes the stubs of this plan, or removes all of them where it wants none; how many there are then. Those that the
/// generation before has made are this server's as well.
fn make_stubs(
    plan: &Plan<'_>,
    directory: &Spot,
    stubs: &mut Stubs,
    before: Option<&Generation>,
) -> Result<usize, Reported> {
    let settings = &plan.settings;
    if settings.disable_stubs {
        directory.clear(plan.loaded);
        return Ok(0);
    }
    let wish = Wish {
        directory: settings.executable_directory,
        overwrite: settings.overwrite_files,
        local: settings.local_stubs && settings.trigger.is_none(),
        server: plan.server,
    };
    stubs.make(directory, &wish, plan.loaded, before.map(|before| (&before.stubs, &before.file)))
}

/// Says what a mistake may be behind: a name that no section has, and stubs that the program behind `--` does not find.
fn explain_stubs(setup: &Setup<'_>, plan: &Plan<'_>, directory: &Spot, count: usize) {
    let path = plan.settings.executable_directory;
    if !plan.has_section {
        let host = rustix::system::uname();
        report!("{}: there is no section {}; stubs in {}: {}", setup.file, setup.name(&host), path, count);
    }
    if let Some(invocation) = setup.invocation.as_ref().filter(|_| count > 0)
        && !directory.is_along(invocation.search())
    {
        report!("--executable-directory {} is not along PATH={}; add it there", path, invocation.search());
    }
}
