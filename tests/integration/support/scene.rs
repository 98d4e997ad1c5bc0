//! Scenes that are played twice: with local programs, then with stubs in their place. What holds locally has to hold for
//! the stubs, so the expectation is the behaviour of the program itself.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::shell::{PROMPT, Shell};
use super::terminal::Terminal;
use super::transport::Transport;
use super::{DEADLINE, PROGRAM, Pod, Process, Server, lacks_programs, until, until_true, write_program};

/// Where the programs of a [`Scene`] run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Here: they are the programs themselves.
    Local,
    /// At the server: what runs here are stubs.
    Remote,
}

/// Programs in a Pod, and a way to start them that does not tell where they run.
pub(crate) struct Scene {
    /// `None` if no stub needs one. Declared before the Pod, so that it is dropped first: the Pod then expects that
    /// nothing runs any more.
    pub server: Option<Server>,
    pub pod: Pod,
    pub side: Side,
    names: Vec<String>,
}

impl Scene {
    /// Programs by name: scripts, or what is found on the PATH if the script is empty.
    pub(crate) fn new(transport: Transport, side: Side, header: &str, programs: &[(&str, &str)]) -> Scene {
        println!("with {}:", if side == Side::Local { "the program" } else { "its stub" });
        let pod = transport.custom_pod(|pod| {
            let line = |&(name, script): &(&str, &str)| match script {
                "" => format!("{name}\n"),
                _ => format!("{name} {}\n", pod.path("programs").join(name).display()),
            };
            let section = pod.section(&format!("=PATH= {header}"));
            let lines: String = programs.iter().map(line).collect();
            format!("baseDirectory = work\nconnectTimeoutMs = 20000\n{section}\n{lines}")
        });
        fs::create_dir(pod.path("programs")).expect("a directory");
        for (name, script) in programs.iter().filter(|(_, script)| !script.is_empty()) {
            let text = if script.starts_with("#!") { (*script).to_owned() } else { format!("#!/bin/sh\n{script}\n") };
            write_program(pod.path("programs").join(name), &text);
        }
        let server = (side == Side::Remote).then(|| pod.server());
        let names: Vec<_> = programs.iter().map(|(name, _)| (*name).to_owned()).collect();
        if side == Side::Remote {
            names.iter().for_each(|name| drop(pod.stub_path(name)));
        }
        Scene { server, pod, side, names }
    }

    /// Programs behind their stubs.
    pub(crate) fn remote(transport: Transport, programs: &[(&str, &str)]) -> Scene {
        Scene::new(transport, Side::Remote, "", programs)
    }

    /// Programs without stubs, for tests of what starts them.
    pub(crate) fn local(programs: &[(&str, &str)]) -> Scene {
        Scene::new(Transport::Auto, Side::Local, "", programs)
    }

    /// The PATH with the programs of this scene first.
    fn path(&self) -> OsString {
        let mut path = self.pod.path(if self.side == Side::Local { "programs" } else { "stubs" }).into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        path
    }

    fn prepared(&self, program: &str) -> Command {
        let mut command = self.pod.command(program);
        // Both ends are to have the same environment.
        for name in ["LANG", "LC_ALL", "LESS", "HOME", "COLUMNS", "LINES", "TMUX", "MAKEFLAGS", "MAKELEVEL", "BASH_ENV"]
        {
            command.env_remove(name);
        }
        command.env("PATH", self.path()).env("TERM", "dumb");
        command
    }

    /// A program of this scene.
    pub(crate) fn program(&self, name: &str) -> Command {
        assert!(self.names.iter().any(|known| known == name), "not in this scene: {name}");
        self.prepared(name)
    }

    /// A shell script that runs the programs of this scene.
    pub(crate) fn script(&self, shell: &str, text: &str) -> Command {
        let mut command = self.prepared(shell);
        command.args(["-c", text]);
        command
    }

    /// A shell to type at.
    pub(crate) fn shell(&self) -> Shell {
        let mut command = self.prepared("bash");
        command.args(["--norc", "--noprofile", "-i"]);
        command.env("PS1", PROMPT).env("HISTFILE", "").env("INPUTRC", "/dev/null");
        let terminal = Terminal::new();
        // Lines are not to be broken or scrolled, whatever is typed.
        terminal.resize(24, 500);
        let bash = terminal.start(&command);
        Shell::new(terminal, bash)
    }

