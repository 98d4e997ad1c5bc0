//! A terminal to type at and to look at, and scenes that are played twice in one: with programs of this machine, then
//! with stubs in their place. What holds for the first holds for the second, so the program itself says what is right.
//!
//! No thread reads the terminal. Whoever waits reads it, so that a test can also have one that nobody reads.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::Signal;
use nix::sys::termios::{LocalFlags, OutputFlags, Termios, tcgetattr};
use nix::unistd::tcgetpgrp;

use super::{DEADLINE, Live, PROGRAM, Pod, Process, Run, Server, has_programs, write_program};

/// A pseudo-terminal of 24 lines with 80 columns, and what has been written to it.
pub struct Terminal {
    master: PtyMaster,
    /// Held open, so that the terminal's modes outlive the processes that use it.
    slave: fs::File,
    path: PathBuf,
    output: RefCell<Vec<u8>>,
    /// Where the next [`Terminal::expect`] begins to look.
    seen: usize,
}

impl Terminal {
    pub fn new() -> Terminal {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let master = posix_openpt(flags).expect("a pseudo-terminal");
        grantpt(&master).expect("a pseudo-terminal");
        unlockpt(&master).expect("a pseudo-terminal");
        let path = PathBuf::from(ptsname_r(&master).expect("a pseudo-terminal"));
        let slave = fs::File::options().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(&path);
        let slave = slave.expect("the terminal");
        let terminal = Terminal { master, slave, path, output: RefCell::default(), seen: 0 };
        terminal.stty(&["rows", "24", "cols", "80"]);
        terminal
    }

    /// The device's name.
    pub fn path(&self) -> &PathBuf {
        &self.path
    }

    /// The terminal as a stream of a process that has another one, or none, as its controlling terminal.
    pub fn stream(&self) -> Stdio {
        self.slave.try_clone().expect("the terminal").into()
    }

    /// Runs stty for this terminal and gives what it says.
    pub fn stty(&self, arguments: &[&str]) -> String {
        Command::new("stty").arg("-F").arg(&self.path).args(arguments).run().succeeds()
    }

    pub fn resize(&self, rows: u16, columns: u16) {
        self.stty(&["rows", &rows.to_string(), "cols", &columns.to_string()]);
    }

    /// The modes, special characters and speeds.
    pub fn modes(&self) -> Termios {
        tcgetattr(&self.master).expect("the terminal's modes")
    }

    /// Whether every keystroke passes as it is, as it has to where another terminal interprets it.
    pub fn is_raw(&self) -> bool {
        let modes = self.modes();
        let of_input = LocalFlags::ISIG | LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::IEXTEN;
        !modes.local_flags.intersects(of_input) && !modes.output_flags.contains(OutputFlags::OPOST)
    }

    /// The process group in the foreground.
    pub fn foreground(&self) -> u32 {
        tcgetpgrp(&self.master).expect("the foreground's process group").as_raw().unsigned_abs()
    }

    /// Starts a program in a session of its own with this as its controlling terminal.
    pub fn start(&self, command: &Command) -> Live {
        let mut leader = Command::new("setsid");
        leader.arg("--ctty").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => leader.env(name, value),
                None => leader.env_remove(name),
            };
        }
        command.get_current_dir().map(|path| leader.current_dir(path));
        leader.stdin(self.stream()).stdout(self.stream()).stderr(self.stream()).live()
    }

    /// Types, and goes on when the terminal has taken it. Reads meanwhile: an echo may have to make room first.
    pub fn type_bytes(&self, mut bytes: &[u8]) {
        self.wait("typing", || {
            while !bytes.is_empty() {
                match (&self.master).write(bytes) {
                    Ok(count) => bytes = &bytes[count..],
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return None,
                    Err(error) => panic!("typing: {error}"),
                }
            }
            Some(())
        });
    }

    pub fn type_text(&self, text: &str) {
        self.type_bytes(text.as_bytes());
    }

    /// Takes what the terminal has to show at this moment; gives whether there was something.
    fn read(&self) -> bool {
        let mut buffer = [0; 65536];
        let before = self.output.borrow().len();
        // Its end is an error: all programs have closed it.
        while let Ok(count @ 1..) = (&self.master).read(&mut buffer) {
            self.output.borrow_mut().extend_from_slice(&buffer[..count]);
        }
        self.output.borrow().len() > before
    }

    /// Reads the terminal until `condition` gives something.
    #[track_caller]
    pub fn wait<T>(&self, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + DEADLINE;
        loop {
            let news = self.read();
            if let Some(result) = condition() {
                return result;
            }
            assert!(Instant::now() < end, "waited in vain: {what}; the terminal shows {:?}", self.text());
            if !news {
                let mut set = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
                assert!(!matches!(poll(&mut set, PollTimeout::from(5_u8)), Err(errno) if errno != Errno::EINTR));
            }
        }
    }

    #[track_caller]
    pub fn wait_true(&self, what: &str, mut condition: impl FnMut() -> bool) {
        self.wait(what, || condition().then_some(()));
    }

    /// Waits for a text behind the one that was expected last; gives what was between the two.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        let start = self.seen;
        let at = self.wait(&format!("{text:?}"), || {
            self.output.borrow()[start..].windows(text.len()).position(|part| part == text.as_bytes())
        });
        self.seen = start + at + text.len();
        String::from_utf8_lossy(&self.output.borrow()[start..start + at]).into_owned()
    }

    /// Waits until it is raw.
    #[track_caller]
    pub fn expect_raw(&self) {
        self.wait_true("the terminal is raw", || self.is_raw());
    }

    /// Waits until its modes are these.
    #[track_caller]
    pub fn expect_modes(&self, modes: &Termios) {
        self.wait_true("the terminal is given back", || self.modes() == *modes);
    }

    /// Waits for the end of a program and shows all that it had written.
    #[track_caller]
    pub fn end(&self, program: &mut Live) -> ExitStatus {
        let status = self.wait("the program ends", || program.try_wait().expect("a status"));
        while self.read() {}
        status
    }

    /// All that it shows.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output.borrow()).into_owned()
    }

    /// All that it shows, byte for byte.
    pub fn bytes(&self) -> Vec<u8> {
        self.output.borrow().clone()
    }

    /// The person at it goes away: this one is hung up, and another one comes in its place, at which nothing runs.
    pub fn hang_up(self) -> Terminal {
        Terminal::new()
    }
}

