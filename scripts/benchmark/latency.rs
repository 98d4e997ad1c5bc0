//! The time of calls that do nothing.

use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::pty::openpty;

use crate::place::{Place, Server};
use crate::report::{Figure, Goal, Unit};
use crate::sample::{Contestant, alternate, spawn_and_wait};
use crate::{Result, Scale, Transport};

/// One call at a time, with a stdin that has ended and with one that stays open and silent: the second is what a stub
/// has in a terminal or under a build tool, and where a relay that polls would lose its time.
pub(crate) fn single(place: &Place, transport: &Transport, scale: &Scale) -> Result<Vec<Figure>> {
    let server = Server::start(place, transport)?;
    let (silence, _open) = std::io::pipe()?;
    let mut figures = Vec::new();
    for (name, silent) in [("true, stdin at its end", false), ("true, stdin open and silent", true)] {
        let run = |mut command: Command| {
            if silent {
                command.stdin(silence.try_clone()?);
            }
            spawn_and_wait(&mut command)
        };
        let local: Contestant<'_> = Box::new(|| run(quiet(place.local("true"))));
        let remote: Contestant<'_> = Box::new(|| run(quiet(server.stub("true"))));
        let medians = alternate(scale.latency_samples, &mut [local, remote])?;
        figures.push(Figure::times(name, Unit::Microseconds, medians[0], medians[1], transport.latency));
    }
    server.stop()?;
    Ok(figures)
}

/// Calls in one sample. A terminal can only be the controlling one of a session, so it is a
/// shell that calls, and its own start is shared out among them.
const CALLS: usize = 20;

/// A call at a terminal next to one without: what the command's pseudo-terminal costs where nothing is done with it.
pub(crate) fn at_terminal(place: &Place, transport: &Transport, scale: &Scale) -> Result<Vec<Figure>> {
    let server = Server::start(place, transport)?;
    let calls = |is_at_terminal| {
        let stub = server.stub("true");
        let script = format!(
            "i={CALLS}; while test $i -gt 0; do '{}' || exit; i=$((i - 1)); done",
            stub.get_program().display()
        );
        let mut leader = server.beside(&stub, "setsid");
        let terminal = openpty(None, None)?;
        if is_at_terminal {
            let stream = || -> Result<OwnedFd> { Ok(terminal.slave.try_clone()?) };
            leader.arg("--ctty").stdin(stream()?).stdout(stream()?).stderr(stream()?);
        } else {
            leader.stdout(Stdio::null()).stderr(Stdio::null());
        }
        Ok(spawn_and_wait(leader.args(["sh", "-c", &script]))? / u32::try_from(CALLS)?)
    };
    let without: Contestant<'_> = Box::new(|| calls(false));
    let at: Contestant<'_> = Box::new(|| calls(true));
    let medians = alternate(scale.latency_samples.div_ceil(CALLS), &mut [without, at])?;
    server.stop()?;
    let name = "true, without and at a terminal";
    Ok(vec![Figure::times(name, Unit::Microseconds, medians[0], medians[1], transport.terminal)])
}

/// What no call through any stub can be below: the stub's process and the command's, one after the other, with nothing in
/// between. Where k8psh misses a goal, this row says how much of it is the machine's.
pub(crate) fn floor(place: &Place, scale: &Scale) -> Result<Figure> {
    let local: Contestant<'_> = Box::new(|| spawn_and_wait(&mut quiet(place.local("true"))));
    let both: Contestant<'_> =
        Box::new(|| Ok(spawn_and_wait(&mut quiet(place.idle()))? + spawn_and_wait(&mut quiet(place.local("true")))?));
    let medians = alternate(scale.latency_samples, &mut [local, both])?;
    Ok(Figure::times("a floor: k8psh --version, then true", Unit::Microseconds, medians[0], medians[1], Goal::None))
}

/// Many calls, some of them at a time, as `make -j` does it: the whole time.
pub(crate) fn many(place: &Place, transport: &Transport, scale: &Scale) -> Result<Vec<Figure>> {
    let server = Server::start(place, transport)?;
    let local: Contestant<'_> = Box::new(|| all(scale, || quiet(place.local("true"))));
    let remote: Contestant<'_> = Box::new(|| all(scale, || quiet(server.stub("true"))));
    let medians = alternate(scale.rounds, &mut [local, remote])?;
    let name = format!("{} × true, {} at a time", scale.calls, scale.concurrency);
    let figure = Figure::times(&name, Unit::Milliseconds, medians[0], medians[1], transport.calls);
    server.stop()?;
    Ok(vec![figure])
}

fn all(scale: &Scale, command: impl Fn() -> Command + Sync) -> Result<Duration> {
    let next = AtomicUsize::new(0);
    let worker = || -> Result<()> {
        while next.fetch_add(1, Ordering::Relaxed) < scale.calls {
            spawn_and_wait(&mut command())?;
        }
        Ok(())
    };
    let start = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..scale.concurrency).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| Err("a thread panicked".into())))
    })?;
    Ok(start.elapsed())
}

/// Without a terminal, wherever the benchmark itself may be started.
fn quiet(mut command: Command) -> Command {
    command.stdout(Stdio::null());
    command
}
