//! This program's own options.

use crate::targets::{self, Target};
use std::path::PathBuf;

/// What is to be done.
pub(crate) struct Run {
    pub(crate) targets: Vec<&'static Target>,
    /// How long each target is fuzzed; 0: its corpus is played alone.
    pub(crate) seconds: u64,
    pub(crate) seed: u64,
    /// How many targets run at a time.
    pub(crate) jobs: usize,
    pub(crate) input: Option<PathBuf>,
    /// Whether inputs that behave in a new way become part of the corpus.
    pub(crate) collects: bool,
    /// Whether this is the process of one target.
    pub(crate) is_child: bool,
}

impl Run {
    pub(crate) fn read(words: impl Iterator<Item = String>) -> Result<Run, String> {
        let seed = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| u64::from(time.subsec_nanos()));
        let mut run =
            Run { targets: Vec::new(), seconds: 0, seed, jobs: 2, input: None, collects: false, is_child: false };
        let mut names = Vec::new();
        let mut words = words;
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--seconds" => run.seconds = number(&value()?)?,
                "--seed" => run.seed = number(&value()?)?,
                "--jobs" => run.jobs = usize::try_from(number(&value()?)?).unwrap_or(1).max(1),
                "--input" => run.input = Some(value()?.into()),
                "--collect" => run.collects = true,
                "--child" => run.is_child = true,
                // What `cargo test` passes on to every program of tests.
                "--nocapture" | "--no-capture" | "--quiet" | "-q" | "--exact" => {}
                option if option.starts_with('-') => return Err(format!("unknown option {option}")),
                name => names.push(name.to_owned()),
            }
        }
        let is_wanted = |target: &&Target| names.is_empty() || names.iter().any(|name| name == target.name);
        run.targets = targets::ALL.iter().filter(is_wanted).collect();
        if run.input.is_some() && run.targets.len() != 1 {
            return Err("--input is for one target".to_owned());
        }
        Ok(run)
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}
