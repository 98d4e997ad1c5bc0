//! Processes: the IDs and the end of this one, how it starts others, and how it reaps them.

pub(in crate::sys) mod argv;
pub(in crate::sys) mod exec;
pub(in crate::sys) mod exit;
pub(in crate::sys) mod hook;
pub(in crate::sys) mod ids;
pub(in crate::sys) mod procfs;
pub(in crate::sys) mod reap;
pub(in crate::sys) mod schedule;
pub(in crate::sys) mod spawn;

pub use argv::{Pointers, Vector};
pub use exec::{ExecError, execute};
pub use exit::{end_like, exit};
pub use hook::at_exit;
pub use ids::{follow_parent, group, id, is_child_of, umask, working_directory};
pub use procfs::{Group, Reception, children, group_status, open_descriptors, reception};
pub use reap::{Children, Reaped, adopt_orphans, reap};
pub use schedule::yield_to_wakers;
pub use spawn::{Stack, Start, fork, start};
