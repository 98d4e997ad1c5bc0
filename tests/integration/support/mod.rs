//! What the tests share.
//!
//! Rules: nothing sleeps and hopes, everything waits for a condition with a [`DEADLINE`]; every [`Pod`] has its own
//! directory and its own port; a Pod that goes out of scope fails its test if a process of it is left; a test that cannot
//! run says so by [`skip`].

pub(crate) mod cgroup;
pub(crate) mod denied;
pub(crate) mod files;
pub(crate) mod frames;
mod inherited;
pub(crate) mod pod;
pub(crate) mod port;
pub(crate) mod process;
pub(crate) mod run;
pub(crate) mod scene;
pub(crate) mod server;
pub(crate) mod shell;
pub(crate) mod skip;
pub(crate) mod terminal;
pub(crate) mod transport;
mod wait;

pub(crate) use files::{
    assert_same, copy_program, is_ready, names_in, read_all, read_line, wait_for_file, write_program,
};
pub(crate) use pod::Pod;
pub(crate) use port::{Port, has_name, is_listening, is_listening_anywhere};
pub(crate) use process::{Live, Process};
pub(crate) use run::{Outcome, Run};
pub(crate) use server::Server;
pub(crate) use skip::{
    is_root, lacks_namespaces, lacks_open_files, lacks_programs, lacks_root, lacks_user, lacks_users, skip, skipped,
};
pub(crate) use wait::{DEADLINE, until, until_true};

/// The binary under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_k8psh");
