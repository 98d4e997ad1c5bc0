//! The time that much data takes: to the command and back, to it, and from it.

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::place::{Place, Server, Socat};
use crate::report::{Figure, Goal, Unit};
use crate::rivals::Rival;
use crate::sample::{Contestant, alternate, succeeded};
use crate::{Result, Scale, Transport};

/// The length of the file's lines. Long ones, so that `wc -l` is limited by reading and not by counting.
const LINE: usize = 4096;

/// What flows where. The command reads the file, if it has one, and its output is drained through a pipe.
struct Flow {
    name: &'static str,
    file: Option<PathBuf>,
    program: &'static str,
    arguments: Vec<String>,
    /// What must come out, so that nothing that was lost is taken for speed.
    output: u64,
}

pub(crate) fn measure(place: &Place, transport: &Transport, scale: &Scale) -> Result<Vec<Figure>> {
    let file = place.directory.join("flow");
    write_lines(&file, scale.flow_bytes)?;
    let counted = u64::try_from(format!("{}\n", scale.flow_bytes / LINE as u64).len())?;
    let flows = [
        Flow {
            name: "file → cat → pipe",
            file: Some(file.clone()),
            program: "cat",
            arguments: vec![],
            output: scale.flow_bytes,
        },
        Flow {
            name: "file → wc -l",
            file: Some(file.clone()),
            program: "wc",
            arguments: vec!["-l".into()],
            output: counted,
        },
        Flow {
            name: "head /dev/zero → pipe",
            file: None,
            program: "head",
            arguments: vec!["-c".into(), scale.flow_bytes.to_string(), "/dev/zero".into()],
            output: scale.flow_bytes,
        },
    ];
    let mut figures = Vec::new();
    for flow in &flows {
        figures.extend(flow.compare(place, transport, scale)?);
    }
    std::fs::remove_file(file)?;
    Ok(figures)
}

/// It stays in the page cache: the disk is not what is measured.
fn write_lines(file: &Path, bytes: u64) -> Result<()> {
    let mut lines = vec![b'x'; LINE << 8];
    lines[LINE - 1..].iter_mut().step_by(LINE).for_each(|end| *end = b'\n');
    let mut file = File::create(file)?;
    for _ in 0..bytes / lines.len() as u64 {
        file.write_all(&lines)?;
    }
    Ok(())
}

impl Flow {
    /// Against the same work done locally, and where there is a socat and a goal, against the same detour through that; where
    /// it is encrypted, against others that do that.
    fn compare(&self, place: &Place, transport: &Transport, scale: &Scale) -> Result<Vec<Figure>> {
        let server = Server::start(place, transport)?;
        let (flow, rate) =
            if self.program == "cat" { (transport.flow, transport.rate) } else { (Goal::None, transport.other_rates) };
        let socat = if rate.is_none() { None } else { Socat::start(place, self.program, &self.arguments)? };
        let encrypts = transport.has_token && self.program == "cat";
        let rivals = if encrypts { Rival::all(place, self.program)? } else { Vec::new() };
        let mut contestants: Vec<Contestant<'_>> =
            vec![Box::new(|| self.run(place.local(self.program))), Box::new(|| self.run(server.stub(self.program)))];
        // socat's far end has the arguments already.
        contestants.extend(socat.iter().map(|socat| -> Contestant<'_> { Box::new(|| self.pass(socat.client())) }));
        contestants
            .extend(rivals.iter().map(|rival| -> Contestant<'_> { Box::new(|| self.pass(rival.client(place))) }));
        let medians = alternate(scale.rounds, &mut contestants)?;
        drop(contestants);
        server.stop()?;

        let name = format!("{} MiB, {}", scale.flow_bytes >> 20, self.name);
        let mut figures = vec![Figure::times(&name, Unit::Milliseconds, medians[0], medians[1], flow)];
        let names = socat.iter().map(|_| "socat").chain(rivals.iter().map(|rival| rival.name));
        for (other, time) in names.zip(&medians[2..]) {
            let name = format!("{name}: rate against {other}'s");
            let pace = |time: &Duration| scale.flow_bytes as f64 / f64::from(1 << 20) / time.as_secs_f64();
            figures.push(Figure::against(&name, Unit::Rate, pace(time), pace(&medians[1]), rate));
        }
        Ok(figures)
    }

    fn run(&self, mut command: Command) -> Result<Duration> {
        command.args(&self.arguments);
        self.pass(command)
    }

    fn pass(&self, mut command: Command) -> Result<Duration> {
        if let Some(file) = &self.file {
            command.stdin(File::open(file)?);
        }
        let start = Instant::now();
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let drained = child.stdout.take().map_or(Ok(0), |output| drain(output, u64::MAX))?;
        let status = child.wait()?;
        let elapsed = start.elapsed();
        succeeded(&command, status)?;
        if drained == self.output {
            Ok(elapsed)
        } else {
            let program = command.get_program().display();
            Err(format!("{program}: {drained} bytes came out, not {}", self.output).into())
        }
    }
}

/// Reads and forgets, to the end or as much as is wanted.
pub(crate) fn drain(mut from: impl Read, limit: u64) -> Result<u64> {
    let mut buffer = vec![0; 128 << 10];
    let mut drained = 0;
    while drained < limit {
        match from.read(&mut buffer)? {
            0 => break,
            length => drained += length as u64,
        }
    }
    Ok(drained)
}
