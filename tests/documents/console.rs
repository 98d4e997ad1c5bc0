//! Blocks of commands and what they print, run as written.
//!
//! `$ ` begins a command and `> ` continues it; all other lines are what it prints on stdout and stderr. `…` stands for
//! any text within a line, and alone on its line for any number of lines. The commands of a block share a shell and an
//! empty directory, which messages call `/workspace`; the nearest `conf` block above is its `k8psh.conf`. `k8psh` and
//! `k8pshd` are on the PATH.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use temp_dir::TempDir;

use crate::document::{Block, Document};

/// How long a block may take, on machines under load.
const DEADLINE: Duration = Duration::from_secs(60);

/// Ends the output of a command.
const MARK: &str = "== end of output ==";

/// A command and what it is to print.
#[derive(Debug, Default, PartialEq)]
struct Step {
    line: usize,
    command: String,
    expected: Vec<String>,
}

/// Runs every block of commands.
pub(crate) fn check(document: &Document) -> Vec<String> {
    document.tagged("console").flat_map(|block| check_block(document, block)).collect()
}

fn check_block(document: &Document, block: &Block) -> Vec<String> {
    let Some(steps) = steps(block) else {
        return vec![document.problem(block.line, "the first line is no command")];
    };
    let above = document.tagged("conf").filter(|conf| conf.line < block.line).last();
    let output = Container::new(above.map(|conf| conf.text.as_str())).run(&script(&steps));
    let mark = format!("{MARK}\n");
    let mut printed = output.split_terminator(&mark);
    let problem = |step: &Step| {
        let printed: Vec<_> = printed.next().unwrap_or_default().lines().collect();
        let what = format!("{} printed:\n{}", step.command, printed.join("\n"));
        (!matches(&step.expected, &printed)).then(|| document.problem(step.line, &what))
    };
    steps.iter().filter_map(problem).collect()
}

fn steps(block: &Block) -> Option<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    for (number, line) in block.text.lines().enumerate() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { line: block.line + number, command: command.to_owned(), expected: Vec::new() });
        } else if let Some(more) = line.strip_prefix("> ") {
            steps.last_mut()?.command.extend(["\n", more]);
        } else {
            steps.last_mut()?.expected.push(line.to_owned());
        }
    }
    Some(steps)
}

/// The commands as one script, which leaves `$?` to the next one.
fn script(steps: &[Step]) -> String {
    let marked = |step: &Step| format!("{}\nstatus=$?; echo '{MARK}'; (exit $status)\n", step.command);
    steps.iter().map(marked).collect()
}

/// Whether lines are those that are expected.
fn matches(expected: &[String], printed: &[&str]) -> bool {
    let Some((first, rest)) = expected.split_first() else { return printed.is_empty() };
    if first == "…" {
        return (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]));
    }
    printed.split_first().is_some_and(|(line, others)| line_matches(first, line) && matches(rest, others))
}

/// Whether a line is the expected one, in which `…` stands for anything.
pub(crate) fn line_matches(expected: &str, line: &str) -> bool {
    let Some((start, rest)) = expected.split_once('…') else { return expected == line };
    let Some(mut line) = line.strip_prefix(start) else { return false };
    let mut parts = rest.split('…').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return line.ends_with(part);
        }
        let Some(at) = line.find(part) else { return false };
        line = &line[at + part.len()..];
    }
    true
}

/// A directory that commands take for a container's root, and a network of their own.
pub(crate) struct Container {
    directory: TempDir,
}

impl Container {
    /// With this configuration in its working directory.
    pub(crate) fn new(configuration: Option<&str>) -> Container {
        let container = Container { directory: TempDir::new().expect("a temporary directory") };
        for name in ["bin", "workspace"] {
            fs::create_dir(container.path(name)).expect("a directory");
        }
        for name in ["k8psh", "k8pshd"] {
            symlink(env!("CARGO_BIN_EXE_k8psh"), container.path("bin").join(name)).expect("a symlink");
        }
        if let Some(text) = configuration {
            fs::write(container.path("workspace/k8psh.conf"), text).expect("the configuration");
        }
        container
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().canonicalize().expect("the directory").join(name)
    }

    /// What a script prints, with paths as if this container's directory were the root.
    pub(crate) fn run(&self, script: &str) -> String {
        let [file, log] = ["script", "log"].map(|name| self.path(name));
        fs::write(&file, script).expect("the script");
        let mut shell = self.shell(&file, &log);
        let finished = wait(&mut shell);
        // Whatever it has left in the background.
        let group = Pid::from_raw(shell.id().cast_signed());
        _ = killpg(group, Signal::SIGKILL);
        _ = shell.wait();
        let output = String::from_utf8_lossy(&fs::read(log).expect("the output")).into_owned();
        assert!(finished, "this takes too long:\n{script}\n{output}");
        output.replace(&format!("{}/", self.path("").display()).replace("//", "/"), "/")
    }

    fn shell(&self, script: &Path, log: &Path) -> Child {
        let log = OpenOptions::new().create(true).append(true).open(log).expect("the output");
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap_or_default());
        let mut command = own_network("exec sh \"$1\"");
        for name in ["K8PSH_CONFIG", "K8PSH_NAME", "K8PSH_DEBUG", "K8PSH_TRANSPORT", "MAKEFLAGS"] {
            command.env_remove(name);
        }
        command.arg(script).env("PATH", path).env("LC_ALL", "C").current_dir(self.path("workspace"));
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("the output")).stderr(log).process_group(0);
        command.spawn().expect("sh runs")
    }
}

/// A program in a network namespace of its own: ports are free there, whatever else runs.
fn own_network(script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "sh", "-c", &format!("ip link set lo up && {script}"), "sh"]);
    command
}

/// Whether there can be containers; says that the test is skipped if not.
pub(crate) fn can_be_contained() -> bool {
    let mut command = own_network("true");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let possible = command.status().is_ok_and(|status| status.success());
    if !possible {
        println!("skipped: needs unshare, ip and user namespaces");
    }
    possible
}

/// Whether it ends in time.
fn wait(shell: &mut Child) -> bool {
    let end = Instant::now() + DEADLINE;
    while Instant::now() < end {
        if shell.try_wait().expect("its status").is_some() {
            return true;
        }
        thread::sleep(Duration::from_millis(5));
    }
    false
}

#[test]
fn an_ellipsis_stands_for_anything() {
    for (expected, line, same) in [
        ("a", "a", true),
        ("a", "b", false),
        ("a…", "abc", true),
        ("…c", "abc", true),
        ("a…c…e", "abcde", true),
        ("a…c…e", "abde", false),
        ("a…b", "b", false),
    ] {
        assert_eq!(line_matches(expected, line), same, "{expected} {line}");
    }
    let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    assert!(matches(&lines("a … d"), &["a", "b", "c", "d"]));
    assert!(!matches(&lines("a … d"), &["a", "b", "c"]));
    assert!(!matches(&[], &["a"]));
}

#[test]
fn commands_share_a_shell_and_show_paths_of_a_container() {
    if !can_be_contained() {
        return;
    }
    let text = "$ echo a >&2\n$ cat <<END\n> b\n> END\n$ pwd; false\n$ echo $?\n".to_owned();
    let steps = steps(&Block { line: 3, tag: "console".into(), text }).expect("commands");
    assert_eq!((steps[2].line, steps[1].command.as_str()), (7, "cat <<END\nb\nEND"));
    let output = Container::new(None).run(&script(&steps));
    assert_eq!(output.replace(&format!("{MARK}\n"), "|"), "a\n|b\n|/workspace\n|1\n|");
}
