//! File descriptors: those that this program opens, and those that it shares with its caller.

pub(in crate::sys) mod caller;
mod conduit;
pub(in crate::sys) mod own;
pub(in crate::sys) mod stream;

pub use caller::{
    are_low, close_inherited, close_passed, each_low, error, is_same_device, is_same_output, leave_streams, output,
    standard_fds,
};
pub use conduit::{Conduit, enlarge, splice};
pub use own::{
    OwnedFd, above, above_streams, accept, duplicate, leave_open, open, open_at, peek, pipe, place, raise, read,
};
pub use own::{receive, send, send_part, unread, write};
pub use stream::{Stream, close, reopen_terminal, standard, write_soon};
