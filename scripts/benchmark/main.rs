//! Measures what a call through a stub costs on this machine, next to the same work without k8psh.
//!
//! `scripts/bench` builds the release binary and runs this. The figures are ratios to a local run of the same minute,
//! so that a slow machine and a fast one can be compared; what each means stands beside its measurement.
//!
//! - `place`: a server and its stubs, a socat to compare with
//! - `rivals`: others that encrypt, to compare with
//! - `latency`, `flow`, `memory`, `processor`: one kind of figure each
//! - `sample`: alternating, medians
//! - `report`: the table and the JSON

mod flow;
mod latency;
mod memory;
mod place;
mod processor;
mod report;
mod rivals;
mod sample;

use std::path::PathBuf;
use std::process::ExitCode;

use place::Place;
use report::{Figure, Goal, Unit};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A way in which a stub reaches its server, and what is wanted of it.
struct Transport {
    name: &'static str,
    /// The value of `K8PSH_TRANSPORT` that forces it.
    value: &'static str,
    /// Whether the section has a token, which encrypts everything.
    has_token: bool,
    /// Spawning and awaiting `true`, as a multiple of a local spawn.
    latency: Goal,
    /// A call of `true` at a terminal, as a multiple of one without.
    terminal: Goal,
    /// Many calls at a time, as a multiple of the local time.
    calls: Goal,
    /// Time for a file through `cat`, as a multiple of the local time.
    flow: Goal,
    /// Bytes per second of the same as a multiple of socat's. Without such a goal there is no socat to compare with.
    rate: Goal,
    /// The same of the other flows.
    other_rates: Goal,
    /// KiB that a running session adds.
    session: Goal,
    /// CPU time that k8psh adds to a call, as a multiple of a local spawn's.
    processor: Goal,
}

/// Each is measured; one more is one more entry.
const TRANSPORTS: &[Transport] = &[
    Transport {
        name: "direct",
        value: "direct",
        has_token: false,
        latency: Goal::AtMost(1.4),
        terminal: Goal::AtMost(1.15),
        calls: Goal::AtMost(1.5),
        flow: Goal::AtMost(1.02),
        rate: Goal::None,
        other_rates: Goal::None,
        session: Goal::AtMost(64.0),
        processor: Goal::AtMost(0.5),
    },
    Transport {
        name: "relay",
        value: "relay",
        has_token: false,
        latency: Goal::AtMost(1.8),
        terminal: Goal::AtMost(1.15),
        calls: Goal::AtMost(2.0),
        flow: Goal::AtMost(1.5),
        rate: Goal::AtLeast(1.2),
        other_rates: Goal::AtLeast(1.0),
        session: Goal::AtMost(64.0),
        processor: Goal::AtMost(0.8),
    },
    Transport {
        name: "encrypted",
        value: "relay",
        has_token: true,
        latency: Goal::None,
        terminal: Goal::None,
        calls: Goal::None,
        flow: Goal::None,
        rate: Goal::None,
        other_rates: Goal::None,
        session: Goal::None,
        processor: Goal::None,
    },
];

/// KiB that a listener keeps resident, whatever stubs come by.
const LISTENER: Goal = Goal::AtMost(200.0);

/// The binary's size in bytes: the goal that `scripts/check` names.
const SIZE: Goal = Goal::AtMost(163_840.0);

/// How much is measured.
struct Scale {
    latency_samples: usize,
    calls: usize,
    concurrency: usize,
    processor_calls: u32,
    flow_bytes: u64,
    rounds: usize,
    sessions: usize,
}

impl Scale {
    const FULL: Self = Self {
        latency_samples: 300,
        calls: 400,
        concurrency: 16,
        processor_calls: 1000,
        flow_bytes: 512 << 20,
        rounds: 5,
        sessions: 8,
    };

    const QUICK: Self = Self {
        latency_samples: 20,
        calls: 64,
        concurrency: 16,
        processor_calls: 50,
        flow_bytes: 64 << 20,
        rounds: 1,
        sessions: 2,
    };
}

struct Arguments {
    binary: PathBuf,
    directory: PathBuf,
    json: bool,
    scale: Scale,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let (mut binary, mut directory, mut json, mut scale) = (None, None, false, Scale::FULL);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--binary" => binary = words.next(),
                "--directory" => directory = words.next(),
                "--json" => json = true,
                "--quick" => scale = Scale::QUICK,
                _ => return Err(format!("{word}: unknown argument; there are --json and --quick").into()),
            }
        }
        Ok(Self {
            binary: PathBuf::from(binary.ok_or("--binary is missing: run scripts/bench")?).canonicalize()?,
            directory: PathBuf::from(directory.ok_or("--directory is missing: run scripts/bench")?).canonicalize()?,
            json,
            scale,
        })
    }
}

fn main() -> ExitCode {
    match Arguments::parse(std::env::args().skip(1)).and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let place = Place::new(&arguments.binary, &arguments.directory)?;
    let mut figures = Vec::new();
    for transport in TRANSPORTS {
        let mut add = |measured: Result<Vec<Figure>>| -> Result<()> {
            let measured = measured.map_err(|error| format!("{}: {error}", transport.name))?;
            figures.extend(measured.into_iter().map(|figure| figure.through(transport.name)));
            Ok(())
        };
        eprintln!("bench: {}: latency", transport.name);
        add(latency::single(&place, transport, &arguments.scale))?;
        add(latency::at_terminal(&place, transport, &arguments.scale))?;
        add(latency::many(&place, transport, &arguments.scale))?;
        eprintln!("bench: {}: flow", transport.name);
        add(flow::measure(&place, transport, &arguments.scale))?;
        eprintln!("bench: {}: memory", transport.name);
        add(memory::measure(&place, transport, &arguments.scale))?;
        eprintln!("bench: {}: processor", transport.name);
        add(processor::measure(&place, transport, &arguments.scale))?;
    }
    eprintln!("bench: what both are above");
    figures.push(latency::floor(&place, &arguments.scale)?);
    figures.push(processor::floor(&place, &arguments.scale)?);
    figures.push(size(&arguments.binary)?);
    if arguments.json {
        report::json(&figures);
    } else {
        report::table(&figures);
    }
    Ok(())
}

fn size(binary: &std::path::Path) -> Result<Figure> {
    let bytes = std::fs::metadata(binary)?.len();
    Ok(Figure::alone("size of the binary", Unit::Bytes, bytes, SIZE))
}
