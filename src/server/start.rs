//! The first start of a server, from its configuration to a listener, and reloads. The steps of both are in an order in
//! which a failure leaves nothing behind, and everything as it was.

use super::generation::{Generation, Plan, Setup};
use super::listener::Listener;
use super::sockets::Sockets;
use super::stubs::{Spot, Stubs, Wish};
use super::supervise::{Invocation, Supervised};
use crate::auth::queue::Clients;
use crate::config::Server;
use crate::diag::{self, Reported};
use crate::sys::clock::Instant;
use crate::sys::{epoll, fd, poll, signal};
use crate::{limits, report, reported};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// A server that has started.
pub(super) struct Running {
    pub(super) listener: Listener,
    /// Where its stubs are.
    pub(super) stub_directory: Spot,
}

/// Starts the server. `None`: it has no commands; the stubs of the other sections have been made.
pub(super) fn start(setup: &Setup<'_>, generation: &mut Generation) -> Result<Option<Running>, Reported> {
    let Generation { file, stubs } = generation;
    let plan = Plan::load(setup, file)?;
    let mut listener = None;
    if plan.server.is_some() {
        check_kernel()?;
        // Not before: it takes calls that have just been checked, and what is missing has to be said without them.
        diag::set_patience(limits::LOG_MS);
        listener = Some(make_listener(setup).map_err(|errno| reported!("cannot start: {}", errno))?);
    }
    // From here on, signals wait until what is made can be removed again.
    let mask = signal::block(signal::Set::ALL);
    let stub_directory = Spot::open(plan.settings.executable_directory, setup.program)?;
    let Some(mut listener) = listener else {
        make_stubs(setup, &plan, &stub_directory, stubs, None)?;
        signal::block(mask);
        return Ok(None);
    };
    // The port first: if another server has it, the stubs of that server must stay as they are.
    let deadline = Instant::after(limits::BIND_MS);
    let (sockets, pre_auth) = bind(setup, &plan, &mut listener, deadline)?;
    make_stubs(setup, &plan, &stub_directory, stubs, None)?;
    listener.renew(sockets, pre_auth);
    Ok(Some(Running { listener, stub_directory }))
}

/// Loads the next generation, and puts it into force. After an error, the current one stays in force.
pub(super) fn reload(
    setup: &Setup<'_>,
    running: &mut Running,
    current: &Generation,
    next: &mut Generation,
) -> Result<(), Reported> {
    let Generation { file, stubs } = next;
    let plan = Plan::load(setup, file)?;
    if plan.server.is_none() {
        return Err(reported!("{}: there are no commands for this server", setup.file));
    }
    // A running server must not keep its clients waiting for a port that another one has.
    let (sockets, pre_auth) = bind(setup, &plan, &mut running.listener, Instant::PAST)?;
    make_stubs(setup, &plan, &running.stub_directory, stubs, Some(current))?;
    running.listener.renew(sockets, pre_auth);
    Ok(())
}

/// Checks that the kernel, and a seccomp profile if there is one, allows the system calls that a server needs: before
/// clients could find a server that does not answer.
fn check_kernel() -> Result<(), Reported> {
    for (call, result) in [
        ("epoll_create1", epoll::Set::new().map(drop)),
        ("signalfd4", signal::descriptor(signal::Set::ALL).map(drop)),
        ("ppoll", poll::check()),
    ] {
        result.map_err(|errno| reported!("cannot serve: {}: {}; does a seccomp profile deny it?", call, errno))?;
    }
    Ok(())
}

/// Makes the listener, and the process for the program behind `--`.
fn make_listener(setup: &Setup<'_>) -> Result<Listener, Errno> {
    let mut program = 0;
    if let Some(invocation) = setup.invocation() {
        program = Supervised::prepare(invocation)?;
    }
    // Commands usually run as this user, and must find neither this process's environment nor what sessions have in their
    // memory (/proc, ptrace(2)). An execve(2) ends this.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // Only now: the configuration may be one of them, as /dev/fd/3, and the program behind `--` keeps them all.
    fd::close_inherited();
    // If CHLD were ignored, as a caller may have it, the kernel would reap the children by itself.
    signal::set_action(signal::name::CHLD, false);
    Listener::new(Supervised::of(program))
}

/// Binds the sockets of this plan, unless the listener has them already. The second result says who has to
/// prove the token or to speak HTTP, if anybody has.
fn bind(
    setup: &Setup<'_>,
    plan: &Plan<'_>,
    listener: &mut Listener,
    deadline: Instant,
) -> Result<(Sockets, Option<Clients>), Reported> {
    let settings = &plan.settings;
    let clients = match settings.plain_trigger() {
        Some(_) if settings.http.is_some() => Clients::Heads,
        Some(_) => Clients::Lines,
        None => Clients::Stubs,
    };
    let pre_auth = (setup.has_token(settings)? || clients == Clients::Heads).then_some(clients);
    if pre_auth.is_some() {
        listener
            .prepare_pre_auth(setup.program.environment)
            .map_err(|errno| reported!("cannot check tokens: {}", errno))?;
    }
    let port = plan.server.map_or(0, Server::port);
    let sockets = Sockets::bind(&settings.listen, port, settings.server_transport(), &listener.sockets, deadline)?;
    Ok((sockets, pre_auth))
}

/// Makes the stubs of this plan, or removes all stubs if it wants none. Those that the generation `before` has made are
/// this server's as well.
fn make_stubs(
    setup: &Setup<'_>,
    plan: &Plan<'_>,
    directory: &Spot,
    stubs: &mut Stubs,
    before: Option<&Generation>,
) -> Result<(), Reported> {
    let settings = &plan.settings;
    let wish = Wish {
        directory: settings.executable_directory,
        overwrite: settings.overwrite_files,
        local: settings.local_stubs && settings.trigger.is_none(),
        server: plan.server,
    };
    let mut count = 0;
    if settings.disable_stubs {
        directory.clear(plan.loaded);
    } else {
        count = stubs.make(directory, &wish, plan.loaded, before.map(|before| (&before.stubs, &before.file)))?;
    }
    if before.is_none() {
        explain_stubs(setup, plan, directory, count);
    }
    Ok(())
}

/// Says what may be a mistake: a name that no section has, and stubs that the program behind `--` does not find.
fn explain_stubs(setup: &Setup<'_>, plan: &Plan<'_>, directory: &Spot, count: usize) {
    let path = plan.settings.executable_directory;
    if setup.section(plan.loaded).is_none() {
        let host = rustix::system::uname();
        report!("{}: there is no section {}; stubs in {}: {}", setup.file, setup.name(&host), path, count);
    }
    let search = setup.invocation().map(Invocation::search).filter(|_| count > 0);
    if let Some(search) = search.filter(|search| !directory.is_along(search)) {
        report!("--executable-directory {} is not along PATH={}; add it there", path, search);
    }
}
