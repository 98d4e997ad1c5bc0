//! Processes, as /proc shows them, and children that do not outlive their test.
//!
//! `scripts/endurance` has this file too.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::FileExt;
use std::process::{Child, ExitStatus};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::until;

/// All processes.
pub(crate) fn all() -> impl Iterator<Item = Process> {
    fs::read_dir("/proc").expect("/proc").filter_map(|entry| {
        entry.ok().and_then(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok())).map(Process)
    })
}

/// How the name of a Pod's directory begins.
pub(crate) fn directory_of_pod(id: &str) -> String {
    format!("k8psh-test-{id}-")
}

/// All processes of a Pod: servers, idle workers, sessions, commands and stubs. Dead ones are left out.
pub(crate) fn of_pod(id: &str) -> Vec<Process> {
    let marker = format!("K8PSH_TEST={id}");
    let path = directory_of_pod(id);
    let has_marker = |process: &Process| match process.file("environ") {
        Some(text) => text.split('\0').any(|word| word == marker),
        // A server shows its environment to root alone. It is called by a path of its Pod's.
        None => process.file("cmdline").is_some_and(|text| text.contains(&path)),
    };
    all().filter(|process| has_marker(process) && process.state().is_some_and(|state| state != 'Z')).collect()
}

/// A process that is not this one's child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process(pub u32);

impl Process {
    /// Whether it is an idle worker: nothing else of k8psh waits with epoll(7).
    pub(crate) fn is_idle_worker(&self) -> bool {
        let Ok(call) = fs::read_to_string(format!("/proc/{}/syscall", self.0)) else {
            // A server shows that to root alone. One that serves has its command.
            return self.name() == "k8pshd"
                && self.has_no_child()
                && self.parent().is_some_and(|parent| Process(parent).name() == "k8pshd");
        };
        let number = call.split(' ').next().and_then(|number| number.parse().ok());
        // 319: of an i386 program on an x86_64 kernel.
        self.name() == "k8pshd" && [Some(nix::libc::SYS_epoll_pwait), Some(319)].contains(&number)
    }

    fn file(self, name: &str) -> Option<String> {
        fs::read(format!("/proc/{}/{name}", self.0)).ok().map(|text| String::from_utf8_lossy(&text).into_owned())
    }

    /// The program's name; empty if the process is gone.
    pub(crate) fn name(self) -> String {
        self.file("comm").unwrap_or_default().trim_end().to_owned()
    }

    fn stat(self, field: usize) -> Option<String> {
        let stat = self.file("stat")?;
        let (_, rest) = stat.rsplit_once(") ")?;
        rest.split(' ').nth(field).map(str::to_owned)
    }

    /// `R`, `S`, `T`, `Z` …; `None` if the process is gone.
    pub(crate) fn state(self) -> Option<char> {
        self.stat(0)?.chars().next()
    }

    /// Whether no process is its child.
    fn has_no_child(self) -> bool {
        all().all(|process| process.parent() != Some(self.0))
    }

    /// Whether these bytes are anywhere in the memory that it can write to.
    pub(crate) fn has_in_memory(self, bytes: &[u8]) -> bool {
        let memory = fs::File::open(format!("/proc/{}/mem", self.0)).expect("its memory");
        let maps = self.file("maps").expect("its memory's map");
        maps.lines().filter(|line| line.contains(" rw")).any(|line| {
            let range = line.split(' ').next().expect("a range");
            let (start, end) = range.split_once('-').expect("a range");
            let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).expect("an address"));
            let mut content = vec![0; usize::try_from(end - start).expect("a size")];
            // What cannot be read is not the program's: [vvar] and its like.
            memory.read_exact_at(&mut content, start).is_ok() && content.windows(bytes.len()).any(|part| part == bytes)
        })
    }

    pub(crate) fn parent(self) -> Option<u32> {
        self.stat(1)?.parse().ok()
    }

    pub(crate) fn group(self) -> Option<u32> {
        self.stat(2)?.parse().ok()
    }

    /// The process group in the foreground of its terminal.
    pub(crate) fn terminal_foreground(self) -> Option<u32> {
        self.stat(5)?.parse().ok()
    }

    /// Whether it is on its way out (`PF_EXITING`, include/linux/sched.h), or gone.
    pub(crate) fn is_exiting(self) -> bool {
        self.stat(6).and_then(|flags| flags.parse::<u32>().ok()).is_none_or(|flags| flags & 4 != 0)
    }

    pub(crate) fn is_gone(self) -> bool {
        self.state().is_none_or(|state| state == 'Z')
    }

    /// A number of `/proc/PID/FILE`, from a line such as `VmRSS:  123 kB`.
    pub(crate) fn number(self, file: &str, key: &str) -> Option<u64> {
        let text = self.file(file)?;
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?.to_owned();
        line.split_whitespace().next()?.parse().ok()
    }

    /// Pages of memory that this process has, in KiB. Not its share of them (Pss), which rises when another process that
    /// shares them ends.
    pub(crate) fn memory(self) -> u64 {
        self.number("smaps_rollup", "Rss").or_else(|| self.number("status", "VmRSS")).unwrap_or_default()
    }

    pub(crate) fn signal(self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.0).expect("a process number"));
        // It may have ended meanwhile.
        _ = kill(pid, signal);
    }
}

/// A child that does not outlive its test.
pub(crate) struct Live(pub Child);

impl Live {
    pub(crate) fn process(&self) -> Process {
        Process(self.0.id())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process().signal(signal);
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        until("the process ends", || self.0.try_wait().expect("a status"))
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().expect("a status").is_none()
    }
}

impl Deref for Live {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Live {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // Both fail where it has ended already.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