/// What a shell makes of a status.
pub fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).expect("an end")
}

/// Where the programs of a [`Scene`] run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Here: they are the programs themselves.
    Near,
    /// At the server: what runs here are stubs.
    Far,
}

/// Programs in a Pod, and a way to start them that does not tell where they run.
pub struct Scene {
    /// Nothing where no stub needs one. In front of the Pod, which expects at its end that nothing runs any more.
    pub server: Option<Server>,
    pub pod: Pod,
    pub side: Side,
    names: Vec<String>,
}

impl Scene {
    /// Programs by name: scripts, or where the script is empty what is found on the PATH.
    pub fn new(side: Side, header: &str, programs: &[(&str, &str)]) -> Scene {
        println!("with {}:", if side == Side::Near { "the program" } else { "its stub" });
        let pod = Pod::custom(|pod| {
            let line = |&(name, script): &(&str, &str)| match script {
                "" => format!("{name}\n"),
                _ => format!("{name} {}\n", pod.path("near").join(name).display()),
            };
            let section = pod.section(&format!("=PATH= {header}"));
            let lines: String = programs.iter().map(line).collect();
            format!("baseDirectory = work\nconnectTimeoutMs = 20000\n{section}\n{lines}")
        });
        fs::create_dir(pod.path("near")).expect("a directory");
        for (name, script) in programs.iter().filter(|(_, script)| !script.is_empty()) {
            let text = if script.starts_with("#!") { (*script).to_owned() } else { format!("#!/bin/sh\n{script}\n") };
            write_program(pod.path("near").join(name), &text);
        }
        let server = (side == Side::Far).then(|| pod.server());
        let names: Vec<_> = programs.iter().map(|(name, _)| (*name).to_owned()).collect();
        if side == Side::Far {
            names.iter().for_each(|name| drop(pod.stub_path(name)));
        }
        Scene { server, pod, side, names }
    }

    pub fn far(programs: &[(&str, &str)]) -> Scene {
        Scene::new(Side::Far, "", programs)
    }

