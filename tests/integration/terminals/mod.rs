//! A stub at a terminal: what the command sees of it, what the person at it sees of the command, and how the terminal
//! is given back.

mod ends;
mod flow;
mod keys;
mod looks;
mod programs;
mod settings;
mod sharing;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use crate::support::scene::{Scene, Side, once, twice, twice_with};
use crate::support::terminal::{Terminal, code};
use crate::support::transport::{Transport, by_each_transport};
use crate::support::{Live, Pod, Run, assert_same, lacks_namespaces, lacks_programs, skip, until_true, wait_for_file};
use nix::sys::signal::Signal;

/// Runs a program to its end at a terminal of its own; gives its status, as a shell does, and all that was shown.
fn show(scene: &Scene, command: &Command) -> (i32, String) {
    let terminal = Terminal::new();
    let before = terminal.modes();
    let status = terminal.end(&mut terminal.start(command));
    assert_eq!(terminal.modes(), before, "the terminal's modes");
    println!("{:?}: {status}, {:?}", scene.side, terminal.text());
    (code(status), terminal.text())
}

/// Sets modes of its own, so that its stub takes the terminal, and stays.
const HOLD: &str = "stty -icanon -echo; echo ready; exec sleep 1000";

/// Waits until a stub has the terminal, and its command runs.
fn start_stub(scene: &Scene, terminal: &mut Terminal, name: &str) -> Live {
    let stub = terminal.start(&scene.program(name));
    terminal.expect("ready\r\n");
    terminal.expect_keys_to_pass();
    stub
}

const STAY: &str = "echo ready; exec sleep 1000";

/// Waits until a process that writes all the time has no room to write to.
fn until_stuck(process: crate::support::Process) {
    let mut last = None;
    until_true("the writer is stuck", || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let now = process.number("io", "wchar");
        let stuck = now == last && process.state() == Some('S');
        last = now;
        stuck
    });
}
