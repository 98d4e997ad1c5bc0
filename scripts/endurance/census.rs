//! What a server has while nothing calls it.

use std::fs;
use std::time::Instant;

use crate::place::{PATIENCE, Server};
use crate::process::{Process, all, of_pod};
use crate::table::Column;
use crate::{Result, number};

/// Workers that wait when nothing calls: `IDLE_LEAST` in src/limits.rs.
const IDLE_WORKERS: usize = 2;

#[derive(Clone, Copy)]
pub(crate) struct Census {
    processes: usize,
    /// Children of the server that it has not waited for.
    zombies: usize,
    descriptors: usize,
    /// KiB: every page divided by the number of processes that share it (Pss).
    pub(crate) memory: u64,
}

impl Census {
    /// Waits until nothing but the server and its idle workers is left.
    pub(crate) fn at_rest(server: &Server<'_>) -> Result<Self> {
        let start = Instant::now();
        loop {
            let left = of_pod(&server.place.id);
            let workers = left.iter().filter(|process| **process != server.process());
            let (idle, busy): (Vec<Process>, Vec<Process>) = workers.copied().partition(Process::is_idle_worker);
            if busy.is_empty() && idle.len() == IDLE_WORKERS && zombies(server) == 0 {
                return Self::of(server, &left);
            }
            if start.elapsed() > PATIENCE {
                let names: Vec<_> = busy.iter().map(|process| (process.0, process.name(), process.state())).collect();
                let zombies = zombies(server);
                return Err(format!("{} idle workers, {zombies} zombies, and left: {names:?}", idle.len()).into());
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    fn of(server: &Server<'_>, processes: &[Process]) -> Result<Self> {
        let mut census = Self { processes: processes.len(), zombies: zombies(server), descriptors: 0, memory: 0 };
        for process in processes {
            census.descriptors += fs::read_dir(format!("/proc/{}/fd", process.0))?.count();
            census.memory += process.number("smaps_rollup", "Pss").ok_or("no smaps_rollup")?;
        }
        Ok(census)
    }

    /// Fails unless both have as many processes, zombies and descriptors.
    pub(crate) fn is_like(self, other: Self) -> Result<()> {
        let counts = |census: Self| [census.processes, census.zombies, census.descriptors];
        if counts(self) == counts(other) {
            return Ok(());
        }
        Err(format!("processes, zombies, descriptors: {:?} instead of {:?}", counts(self), counts(other)).into())
    }

    /// Adds rows: before and after.
    pub(crate) fn compare(column: &mut Column, what: &str, before: Self, after: Self) {
        let mut add = |name: &str, value: fn(Self) -> u64| {
            let text = format!("{} / {}", number(value(before)), number(value(after)));
            column.add(&format!("{name} before and after {what}"), text);
        };
        add("server's memory (Pss, KiB)", |census| census.memory);
        add("its descriptors", |census| census.descriptors as u64);
        add("its processes", |census| census.processes as u64);
        add("its zombies", |census| census.zombies as u64);
    }
}

fn zombies(server: &Server<'_>) -> usize {
    let parent = Some(server.process().0);
    all().filter(|process| process.parent() == parent && process.state() == Some('Z')).count()
}