    /// The PATH with the programs of this scene first.
    fn path(&self) -> OsString {
        let mut path = self.pod.path(if self.side == Side::Near { "near" } else { "stubs" }).into_os_string();
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
    pub fn program(&self, name: &str) -> Command {
        assert!(self.names.iter().any(|known| known == name), "not in this scene: {name}");
        self.prepared(name)
    }

    /// A shell script that runs the programs of this scene.
    pub fn script(&self, shell: &str, text: &str) -> Command {
        let mut command = self.prepared(shell);
        command.args(["-c", text]);
        command
    }

    /// A shell to type at.
    pub fn shell(&self) -> Shell {
        let mut command = self.prepared("bash");
        command.args(["--norc", "--noprofile", "-i"]);
        command.env("PS1", PROMPT).env("HISTFILE", "").env("INPUTRC", "/dev/null");
        let terminal = Terminal::new();
        // Lines are not to be broken or scrolled, whatever is typed.
        terminal.resize(24, 500);
        let bash = terminal.start(&command);
        let mut shell = Shell { terminal, bash };
        shell.prompt();
        shell
    }

    /// The processes that run a program, stubs of it left out.
    pub fn running(&self, name: &str) -> Vec<Process> {
        let is_stub = |process: &Process| fs::read_link(format!("/proc/{}/exe", process.0)).is_ok_and(is_program);
        self.pod.running(name).into_iter().filter(|process| !is_stub(process)).collect()
    }

    /// Waits for the one process that runs a program, stubs of it left out.
    pub fn until_running(&self, name: &str) -> Process {
        super::until(&format!("{name} runs"), || match self.running(name)[..] {
            [process] => Some(process),
            _ => None,
        })
    }

    /// The stubs of this name.
    pub fn stubs(&self, name: &str) -> Vec<Process> {
        let commands = self.running(name);
        self.pod.running(name).into_iter().filter(|process| !commands.contains(process)).collect()
    }

    /// Waits until what is typed goes to the command. A key that comes before its stub has taken the terminal means what
    /// it means here, and an end of input would be a NUL then.
    #[track_caller]
    pub fn until_typing_reaches_it(&self, terminal: &Terminal) {
        if self.side == Side::Far {
            terminal.expect_raw();
        }
    }

    /// The session that a command belongs to.
    pub fn session(&self, command: Process) -> Process {
        let session = Process(command.parent().expect("a session"));
        assert_ne!(Some(session), self.server.as_ref().map(Server::process), "the command has lost its session");
        session
    }

    /// Ends what a test leaves behind on purpose.
    pub fn kill_commands(&self) {
        let server = self.server.as_ref().map(Server::process);
        super::until_true("everything is gone", || {
            let left: Vec<_> = self.pod.processes().into_iter().filter(|process| Some(*process) != server).collect();
            left.iter().for_each(|process| process.signal(Signal::SIGKILL));
            left.is_empty()
        });
    }

    /// A server and nothing else is left, or nothing where there is none.
    pub fn until_nothing_is_left(&self) {
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

fn is_program(path: PathBuf) -> bool {
    fs::canonicalize(PROGRAM).is_ok_and(|program| program == path)
}

/// Plays a scene with the programs themselves, and with their stubs.
pub fn twice(programs: &[(&str, &str)], scene: impl Fn(&Scene)) {
    twice_with(&[], programs, scene);
}

/// Plays a scene twice, unless one of these programs is missing.
pub fn twice_with(needed: &[&str], programs: &[(&str, &str)], scene: impl Fn(&Scene)) {
    if !has_programs(&["setsid", "stty", "bash"]) || !has_programs(needed) {
        return;
    }
    for side in [Side::Near, Side::Far] {
        scene(&Scene::new(side, "", programs));
    }
}

/// Plays a scene with stubs alone: it is about what no local program has.
pub fn once(header: &str, programs: &[(&str, &str)], scene: impl Fn(&Scene)) {
    if has_programs(&["setsid", "stty", "bash"]) {
        scene(&Scene::new(Side::Far, header, programs));
    }
}

/// What the shell shows when it waits for a line.
pub const PROMPT: &str = "prompt> ";

/// An interactive shell at a terminal.
pub struct Shell {
    pub terminal: Terminal,
    bash: Live,
}

impl Shell {
    /// Waits until it asks for the next line; gives what came before.
    #[track_caller]
    pub fn prompt(&mut self) -> String {
        let text = self.terminal.expect(PROMPT);
        self.until_it_reads();
        text
    }

    /// Waits until the shell's own editor has the terminal. What is typed earlier would be echoed twice.
    #[track_caller]
    pub fn until_it_reads(&self) {
        self.terminal.wait_true("the shell reads", || {
            let modes = self.terminal.modes();
            !modes.local_flags.contains(LocalFlags::ICANON) && modes.local_flags.contains(LocalFlags::ISIG)
        });
    }

    /// Types a line; waits until it is on the terminal and the shell has taken it.
    #[track_caller]
    pub fn type_line(&mut self, line: &str) {
        self.terminal.type_text(&format!("{line}\r"));
        self.terminal.expect(&format!("{line}\r\n"));
    }

    /// Types a line and waits for the next prompt; gives what came between the two.
    #[track_caller]
    pub fn run(&mut self, line: &str) -> String {
        self.type_line(line);
        self.prompt()
    }

    /// `$?`
    #[track_caller]
    pub fn status(&mut self) -> String {
        self.run("echo $?").trim().to_owned()
    }

    /// Ends it as a person would.
    #[track_caller]
    pub fn exit(mut self) {
        self.type_line("exit");
        self.terminal.end(&mut self.bash);
    }

    /// The shell's process.
    pub fn process(&self) -> Process {
        self.bash.process()
    }

    /// The window is closed.
    pub fn hang_up(self) {
        let Shell { terminal, mut bash } = self;
        drop(terminal);
        bash.end();
    }
}
