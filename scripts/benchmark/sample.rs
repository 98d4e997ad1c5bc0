//! How samples are taken and what is made of them.

use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use crate::Result;

/// One of those that are compared: does the work once and says how long it took.
pub(crate) type Contestant<'a> = Box<dyn FnMut() -> Result<Duration> + 'a>;

/// Runs all of them in turn, `rounds` times, and gives the median of each.
///
/// In turn, so that a change of the machine's pace (clock, temperature, neighbours) meets all of them alike. The
/// median, because what disturbs a sample only ever makes it longer, and sometimes much longer. The first round of each
/// is not counted: it is the one that finds cold caches.
pub(crate) fn alternate(rounds: usize, contestants: &mut [Contestant<'_>]) -> Result<Vec<Duration>> {
    let mut samples = vec![Vec::with_capacity(rounds); contestants.len()];
    for round in 0..=rounds {
        for (contestant, samples) in contestants.iter_mut().zip(&mut samples) {
            let sample = contestant()?;
            if round > 0 {
                samples.push(sample);
            }
        }
    }
    Ok(samples.into_iter().map(median).collect())
}

fn median(mut samples: Vec<Duration>) -> Duration {
    samples.sort_unstable();
    samples[samples.len() / 2]
}

/// From before the spawn to after the wait: what a shell spends on a command.
pub(crate) fn spawn_and_wait(command: &mut Command) -> Result<Duration> {
    let start = Instant::now();
    let status = command.status()?;
    let elapsed = start.elapsed();
    succeeded(command, status)?;
    Ok(elapsed)
}

/// A measurement of something that failed is worth nothing.
pub(crate) fn succeeded(command: &Command, status: ExitStatus) -> Result<()> {
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", command.get_program().display()).into()) }
}
