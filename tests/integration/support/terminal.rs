//! A terminal to type at and to look at.
//!
//! No thread reads the terminal: the test reads it while it waits. So a test can also have a terminal that is not read.

use std::cell::RefCell;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{LocalFlags, OutputFlags, Termios, tcgetattr};
use nix::unistd::tcgetpgrp;

use super::{DEADLINE, Live, Run};

/// A pseudo-terminal of 24 lines with 80 columns, and what has been written to it.
pub(crate) struct Terminal {
    master: PtyMaster,
    /// Held open, so that the terminal's modes outlive the processes that use it.
    slave: fs::File,
    path: PathBuf,
    output: RefCell<Vec<u8>>,
    /// Where the next [`Terminal::expect`] begins to look.
    seen: usize,
}

impl Terminal {
    pub(crate) fn new() -> Terminal {
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
    pub(crate) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// The terminal as a stream of a process that has another one, or none, as its controlling terminal.
    pub(crate) fn stream(&self) -> Stdio {
        self.slave.try_clone().expect("the terminal").into()
    }

    /// Runs stty for this terminal and returns its output.
    pub(crate) fn stty(&self, arguments: &[&str]) -> String {
        Command::new("stty").arg("-F").arg(&self.path).args(arguments).run().succeeds()
    }

    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        self.stty(&["rows", &rows.to_string(), "cols", &columns.to_string()]);
    }

    /// The modes, special characters and speeds.
    pub(crate) fn modes(&self) -> Termios {
        tcgetattr(&self.master).expect("the terminal's modes")
    }

    /// Whether every keystroke passes at once and as it is, unless it makes a signal.
    pub(crate) fn passes_keys(&self) -> bool {
        !self.modes().local_flags.intersects(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::IEXTEN)
    }

    /// Whether some keys make signals for the foreground.
    pub(crate) fn makes_signals(&self) -> bool {
        self.modes().local_flags.contains(LocalFlags::ISIG)
    }

    /// Whether every keystroke passes as it is, as it has to where another terminal interprets it.
    pub(crate) fn is_raw(&self) -> bool {
        self.passes_keys() && !self.makes_signals()
    }

    /// Whether it processes what is written to it: a line feed gets its return.
    pub(crate) fn processes_output(&self) -> bool {
        self.modes().output_flags.contains(OutputFlags::OPOST)
    }

    /// The process group in the foreground.
    pub(crate) fn foreground(&self) -> u32 {
        tcgetpgrp(&self.master).expect("the foreground's process group").as_raw().unsigned_abs()
    }

    /// Starts a program in a session of its own with this as its controlling terminal.
    pub(crate) fn start(&self, command: &Command) -> Live {
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

    /// Types, and returns when the terminal has taken it. Reads meanwhile, because the echo may fill the terminal's
    /// buffer.
    pub(crate) fn type_bytes(&self, mut bytes: &[u8]) {
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

    pub(crate) fn type_text(&self, text: &str) {
        self.type_bytes(text.as_bytes());
    }

    /// Reads all output that has come; returns whether there was any.
    fn read(&self) -> bool {
        let mut buffer = [0; 65536];
        let before = self.output.borrow().len();
        // When all programs have closed it, reading is an error.
        while let Ok(count @ 1..) = (&self.master).read(&mut buffer) {
            self.output.borrow_mut().extend_from_slice(&buffer[..count]);
        }
        self.output.borrow().len() > before
    }

    /// Reads the terminal until `condition` returns something.
    #[track_caller]
    pub(crate) fn wait<T>(&self, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
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
    pub(crate) fn wait_true(&self, what: &str, mut condition: impl FnMut() -> bool) {
        self.wait(what, || condition().then_some(()));
    }

    /// Waits for a text behind the one that was expected last; returns what was between the two.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> String {
        let start = self.seen;
        let at = self.wait(&format!("{text:?}"), || {
            self.output.borrow()[start..].windows(text.len()).position(|part| part == text.as_bytes())
        });
        self.seen = start + at + text.len();
        String::from_utf8_lossy(&self.output.borrow()[start..start + at]).into_owned()
    }

    /// Waits until it is raw.
    #[track_caller]
    pub(crate) fn expect_raw(&self) {
        self.wait_true("the terminal is raw", || self.is_raw());
    }

    /// Waits until it passes keys on.
    #[track_caller]
    pub(crate) fn expect_keys_to_pass(&self) {
        self.wait_true("the terminal passes keys on", || self.passes_keys());
    }

    /// Waits for the end of a program, and reads all that it has written.
    #[track_caller]
    pub(crate) fn end(&self, program: &mut Live) -> ExitStatus {
        let status = self.wait("the program ends", || program.try_wait().expect("a status"));
        while self.read() {}
        status
    }

    /// All that it shows.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.output.borrow()).into_owned()
    }

    /// All that it shows, byte for byte.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.output.borrow().clone()
    }

    /// Hangs this terminal up, as a person does who leaves, and returns another one, at which nothing runs.
    pub(crate) fn hang_up(self) -> Terminal {
        Terminal::new()
    }
}

/// What a shell makes of a status.
pub(crate) fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).expect("an end")
}
