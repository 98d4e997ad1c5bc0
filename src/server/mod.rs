//! `k8pshd`: reads its options and the configuration, makes the stubs, serves, and runs the program behind `--`.

mod daemon;
mod listener;
mod pool;
mod sockets;
mod stubs;
mod supervise;
mod worker;

use self::listener::Listener;
use self::sockets::Sockets;
use self::stubs::{Made, Spot, Stubs, Wish};
use self::supervise::Supervised;
use crate::auth::token::read_key;
use crate::config::Server;
use crate::config::file::{self as configuration, Loaded};
use crate::diag::Reported;
use crate::diag::print_and_exit as print;
use crate::options::help;
use crate::options::settings::{Asked, CommandLine, Settings};
use crate::options::table::SERVER;
use crate::session::service::Service;
use crate::sys::process::{self, exit};
use crate::sys::program::{Program, Strings};
use crate::sys::signal;
use crate::sys::statics::StaticCell;
use crate::sys::{epoll, fd, poll};
use crate::text::name;
use crate::{debug, diag, exit, limits, report, told};
use core::ffi::CStr;
use rustix::io::Errno;
use rustix::process::DumpableBehavior;

/// A configuration and the stubs that were made by it. There are two: one is in force, and the next is put together in the
/// other. Large, so they are made as a static.
struct Generation {
    file: configuration::File,
    stubs: Stubs,
}

/// What no reload changes.
struct Setup<'p> {
    program: &'p Program,
    /// What the command line says.
    line: CommandLine,
    /// The configuration's path.
    file: &'static CStr,
    /// The signals that this server was started to ignore.
    ignored: signal::Set,
    /// Where stubs are, once that is known.
    spot: Option<Spot>,
}

/// Plays the role.
pub(super) fn main(program: &Program, arguments: Strings) -> ! {
    diag::set_name(name::SERVER);
    diag::set_patience(limits::LOG_MS);
    static GENERATIONS: StaticCell<[Generation; 2]> =
        StaticCell::new([const { Generation { file: configuration::File::EMPTY, stubs: Stubs::NONE } }; 2]);
    let line = match CommandLine::read(arguments) {
        Ok(Asked::Serve(line)) => line,
        Ok(Asked::Help) => print_help(),
        Ok(Asked::Version) => print(concat!("k8pshd ", env!("CARGO_PKG_VERSION"), "\n")),
        Err(Reported) => exit(exit::FAILURE),
    };
    let mut setup = Setup {
        program,
        file: configuration::path(line.config, &program.environment),
        line,
        ignored: signal::ignored(),
        spot: None,
    };
    let [mut current, mut next] = GENERATIONS.take().each_mut();
    let mut listener = None;
    // The first one follows one in which there is nothing.
    let Ok(()) = advance(&mut setup, &mut listener, (&current.stubs, &current.file), next) else { exit(exit::FAILURE) };
    loop {
        core::mem::swap(&mut current, &mut next);
        serve(&mut setup, &mut listener, current, next);
    }
}

fn print_help() -> ! {
    let mut out = diag::output();
    help::show(&SERVER, &mut out);
    out.flush();
    exit(exit::SUCCESS)
}

/// This server in the configuration, by its name: given, from the environment, or the host's.
fn find_server<'g>(setup: &Setup<'_>, loaded: Loaded<'g>) -> Option<Server<'g>> {
    let host = rustix::system::uname();
    let from_environment = || setup.program.environment.get(b"K8PSH_NAME").filter(|name| !name.is_empty());
    let name = setup.line.name.map(CStr::to_bytes).or_else(from_environment).unwrap_or(host.nodename().to_bytes());
    loaded.config.server(name)
}

/// What the options say with those of this server's section.
fn settle<'g>(setup: &Setup<'_>, server: Option<Server<'g>>, loaded: Loaded<'g>) -> Result<Settings<'g>, Reported> {
    let settings = Settings::of_server(server, loaded, setup.line.words)?;
    if server.is_some() && setup.line.program.is_some() && settings.background {
        return Err(told!("--background does not go with a program behind --"));
    }
    Ok(settings)
}

/// Whether the section has a token. If so, there is one.
fn has_token(setup: &Setup<'_>, settings: &Settings<'_>) -> Result<bool, Reported> {
    let Some(source) = settings.token() else { return Ok(false) };
    // Whether there is one is reported at once, and not only to the first who connects.
    read_key(source, &setup.program.environment)?;
    // A command of the same user could read it from this process's environment and memory (/proc, ptrace(2)).
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    Ok(true)
}

