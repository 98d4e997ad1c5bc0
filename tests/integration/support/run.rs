//! Running a program to its end, with a deadline, and the outcome.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{DEADLINE, Live, read_all};

/// What became of a process that ran to its end.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub took: Duration,
}

impl Outcome {
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub(crate) fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// It exited with 0 and wrote nothing to stderr; returns its stdout.
    #[track_caller]
    pub(crate) fn succeeds(self) -> String {
        assert!(self.status.success() && self.stderr.is_empty(), "{}, stderr: {}", self.status, self.err());
        self.out()
    }

    /// A server of this name, for which there is no section, made stubs until there were so many, and said so.
    #[track_caller]
    pub(crate) fn has_no_section(&self, name: &str, stubs: usize) {
        assert_eq!((self.code(), self.out().as_str()), (Some(0), ""), "{}", self.err());
        let (begin, end) = (format!(": there is no section {name}; stubs in "), format!(": {stubs}\n"));
        let line = self.err();
        assert!(line.starts_with("k8pshd: ") && line.contains(&begin) && line.ends_with(&end), "{line:?}");
        assert_eq!(line.lines().count(), 1, "not one line: {line:?}");
    }

    /// k8psh itself failed: this code, nothing on stdout, one line on stderr, `NAME: …` with all of `about` in it.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, name: &str, about: &[&str]) {
        assert_eq!(self.code(), Some(code), "{}, stderr: {}", self.status, self.err());
        assert_eq!(self.out(), "", "stdout");
        let line = self.err();
        assert!(line.starts_with(&format!("{name}: ")) && line.ends_with('\n'), "not a message: {line:?}");
        assert_eq!(line.lines().count(), 1, "not one line: {line:?}");
        about.iter().for_each(|word| assert!(line.contains(word), "nothing about {word:?}: {line:?}"));
    }
}

/// Running a [`Command`] with a deadline.
pub(crate) trait Run {
    /// Starts it; it ends with the test.
    fn live(&mut self) -> Live;
    /// Runs it with nothing on stdin.
    fn run(&mut self) -> Outcome;
    /// Runs it with these bytes on stdin.
    fn run_with(&mut self, input: &[u8]) -> Outcome;
}

impl Run for Command {
    fn live(&mut self) -> Live {
        Live(self.spawn().unwrap_or_else(|error| panic!("{self:?}: {error}")))
    }

    fn run(&mut self) -> Outcome {
        self.stdin(Stdio::null());
        collect(self, &[])
    }

    fn run_with(&mut self, input: &[u8]) -> Outcome {
        self.stdin(Stdio::piped());
        collect(self, input)
    }
}

fn collect(command: &mut Command, input: &[u8]) -> Outcome {
    let start = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).live();
    let stdin = child.stdin.take();
    let stdout = child.stdout.take().expect("stdout");
    let stderr = child.stderr.take().expect("stderr");
    thread::scope(|scope| {
        scope.spawn(move || {
            // A command may close its stdin early.
            _ = stdin.map(|mut stdin| stdin.write_all(input));
        });
        let stdout = scope.spawn(move || read_all(stdout));
        let stderr = scope.spawn(move || read_all(stderr));
        let end = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = child.try_wait().expect("a status") {
                break status;
            }
            if Instant::now() > end {
                child.kill().expect("a kill");
                let (out, err) = (stdout.join().expect("stdout"), stderr.join().expect("stderr"));
                let (out, err) = (String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
                panic!("still running: {command:?}, stdout: {out:.1000}, stderr: {err:.1000}");
            }
            thread::sleep(Duration::from_millis(1));
        };
        let took = start.elapsed();
        let (stdout, stderr) = (stdout.join().expect("stdout"), stderr.join().expect("stderr"));
        Outcome { status, stdout, stderr, took }
    })
}
