//! Endurance: many calls, processes that are killed at random, and peers that mean no good. Prints a table, and fails where
//! something has grown, was left, or was answered wrongly.
//!
//! `scripts/endure` builds the release binary and runs this.
//!
//! - `place`: a server and its stubs
//! - `call`: a call whose answer is known, and what became of it
//! - `census`: what a server has: processes, descriptors, memory
//! - `crowd`: callers beside each other
//! - `killer`: kills processes at random; `strangers`: peers that say nothing, little, or break off
//! - `table`: the figures

mod call;
mod census;
mod crowd;
#[path = "../../tests/integration/support/inherited.rs"]
mod inherited;
mod killer;
mod place;
#[path = "../../tests/integration/support/port.rs"]
#[expect(dead_code, reason = "the tests ask more")]
mod port;
#[path = "../../tests/integration/support/process.rs"]
#[expect(dead_code, reason = "the tests ask more")]
mod process;
mod strangers;
mod table;
#[path = "../../tests/integration/support/wait.rs"]
#[expect(dead_code, reason = "the tests ask more")]
mod wait;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use census::Census;
use place::{Place, Server, TRANSPORTS, Transport};
use table::{Column, number};
use wait::until;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Callers that are there at the same time.
const CALLERS: usize = 8;

/// Calls before the first census, after which whatever is made once has been made.
const FIRST_CALLS: u64 = 200;

/// Calls after processes were killed.
const LAST_CALLS: u64 = 200;

/// KiB that the processes of a server may have more after all calls. The kernel counts pages that processes share as
/// fractions, so that the sum is never quite the same.
const MORE_MEMORY: u64 = 16;

/// How much is done by each transport.
struct Scale {
    calls: u64,
    /// How long processes are killed.
    killing: Duration,
    strangers: usize,
}

struct Arguments {
    binary: PathBuf,
    scale: Scale,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let (mut binary, mut calls, mut minutes, mut strangers) = (None, 100_000, 10.0, 1000);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word}: its value is missing"));
            match word.as_str() {
                "--binary" => binary = Some(value()?),
                "--calls" => calls = value()?.parse()?,
                "--minutes" => minutes = value()?.parse()?,
                "--strangers" => strangers = value()?.parse()?,
                _ => return Err(format!("{word}: there are --calls, --minutes and --strangers").into()),
            }
        }
        let binary = binary.ok_or("--binary is missing: run scripts/endure")?;
        let killing = Duration::try_from_secs_f64(minutes * 60.0)? / u32::try_from(TRANSPORTS.len())?;
        Ok(Self { binary: Path::new(&binary).canonicalize()?, scale: Scale { calls, killing, strangers } })
    }
}

fn main() -> ExitCode {
    match Arguments::parse(std::env::args().skip(1)).and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("endure: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    // Strangers and callers have many descriptors.
    inherited::reset();
    let mut columns = Vec::new();
    for transport in TRANSPORTS {
        let column = endure(&arguments.binary, transport, &arguments.scale);
        columns.push(column.map_err(|error| format!("{}: {error}", transport.name))?);
    }
    table::print(&columns);
    Ok(())
}

/// Everything by one transport.
fn endure(binary: &Path, transport: &'static Transport, scale: &Scale) -> Result<Column> {
    let mut column = Column::new(transport.name);
    let place = Place::new(binary, transport)?;
    let server = Server::start(&place)?;
    let told = |what: &str| eprintln!("endure: {}: {what}", transport.name);
    told("calls");
    many_calls(&server, scale, &mut column)?;
    told("processes are killed, and strangers come");
    kill_and_crowd(&server, scale, &mut column)?;
    server.stop()?;
    Ok(column)
}

/// Calls, and nothing else: what the server has before and after them is the same.
fn many_calls(server: &Server<'_>, scale: &Scale, column: &mut Column) -> Result<()> {
    crowd::call(server, CALLERS, FIRST_CALLS)?.all_right()?;
    let before = Census::at_rest(server)?;
    let start = Instant::now();
    let tally = crowd::call(server, CALLERS, scale.calls)?;
    let seconds = start.elapsed().as_secs_f64();
    tally.all_right()?;
    let after = Census::at_rest(server)?;
    column.add("calls, each answered rightly", number(tally.right));
    column.add("calls in a second", format!("{:.0}", tally.right as f64 / seconds));
    Census::compare(column, "calls", before, after);
    if after.memory > before.memory + MORE_MEMORY {
        return Err(format!("memory has grown from {} to {} KiB", before.memory, after.memory).into());
    }
    after.is_like(before)
}

/// Callers, a killer, and strangers, all at once; then it is quiet, nothing is left, and calls are answered as before.
fn kill_and_crowd(server: &Server<'_>, scale: &Scale, column: &mut Column) -> Result<()> {
    let before = Census::at_rest(server)?;
    let is_over = AtomicBool::new(false);
    let (tally, killed, visits) = std::thread::scope(|scope| {
        let strangers = scope.spawn(|| strangers::visit(server.port(), scale.strangers, &is_over));
        let killer = scope.spawn(|| killer::kill(server, &is_over));
        let callers = scope.spawn(|| crowd::call_until(server, CALLERS, &is_over));
        std::thread::sleep(scale.killing);
        is_over.store(true, Ordering::Relaxed);
        Result::Ok((joined(callers)?, joined(killer)?, joined(strangers)?))
    })?;
    column.add("seconds of KILL at random", number(scale.killing.as_secs()));
    column.add("killed: stubs, commands, sessions, idle workers", killed.to_string());
    column.add("calls meanwhile: right, killed, told that it failed", tally.to_string());
    column.add("connections of strangers meanwhile: silent, slow, reset", visits.to_string());
    tally.none_wrong()?;
    let after = Census::at_rest(server)?;
    Census::compare(column, "KILL", before, after);
    after.is_like(before)?;
    let last = crowd::call(server, CALLERS, LAST_CALLS)?;
    last.all_right()?;
    column.add("calls after that, each answered rightly", number(last.right));
    Ok(())
}

fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|_| Err("a thread panicked".into()))
}
