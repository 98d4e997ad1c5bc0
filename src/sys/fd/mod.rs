//! File descriptors: those that this program opens, and those that it shares with its caller.

pub(in crate::sys) mod caller;
pub(in crate::sys) mod own;
pub(in crate::sys) mod stream;

pub use caller::{close_inherited, close_passed, error, is_open, is_same_device, leave_streams, output, standard_fds};
pub use own::{
    OwnedFd, above, above_streams, accept, duplicate, open, open_at, peek, pipe, place, read, receive, send,
};
pub use own::{unread, write};
pub use stream::{Stream, close, reopen_terminal, standard, write_soon};