/// Puts the next configuration together and into force, or leaves everything as it is. The first one makes the listener;
/// where that has nothing to serve, this process ends there or becomes the program.
#[inline(never)]
fn advance(
    setup: &mut Setup<'_>,
    listener: &mut Option<Listener>,
    before: Made<'_>,
    Generation { file, stubs }: &mut Generation,
) -> Result<(), Reported> {
    let environment = &setup.program.environment;
    file.load(setup.file, environment)?;
    let loaded = file.sound()?;
    let section = find_server(setup, loaded);
    let settings = settle(setup, section, loaded)?;
    let server = section.filter(|server| server.has_commands());
    let mut mask = signal::Set::default();
    let is_first = listener.is_none();
    if is_first {
        if server.is_some() {
            check_kernel()?;
            *listener = Some(begin(setup).map_err(|errno| told!("cannot start: {}", errno))?);
        }
        // From here on a signal waits until what is made can be removed again.
        mask = signal::block(signal::Set::ALL);
    } else if server.is_none() {
        return Err(told!("{}: there are no commands for this server", setup.file));
    }
    let is_trigger = settings.trigger.is_some();
    let wish = Wish {
        directory: settings.executable_directory,
        overwrite: settings.overwrite_files,
        local: settings.local_stubs && !is_trigger,
        server,
    };
    if is_first {
        setup.spot = Some(Spot::open(wish.directory, setup.program)?);
    }
    let (mut sockets, mut gate) = (None, None);
    // The port first: where another server has it, its stubs stay as they are.
    if let (Some(server), Some(listener)) = (server, listener.as_mut()) {
        if has_token(setup, &settings)? {
            gate = Some(is_trigger);
            listener.prepare_gate(setup.program.environment).map_err(|errno| told!("cannot keep a gate: {}", errno))?;
        }
        sockets =
            Some(Sockets::bind(&settings.listen, server.port(), settings.server_transport(), listener.sockets())?);
    }
    if let Some(spot) = &setup.spot {
        if settings.disable_stubs {
            spot.clear(loaded);
        } else {
            stubs.make(spot, &wish, loaded, before)?;
        }
    }
    if let (Some(listener), Some(sockets)) = (listener, sockets) {
        listener.renew(sockets, gate);
        return Ok(());
    }
    let Some(words) = setup.line.program else { exit(exit::SUCCESS) };
    signal::block(mask);
    supervise::replace(environment, words)
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

/// Makes the listener, and the process for the program.
fn begin(setup: &Setup<'_>) -> Result<Listener, Errno> {
    let mut program = 0;
    if let Some(words) = setup.line.program {
        program = Supervised::prepare(&setup.program.environment, words)?;
    }
    // Only now: the configuration may have been given as one of them, and the program has its own.
    fd::close_inherited();
    // A caller that ignores it would leave that to this process, and the kernel would reap in its place.
    signal::set_action(signal::name::CHLD, false);
    Listener::new(Supervised::of(program))
}

/// Serves by the current configuration, until the next one is in force.
#[inline(never)]
fn serve(
    setup: &mut Setup<'_>,
    place: &mut Option<Listener>,
    Generation { file: loaded, stubs }: &mut Generation,
    next: &mut Generation,
) {
    let loaded = &*loaded;
    let section = find_server(setup, loaded);
    let (Some(server), Ok(settings)) = (section, settle(setup, section, loaded)) else { exit(exit::FAILURE) };
    let Some(listener) = place.as_mut() else { exit(exit::FAILURE) };
    let limits = listener::Limits {
        connections: settings.max_connections.unwrap_or(u64::MAX),
        milliseconds: settings.timeout.unwrap_or(u64::MAX),
        wait: !settings.no_wait,
    };
    listener.set_limits(limits, settings.max_sessions);
    let daemon = settings.background.then_some(settings.pid_file);
    let keeps_stubs = settings.keep_stubs;
    let work = Service {
        loaded,
        server,
        environment: setup.program.environment.without(settings.token_variable()),
        settings,
        umask: process::umask(),
        ignored: setup.ignored,
    };
    debug!(Server, "server {} listens on port {}", server.name(), server.port());
    loop {
        let Some(listener) = place else { exit(exit::FAILURE) };
        let end = listener.serve(&work, daemon);
        if end.is_none() && advance(setup, place, (stubs, loaded), next).is_err() {
            report!("the configuration stays as it was");
            continue;
        }
        if let Some(spot) = setup.spot.as_ref().filter(|_| end.is_none() || !keeps_stubs) {
            // Nothing is in the next one unless it is in force.
            stubs.remove(spot, loaded, (&next.stubs, &next.file));
        }
        match (end, place) {
            (Some(end), Some(listener)) => listener.finish(end),
            _ => return,
        }
    }
}
