//! Resident memory of the processes that a call needs: the listener, its session, the stub.

use std::fs;
use std::io::Write as _;
use std::process::{ChildStdin, Stdio};
use std::time::{Duration, Instant};

use crate::flow::drain;
use crate::place::{Place, Process, Server};
use crate::report::{Figure, Goal, Unit};
use crate::{LISTENER, Result, Scale, Transport};

/// The memory of processes in KiB, from the kernel's own sum over their mappings.
#[derive(Clone, Copy, Default)]
struct Resident {
    /// Every page that is there.
    rss: u64,
    /// Every page divided by the number of processes that share it: what adds up over processes of one binary.
    pss: u64,
}

impl Resident {
    fn of(pid: u32) -> Result<Self> {
        let text = match fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) {
            // The session of a call that has just returned ends a moment after it, and has no memory then.
            Err(error) if matches!(error.raw_os_error(), Some(nix::libc::ENOENT | nix::libc::ESRCH)) => {
                return Ok(Self::default());
            }
            text => text?,
        };
        let field = |name: &str| -> Result<u64> {
            let value = text.lines().find_map(|line| line.strip_prefix(name)).ok_or("smaps_rollup is incomplete")?;
            Ok(value.trim().trim_end_matches(" kB").parse()?)
        };
        Ok(Self { rss: field("Rss:")?, pss: field("Pss:")? })
    }

    fn of_all(pids: &[u32]) -> Result<Self> {
        pids.iter().try_fold(Self::default(), |sum, pid| {
            let one = Self::of(*pid)?;
            Ok(Self { rss: sum.rss + one.rss, pss: sum.pss + one.pss })
        })
    }

    /// The goal is for what is there, shared or not.
    fn figures(self, name: &str, goal: Goal) -> [Figure; 2] {
        let figure = |kind, value, goal| Figure::alone(&format!("{name}, {kind}"), Unit::Kibibytes, value, goal);
        [figure("Rss", self.rss, goal), figure("Pss", self.pss, Goal::None)]
    }
}

pub(crate) fn measure(place: &Place, transport: &Transport, scale: &Scale) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    figures.extend(at_rest(place, transport)?);
    figures.push(extra(place, transport, scale)?);
    figures.extend(after_flow(place, transport, scale)?);
    Ok(figures)
}

/// A listener that has served one call, and then one session, which waits for a command that waits.
fn at_rest(place: &Place, transport: &Transport) -> Result<Vec<Figure>> {
    let server = Server::start(place, transport)?;
    let mut figures = Vec::from(Resident::of(server.pid())?.figures("listener, idle", LISTENER));
    let stub = sleeping(&server)?;
    let session = *sessions(&server, 1)?.first().ok_or("no session")?;
    figures.extend(Resident::of(session)?.figures("session of sleep", Goal::None));
    figures.extend(Resident::of(stub.0.id())?.figures("stub of sleep", Goal::None));
    drop(stub);
    server.stop()?;
    Ok(figures)
}

/// What a running session adds to the server's side, idle workers included; over several at once, because the listener's
/// own share falls when a session shares its pages.
fn extra(place: &Place, transport: &Transport, scale: &Scale) -> Result<Figure> {
    let server = Server::start(place, transport)?;
    let total = || -> Result<u64> {
        let mut pids = children(server.pid())?;
        pids.push(server.pid());
        Ok(Resident::of_all(&pids)?.pss)
    };
    let idle = total()?;
    let stubs = (0..scale.sessions).map(|_| sleeping(&server)).collect::<Result<Vec<_>>>()?;
    sessions(&server, scale.sessions)?;
    let extra = total()?.saturating_sub(idle) / scale.sessions as u64;
    drop(stubs);
    server.stop()?;
    Ok(Figure::alone("a running session adds, Pss", Unit::Kibibytes, extra, transport.session))
}

/// Whether memory grows with what flows: both ends early in a flow and at its end, while its stdin is still open.
fn after_flow(place: &Place, transport: &Transport, scale: &Scale) -> Result<Vec<Figure>> {
    let server = Server::start(place, transport)?;
    let mut stub = Process(server.stub("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    let mut input = stub.0.stdin.take().ok_or("no stdin")?;
    let mut output = stub.0.stdout.take().ok_or("no stdout")?;
    let mut figures = Vec::new();
    let mut done = 0;
    for bytes in [scale.flow_bytes / 8, scale.flow_bytes] {
        pass(&mut input, &mut output, bytes - done)?;
        done = bytes;
        let session = *sessions(&server, 1)?.first().ok_or("no session")?;
        for (name, pid) in [("session", session), ("stub", stub.0.id())] {
            let name = format!("{name} after {} MiB, Rss", bytes >> 20);
            figures.push(Figure::alone(&name, Unit::Kibibytes, Resident::of(pid)?.rss, Goal::None));
        }
    }
    drop(input);
    stub.0.wait()?;
    server.stop()?;
    Ok(figures)
}

/// Writes and drains at the same time, for the pipes hold less than that.
fn pass(input: &mut ChildStdin, output: impl std::io::Read, bytes: u64) -> Result<()> {
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| -> Result<()> {
            let block = vec![0; 128 << 10];
            (0..bytes / block.len() as u64).try_for_each(|_| Ok(input.write_all(&block)?))
        });
        let drained = drain(output, bytes)?;
        writer.join().unwrap_or_else(|_| Err("the writer panicked".into()))?;
        if drained == bytes { Ok(()) } else { Err(format!("only {drained} of {bytes} bytes came back").into()) }
    })
}

fn sleeping(server: &Server<'_>) -> Result<Process> {
    Ok(Process(server.stub("sleep").arg("600").stdout(Stdio::null()).spawn()?))
}

/// Those children of the listener that run a command, as soon as there are so many.
fn sessions(server: &Server<'_>, wanted: usize) -> Result<Vec<u32>> {
    let start = Instant::now();
    loop {
        let mut found = Vec::new();
        for child in children(server.pid())? {
            if started(child)? {
                found.push(child);
            }
        }
        if found.len() >= wanted {
            return Ok(found);
        }
        if start.elapsed() > Duration::from_secs(10) {
            return Err(format!("{} of {wanted} sessions have started their commands", found.len()).into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether a session's child has become the command. Before that it is a copy of the session and shares its pages.
fn started(session: u32) -> Result<bool> {
    let own = fs::read_link(format!("/proc/{session}/exe"))?;
    Ok(children(session)?.iter().any(|child| fs::read_link(format!("/proc/{child}/exe")).is_ok_and(|exe| exe != own)))
}

/// Through all of /proc, because not every kernel lists children.
fn children(parent: u32) -> Result<Vec<u32>> {
    let pids = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(pids.filter(|pid| parent_of(*pid) == Some(parent)).collect())
}

/// None for a process that has gone meanwhile.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before the last parenthesis may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(1)?.parse().ok()
}
