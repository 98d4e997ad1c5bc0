//! Runs targets: each in a process of its own, whose end tells how it went.

use crate::mutation::{LONGEST, mutate};
use crate::options_of_run::Run;
use crate::targets::Target;
use fastrand::Rng;
use std::collections::HashSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Inputs that are kept in memory to be changed further.
const POOL: usize = 4096;

/// Files of a target's corpus, at the most, to which a run adds.
const CORPUS: usize = 48;

/// Longest time for one input; a loaded machine takes its own.
const HANG: u64 = 20;

/// What a failure is told with.
static CURRENT: Mutex<Current> = Mutex::new(Current { target: "", seed: 0, input: Vec::new() });

/// How many inputs were played.
static COUNT: AtomicU64 = AtomicU64::new(0);

struct Current {
    target: &'static str,
    seed: u64,
    input: Vec<u8>,
}

/// Plays all targets, so many at a time.
pub(crate) fn play_all(run: &Run) -> ExitCode {
    if run.seconds > 0 {
        println!("fuzz: {} targets, {} s each, --seed {}", run.targets.len(), run.seconds, run.seed);
    }
    let mut waiting = run.targets.iter();
    let mut running: Vec<Child> = Vec::new();
    let mut has_failed = false;
    loop {
        while running.len() < run.jobs
            && let Some(target) = waiting.next()
        {
            running.push(start(target, run));
        }
        if running.is_empty() {
            return if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
        running.retain_mut(|child| match child.try_wait().expect("a child of this process") {
            Some(status) => {
                has_failed |= !status.success();
                false
            }
            None => true,
        });
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn start(target: &Target, run: &Run) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg(target.name).arg("--child").args(["--seconds", &run.seconds.to_string()]);
    command.args(["--seed", &run.seed.to_string()]).stdin(Stdio::null());
    if let Some(input) = &run.input {
        command.arg("--input").arg(input);
    }
    if run.collects {
        command.arg("--collect");
    }
    command.spawn().expect("this program once more")
}

/// Plays one target.
pub(crate) fn play(run: &Run) -> ExitCode {
    let target = run.targets[0];
    set(|current| (current.target, current.seed) = (target.name, run.seed));
    std::panic::set_hook(Box::new(|what| fail(&what.to_string())));
    std::thread::spawn(watch);
    if let Some(input) = &run.input {
        let input = fs::read(input).unwrap_or_else(|error| panic!("{}: {error}", input.display()));
        println!("fuzz: {}: {:x}", target.name, try_input(target, &input));
        return ExitCode::SUCCESS;
    }
    let start = Instant::now();
    let pool = fuzz(target, run);
    let count = COUNT.load(Ordering::Relaxed);
    let rate = u128::from(count) * 1000 / start.elapsed().as_millis().max(1);
    println!("fuzz: {}: {count} inputs, {rate} a second, {pool} of them new in what they do", target.name);
    ExitCode::SUCCESS
}

/// Plays the corpus, then what can be made of it until the time is over. How many inputs did something new.
fn fuzz(target: &Target, run: &Run) -> usize {
    let mut random = Rng::with_seed(run.seed);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target.name);
    let mut pool = corpus(&folder);
    assert!(!pool.is_empty(), "{} has no inputs", folder.display());
    let known = pool.len();
    let mut seen: HashSet<u64> = pool.iter().map(|input| try_input(target, input)).collect();
    let end = Instant::now() + Duration::from_secs(run.seconds);
    while run.seconds > 0 && Instant::now() < end {
        for _ in 0..16 {
            let input = mutate(&pool, target.words, &mut random);
            if seen.insert(try_input(target, &input)) && pool.len() < POOL {
                pool.push(input);
            }
        }
    }
    if run.collects {
        collect(&folder, known, &pool[known..]);
    }
    seen.len()
}

/// The inputs in a folder, in the order of their names.
fn corpus(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).expect("a file of the corpus")).collect()
}

/// Adds the shortest of these inputs to the corpus.
fn collect(folder: &Path, known: usize, inputs: &[Vec<u8>]) {
    let mut inputs: Vec<&Vec<u8>> = inputs.iter().filter(|input| input.len() < LONGEST / 8).collect();
    inputs.sort_by_key(|input| input.len());
    let step = inputs.len().div_ceil(CORPUS.saturating_sub(known).max(1)).max(1);
    for input in inputs.iter().step_by(step).take(CORPUS.saturating_sub(known)) {
        save(folder, input);
    }
}

/// Plays one input: what it does, as a number.
fn try_input(target: &Target, input: &[u8]) -> u64 {
    set(|current| input.clone_into(&mut current.input));
    COUNT.fetch_add(1, Ordering::Relaxed);
    (target.run)(input)
}

fn set(change: impl FnOnce(&mut Current)) {
    change(&mut CURRENT.lock().expect("nobody panics in here"));
}

/// Saves the current input, says how to play it again, and ends the process.
fn fail(why: &str) {
    let current = CURRENT.lock().expect("nobody panics in here");
    let (target, seed, count) = (current.target, current.seed, COUNT.load(Ordering::Relaxed));
    let file = save(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz").join(target), &current.input);
    println!("fuzz: {target} FAILED at input {count} of --seed {seed}: {why}");
    println!("fuzz: again: cargo test --test fuzz -- {target} --input {}", file.display());
    std::process::exit(1);
}

fn save(folder: &Path, input: &[u8]) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let file = folder.join(format!("{:016x}", hasher.finish()));
    fs::create_dir_all(folder).expect("a folder");
    fs::write(&file, input).expect("room for an input");
    file
}

/// Fails the target when one input takes too long.
fn watch() {
    loop {
        let before = COUNT.load(Ordering::Relaxed);
        std::thread::sleep(Duration::from_secs(HANG));
        if before > 0 && COUNT.load(Ordering::Relaxed) == before {
            fail("it takes too long");
        }
    }
}
