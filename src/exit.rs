//! Exit codes, and how a process can end. Every room reports them by these values; nothing here acts on them.

/// The exit code of a successful run.
pub const SUCCESS: u8 = 0;
/// The server, `--check`, `--list`, `--probe`, `--status` or `--install` failed.
pub const FAILURE: u8 = 1;
/// The command ran longer than `--session-timeout` lets it, as in timeout(1).
pub const TIMED_OUT: u8 = 124;
/// k8psh could not run the command: usage, configuration, no server, refused, lost connection.
pub const UNAVAILABLE: u8 = 125;
/// The command is there but cannot be executed.
pub const NOT_EXECUTABLE: u8 = 126;
/// The server has no such program.
pub const NOT_FOUND: u8 = 127;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It exited with this code.
    Code(u8),
    /// This signal ended it. Numbers are those of Linux's generic table (`asm-generic/signal.h`), on every architecture.
    Signal(u8),
}
