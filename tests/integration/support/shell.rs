//! An interactive shell.

use nix::sys::termios::LocalFlags;

use super::terminal::Terminal;
use super::{Live, Process};

/// What the shell shows when it waits for a line.
pub(crate) const PROMPT: &str = "prompt> ";

/// An interactive shell at a terminal.
pub(crate) struct Shell {
    pub terminal: Terminal,
    bash: Live,
}

impl Shell {
    /// The shell that was started at this terminal, waiting for its first line.
    pub(crate) fn new(terminal: Terminal, bash: Live) -> Shell {
        let mut shell = Shell { terminal, bash };
        shell.prompt();
        shell
    }

    /// Waits until it asks for the next line; returns what came before the prompt.
    #[track_caller]
    pub(crate) fn prompt(&mut self) -> String {
        let text = self.terminal.expect(PROMPT);
        self.until_it_reads();
        text
    }

    /// Waits until the shell's own editor has the terminal. What is typed earlier would be echoed twice.
    #[track_caller]
    pub(crate) fn until_it_reads(&self) {
        self.terminal.wait_true("the shell reads", || {
            let modes = self.terminal.modes();
            !modes.local_flags.contains(LocalFlags::ICANON) && modes.local_flags.contains(LocalFlags::ISIG)
        });
    }

    /// Types a line; waits until it is on the terminal and the shell has taken it.
    #[track_caller]
    pub(crate) fn type_line(&mut self, line: &str) {
        self.terminal.type_text(&format!("{line}\r"));
        self.terminal.expect(&format!("{line}\r\n"));
    }

    /// Types a line and waits for the next prompt; returns what came between the two.
    #[track_caller]
    pub(crate) fn run(&mut self, line: &str) -> String {
        self.type_line(line);
        self.prompt()
    }

    /// `$?`
    #[track_caller]
    pub(crate) fn status(&mut self) -> String {
        self.run("echo $?").trim().to_owned()
    }

    /// Ends it as a person would.
    #[track_caller]
    pub(crate) fn exit(mut self) {
        self.type_line("exit");
        self.terminal.end(&mut self.bash);
    }

    /// The shell's process.
    pub(crate) fn process(&self) -> Process {
        self.bash.process()
    }

    /// Closes the terminal, as a window is closed, and waits for the shell's end.
    pub(crate) fn hang_up(self) {
        let Shell { terminal, mut bash } = self;
        drop(terminal);
        bash.end();
    }
}
