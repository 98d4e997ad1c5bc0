//! The server's role, from its command line to its end.

use super::generation::{Generation, Plan, Setup};
use super::start::{Running, reload, start};
use crate::diag::{self, Reported};
use crate::exit::{self, End};
use crate::options::command_line::{Asked, CommandLine};
use crate::options::help;
use crate::options::table::SERVER;
use crate::session::service::Service;
use crate::sys::process::{self, end_like};
use crate::sys::program::{Program, Strings};
use crate::sys::statics::StaticCell;
use crate::text::name;
use crate::{debug, report};

/// Runs the server, and ends its process. Those that it forks end by themselves.
pub fn main(program: &Program, arguments: Strings) -> ! {
    diag::set_name(name::SERVER);
    end_like(run(program, arguments).unwrap_or(End::Code(exit::FAILURE)))
}

fn run(program: &Program, arguments: Strings) -> Result<End, Reported> {
    static GENERATIONS: StaticCell<[Generation; 2]> = StaticCell::new([const { Generation::empty() }; 2]);
    let line = match CommandLine::read(arguments)? {
        Asked::Serve(line) => line,
        Asked::Help => {
            help::print(&SERVER);
            return Ok(End::Code(exit::SUCCESS));
        }
        Asked::Version => diag::print_and_exit(concat!("k8pshd ", env!("CARGO_PKG_VERSION"), "\n")),
    };
    let setup = Setup::new(program, line);
    let [mut current, mut next] = GENERATIONS.take().each_mut();
    let Some(mut running) = start(&setup, current)? else {
        let Some(invocation) = setup.invocation() else { return Ok(End::Code(exit::SUCCESS)) };
        invocation.replace()
    };
    loop {
        if let Some(end) = serve(&setup, &mut running, current, next)? {
            running.listener.remove_pid_file();
            return Ok(end);
        }
        core::mem::swap(&mut current, &mut next);
    }
}

/// Serves by the current generation until the server ends, and returns how. `None`: the next generation is in force.
fn serve(
    setup: &Setup<'_>,
    running: &mut Running,
    current: &mut Generation,
    next: &mut Generation,
) -> Result<Option<End>, Reported> {
    let finish = serve_plan(setup, running, current, next)?;
    if finish.is_none_or(|(_, keeps_stubs)| !keeps_stubs) {
        // The next generation has stubs only if it is in force now.
        let Generation { file, stubs } = current;
        stubs.remove(&running.stub_directory, file, (&next.stubs, &next.file));
    }
    Ok(finish.map(|(end, _)| end))
}

/// The same, but leaves the stubs to its caller: the second value is whether they stay when the server ends.
fn serve_plan(
    setup: &Setup<'_>,
    running: &mut Running,
    current: &Generation,
    next: &mut Generation,
) -> Result<Option<(End, bool)>, Reported> {
    // By reference: it is too large to be moved for nothing.
    let plan = &Plan::again(setup, &current.file);
    let Ok(Plan { loaded, server: Some(server), settings }) = plan else { return Err(Reported) };
    debug!(Server, "server {} listens on port {}", server.name(), server.port());
    let daemon = settings.background.then_some(settings.pid_file);
    running.listener.follow(settings);
    let pool = running.listener.pool;
    let service = Service {
        loaded,
        server: *server,
        board: pool.board,
        workers: &|| pool.workers(),
        environment: setup.program.environment.without(settings.token_variable()),
        settings,
        umask: process::umask(),
        ignored: setup.ignored,
    };
    loop {
        if let Some(end) = running.listener.serve(&service, daemon) {
            return Ok(Some((end, settings.keep_stubs)));
        }
        if reload(setup, running, current, next).is_ok() {
            return Ok(None);
        }
        report!("the configuration stays as it was");
    }
}
