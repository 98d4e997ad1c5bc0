//! Job control: a stub in an interactive shell is a job like every other, in the foreground, in the background, stopped.

mod background;
mod foreground;
mod shells;

use std::fs;

use crate::support::scene::{Scene, Side, once, twice, twice_with};
use crate::support::shell::Shell;
use crate::support::terminal::{Terminal, code};
use crate::support::transport::{Transport, by_each_transport};
use crate::support::{Process, until_true};
use nix::sys::signal::Signal;

/// Says that it is there, and stays.
const STAY: &str = "echo ready; exec sleep 1000";

/// Starts `stay` in the foreground; gives its process.
fn stay(scene: &Scene, shell: &mut Shell) -> Process {
    shell.type_line("stay");
    shell.terminal.expect("ready\r\n");
    let command = scene.until_running("sleep");
    until_in_foreground(shell, command);
    command
}

/// Waits until a command runs, and its job has the terminal. A key that comes earlier is the shell's.
fn until_in_foreground(shell: &Shell, command: Process) {
    let bash = shell.process().0;
    shell.terminal.wait_true("the job has the terminal", || {
        let leader = Process(shell.terminal.foreground());
        leader.0 != bash && leader.state() == Some('S') && command.state() == Some('S')
    });
}

/// Types Ctrl-Z and waits for the shell to say that the job is stopped.
#[track_caller]
fn suspend(shell: &mut Shell, command: Process) {
    shell.terminal.type_text("\x1a");
    let text = shell.prompt();
    assert!(text.contains("Stopped"), "{text:?}");
    // Of several processes of a job, the shell waits for one.
    shell.terminal.wait_true("the command is stopped", || command.state() == Some('T'));
}

/// Brings the last job back to the foreground.
#[track_caller]
fn resume(shell: &mut Shell, command: Process) {
    shell.type_line("fg");
    until_in_foreground(shell, command);
}

/// Types Ctrl-C and waits for the end of the job in the foreground.
#[track_caller]
fn interrupt(shell: &mut Shell) {
    shell.terminal.type_text("\x03");
    shell.prompt();
    assert_eq!(shell.status(), "130");
}

/// Ends the shell; nothing is left of its jobs.
#[track_caller]
fn exit(scene: &Scene, shell: Shell) {
    shell.exit();
    scene.until_nothing_is_left();
}

/// The children of the shell that it has not reaped yet.
fn jobs(shell: &Shell) -> Vec<Process> {
    let bash = shell.process().0;
    let children = fs::read_to_string(format!("/proc/{bash}/task/{bash}/children")).expect("the shell's children");
    children.split_whitespace().map(|number| Process(number.parse().expect("a process number"))).collect()
}

/// Waits until all jobs are stopped: the shell sees them so when it looks next.
fn until_stopped(shell: &Shell) {
    shell.terminal.wait_true("they stop", || jobs(shell).iter().all(|job| job.state() == Some('T')));
}

/// Waits until all jobs have ended and the shell knows. It can miss the end of a job, and finds it with that of the next.
fn until_ended(shell: &mut Shell) {
    until_true("they end", || {
        shell.run("env true");
        jobs(shell).is_empty()
    });
}