    /// The processes that run a program, stubs of it left out.
    pub(crate) fn running(&self, name: &str) -> Vec<Process> {
        let is_stub = |process: &Process| fs::read_link(format!("/proc/{}/exe", process.0)).is_ok_and(is_program);
        self.pod.running(name).into_iter().filter(|process| !is_stub(process)).collect()
    }

    /// Waits for the one process that runs a program, stubs of it left out.
    pub(crate) fn until_running(&self, name: &str) -> Process {
        until(&format!("{name} runs"), || match self.running(name)[..] {
            [process] => Some(process),
            _ => None,
        })
    }

    /// The stubs of this name.
    pub(crate) fn stubs(&self, name: &str) -> Vec<Process> {
        let commands = self.running(name);
        self.pod.running(name).into_iter().filter(|process| !commands.contains(process)).collect()
    }

    /// Waits until what is typed goes to a command that has set modes of its own, key by key. A key that comes before its
    /// stub has taken the terminal is interpreted here.
    #[track_caller]
    pub(crate) fn until_typing_reaches_it(&self, terminal: &Terminal) {
        if self.side == Side::Remote {
            terminal.expect_keys_to_pass();
        }
    }

    /// The session that a command belongs to.
    pub(crate) fn session(&self, command: Process) -> Process {
        let session = Process(command.parent().expect("a session"));
        assert_ne!(Some(session), self.server.as_ref().map(Server::process), "the command has lost its session");
        session
    }

    /// Ends what a test leaves behind on purpose.
    pub(crate) fn kill_commands(&self) {
        let server = self.server.as_ref().map(Server::process);
        until_true("everything is gone", || {
            let left: Vec<_> = self.pod.processes().into_iter().filter(|process| Some(*process) != server).collect();
            left.iter().for_each(|process| process.signal(Signal::SIGKILL));
            left.is_empty()
        });
    }

    /// Kills the server, and waits until it is gone.
    pub(crate) fn kill_server(&mut self) {
        let mut server = self.server.take().expect("a server");
        server.signal(Signal::SIGKILL);
        server.end();
    }

    /// Waits until nothing but the server is left, if there is one.
    pub(crate) fn until_nothing_is_left(&self) {
        let server = self.server.as_ref().map(Server::process);
        let end = Instant::now() + DEADLINE;
        loop {
            let left: Vec<_> = self.pod.processes().into_iter().filter(|process| Some(*process) != server).collect();
            if left.is_empty() {
                return;
            }
            let describe = |process: &Process| (process.0, process.name(), process.state());
            assert!(Instant::now() < end, "left: {:?}", left.iter().map(describe).collect::<Vec<_>>());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Whether this is the program under test, or an emulator that runs it: nothing else here is of another architecture.
fn is_program(path: PathBuf) -> bool {
    let is_emulator = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("qemu-"));
    is_emulator || fs::canonicalize(PROGRAM).is_ok_and(|program| program == path)
}

/// Plays a scene with the programs themselves, and with their stubs.
pub(crate) fn twice(transport: Transport, programs: &[(&str, &str)], scene: impl Fn(&Scene)) {
    twice_with(transport, &[], programs, scene);
}

/// Plays a scene twice, unless one of these programs is missing.
pub(crate) fn twice_with(transport: Transport, needed: &[&str], programs: &[(&str, &str)], scene: impl Fn(&Scene)) {
    if lacks_programs(&["setsid", "stty", "bash"]) || lacks_programs(needed) {
        return;
    }
    for side in [Side::Local, Side::Remote] {
        scene(&Scene::new(transport, side, "", programs));
    }
}

/// Plays a scene with stubs alone, about something that no local program has.
pub(crate) fn once(transport: Transport, header: &str, programs: &[(&str, &str)], scene: impl Fn(&Scene)) {
    if !lacks_programs(&["setsid", "stty", "bash"]) {
        scene(&Scene::new(transport, Side::Remote, header, programs));
    }
}
