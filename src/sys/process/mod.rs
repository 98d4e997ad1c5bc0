//! Processes: who this one is, how it ends, what it starts, and what is left of that.

pub(in crate::sys) mod argv;
pub(in crate::sys) mod exec;
pub(in crate::sys) mod exit;
pub(in crate::sys) mod hook;
pub(in crate::sys) mod ids;
pub(in crate::sys) mod procfs;
pub(in crate::sys) mod reap;
pub(in crate::sys) mod spawn;

pub use argv::{Pointers, Vector};
pub use exec::{ExecError, execute};
pub use exit::{end_like, exit};
pub use hook::at_exit;
pub use ids::{follow_parent, group, id, is_child_of, leads_session, umask, working_directory};
pub use procfs::{children, open_descriptors};
pub use reap::{Children, Reaped, adopt_orphans, reap, wait};
pub use spawn::{Stack, Start, fork, start};
