//! A control group of this machine, for limits that only these have.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use super::skip::skipped;
use super::until_true;

/// A control group below this process's own, or below the root of version 2. It has no processes when it is dropped.
pub(crate) struct Cgroup(PathBuf);

impl Cgroup {
    /// A group whose processes have so many bytes of memory together, or nothing where the test cannot make one.
    pub(crate) fn with_memory(name: &str, bytes: u64) -> Option<Cgroup> {
        let made = Cgroup::make(&version_1(), name, "memory.limit_in_bytes", bytes)
            .or_else(|| Cgroup::make(Path::new("/sys/fs/cgroup"), name, "memory.max", bytes));
        if made.is_none() {
            skipped("cannot make a control group");
        }
        made
    }

    fn make(parent: &Path, name: &str, limit: &str, bytes: u64) -> Option<Cgroup> {
        let path = parent.join(format!("k8psh-test-{name}"));
        fs::create_dir(&path).ok()?;
        let group = Cgroup(path);
        // Where the controller is not this group's, there is no such file.
        fs::File::options().write(true).open(group.0.join(limit)).ok()?;
        fs::write(group.0.join(limit), bytes.to_string()).ok()?;
        Some(group)
    }

    /// The file to which a process writes its number to be in it.
    pub(crate) fn processes(&self) -> PathBuf {
        self.0.join("cgroup.procs")
    }
}

/// This process's own group of version 1.
fn version_1() -> PathBuf {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = groups.lines().find_map(|line| line.split_once(":memory:/").map(|(_, path)| path.to_owned()));
    Path::new("/sys/fs/cgroup/memory").join(own.unwrap_or_default())
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let remove = || fs::remove_dir(&self.0).is_ok();
        if thread::panicking() {
            remove();
        } else {
            until_true("the control group is empty", remove);
        }
    }
}
