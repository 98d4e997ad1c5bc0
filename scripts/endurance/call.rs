//! Calls whose answers are known, and what became of them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::libc::SIGKILL;

use crate::Result;
use crate::place::{PATIENCE, Server};

/// k8psh's own failure: no server, or a lost connection.
const UNAVAILABLE: i32 = 125;

/// What became of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// All of the answer, and the status.
    Right,
    /// Its stub or its command was killed.
    Killed,
    /// Its stub has said that it failed.
    Told,
}

/// Bytes of a file that goes through `cat`: more than pipes and windows hold.
const FILE: usize = 1 << 20;

/// A line by pipes to `answer`, which repeats it, and its exit code.
pub(crate) fn answer(server: &Server<'_>, number: u64) -> Result<Answer> {
    let code = i32::try_from(number % 100)?;
    let line = format!("{number}\n");
    let mut command = server.stub("answer");
    command.arg(code.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    // It fits into the pipe; a stub that was killed reads nothing.
    let _ = child.stdin.take().ok_or("no stdin")?.write_all(line.as_bytes());
    let status = end(&mut child)?;
    if let Some(answer) = failure(&mut child, status)? {
        return Ok(answer);
    }
    let mut output = String::new();
    child.stdout.take().ok_or("no stdout")?.read_to_string(&mut output)?;
    if output == line && status.code() == Some(code) {
        return Ok(Answer::Right);
    }
    Err(format!("answer: {output:?} and {status} instead of {line:?} and {code}").into())
}

/// A file through `cat` into another one. Each caller has its own.
pub(crate) fn copy(server: &Server<'_>, caller: usize) -> Result<Answer> {
    let [input, output] = ["in", "out"].map(|name| server.place.path(&format!("{name}-{caller}")));
    if !input.exists() {
        fs::write(&input, (0..FILE / 8).flat_map(|_| fastrand::u64(..).to_ne_bytes()).collect::<Vec<_>>())?;
    }
    let mut command = server.stub("cat");
    command.stdin(fs::File::open(&input)?).stdout(fs::File::create(&output)?).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let status = end(&mut child)?;
    if let Some(answer) = failure(&mut child, status)? {
        return Ok(answer);
    }
    if status.success() && fs::read(&input)? == fs::read(&output)? {
        return Ok(Answer::Right);
    }
    Err(format!("cat: {status}, and {} of {FILE} bytes", fs::metadata(&output)?.len()).into())
}

/// A command that stays for ever, until somebody kills something of it: its stub after a while.
pub(crate) fn stay(server: &Server<'_>) -> Result<Answer> {
    let mut command: Command = server.stub("sleep");
    let mut child = command.arg("100000").stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let patience = Instant::now() + Duration::from_millis(fastrand::u64(50..500));
    while child.try_wait()?.is_none() && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill()?;
    let status = child.wait()?;
    failure(&mut child, status)?.ok_or_else(|| format!("sleep: {status}").into())
}

/// Waits for the end of a stub.
fn end(child: &mut Child) -> Result<ExitStatus> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if start.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Err(format!("a call has not ended after {PATIENCE:?}").into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What a stub says that did not answer; `None` if it did.
fn failure(child: &mut Child, status: ExitStatus) -> Result<Option<Answer>> {
    if status.signal() == Some(SIGKILL) {
        return Ok(Some(Answer::Killed));
    }
    let mut message = String::new();
    child.stderr.take().ok_or("no stderr")?.read_to_string(&mut message)?;
    match status.code() {
        Some(UNAVAILABLE) if message.lines().count() == 1 => Ok(Some(Answer::Told)),
        _ if message.is_empty() => Ok(None),
        _ => Err(format!("{status}, and a message: {message:?}").into()),
    }
}
