//! CPU time of a call: all processes of it together, user and system.

use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::place::{Place, Server};
use crate::report::{Figure, Goal, Unit};
use crate::sample::spawn_and_wait;
use crate::{Result, Scale, Transport};

/// What stub, session and listener spend on a call above what spawning the command costs anyway.
///
/// The kernel adds a process's time to its parent's account when it is waited for. So the server is ended within the
/// measured stretch: then its account, with those of all its sessions and their commands, is in ours. Its own start and
/// end are in it as well, divided by the number of calls.
pub(crate) fn measure(place: &Place, transport: &Transport, scale: &Scale) -> Result<Vec<Figure>> {
    let local = per_call(scale.processor_calls, || repeat(scale.processor_calls, || place.local("true")))?;
    let remote = per_call(scale.processor_calls, || {
        let server = Server::start(place, transport)?;
        repeat(scale.processor_calls, || server.stub("true"))?;
        server.stop()
    })?;
    let added = remote.saturating_sub(local);
    Ok(vec![Figure::times("CPU time added to a call", Unit::Microseconds, local, added, transport.processor)])
}

/// The processor time that a process costs which does nothing: the part of a call's that no stub can do without.
pub(crate) fn floor(place: &Place, scale: &Scale) -> Result<Figure> {
    let calls = scale.processor_calls;
    let local = per_call(calls, || repeat(calls, || place.local("true")))?;
    let idle = per_call(calls, || repeat(calls, || place.idle()))?;
    Ok(Figure::times("a floor: CPU time of k8psh --version", Unit::Microseconds, local, idle, Goal::None))
}

fn repeat(calls: u32, command: impl Fn() -> Command) -> Result<()> {
    (0..calls).try_for_each(|_| spawn_and_wait(command().stdout(Stdio::null())).map(drop))
}

fn per_call(calls: u32, work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let before = spent()?;
    work()?;
    Ok((spent()? - before) / calls)
}

/// By this process, whose forks are a part of what a spawn costs, and by all that it has waited for.
fn spent() -> Result<Duration> {
    let total = |usage: &Usage| duration(usage.user_time()) + duration(usage.system_time());
    Ok(total(&getrusage(UsageWho::RUSAGE_SELF)?) + total(&getrusage(UsageWho::RUSAGE_CHILDREN)?))
}

fn duration(time: TimeVal) -> Duration {
    let part = |value: i64| u64::try_from(value).unwrap_or(0);
    Duration::from_secs(part(time.tv_sec())) + Duration::from_micros(part(time.tv_usec()))
}
