//! A Pod: client and server with a shared directory, as two containers have it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use temp_dir::TempDir;

use super::process::{directory_of_pod, of_pod};
use super::transport::Transport;
use super::{DEADLINE, PROGRAM, Port, Process, Server, has_name, inherited, is_listening, until, until_true};

/// A client, a server and their shared directory: `work` is `baseDirectory`, `stubs` has the stubs, `bin` the names
/// `k8psh` and `k8pshd`.
pub(crate) struct Pod {
    dir: TempDir,
    /// The value of `K8PSH_TEST` in the environment of every process of this Pod.
    pub id: String,
    port: Port,
    transport: Transport,
    _watch: Sender<()>,
}

/// Kills all processes of a Pod that has existed for far too long, so that a test which reads from one of them fails
/// instead of hanging. Dropping the sender ends it.
fn watch(id: &str) -> Sender<()> {
    let (sender, receiver) = channel();
    let id = id.to_owned();
    thread::spawn(move || {
        if receiver.recv_timeout(3 * DEADLINE) == Err(RecvTimeoutError::Timeout) {
            eprintln!("the test takes too long: its processes are killed");
            of_pod(&id).iter().for_each(|process| process.signal(Signal::SIGKILL));
        }
    });
    sender
}

impl Pod {
    /// A Pod whose section `box` has these commands.
    pub(crate) fn new(commands: &str) -> Pod {
        Transport::Auto.pod(commands)
    }

    /// A Pod with more words in the header of section `box`.
    pub(crate) fn with_header(header: &str, commands: &str) -> Pod {
        Transport::Auto.pod_with_header(header, commands)
    }

    /// A Pod with this configuration file.
    pub(crate) fn custom(text: impl FnOnce(&Pod) -> String) -> Pod {
        Pod::by(Transport::Auto, text)
    }

    /// A Pod with this configuration file, whose stubs use this transport.
    pub(crate) fn by(transport: Transport, text: impl FnOnce(&Pod) -> String) -> Pod {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        inherited::reset();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{count}", std::process::id());
        let watch = watch(&id);
        let dir = TempDir::with_prefix(directory_of_pod(&id)).expect("a temporary directory");
        let pod = Pod { dir, id, port: Port::free(), transport, _watch: watch };
        for name in ["work", "stubs", "bin"] {
            fs::create_dir(pod.path(name)).expect("a directory");
        }
        for name in ["k8psh", "k8pshd"] {
            symlink(PROGRAM, pod.path("bin").join(name)).expect("a symlink");
        }
        fs::write(pod.config(), text(&pod)).expect("the configuration");
        pod
    }

    /// The header of section `box`, with these words in it.
    pub(crate) fn section(&self, words: &str) -> String {
        format!("[ box:{} ] =K8PSH_TEST={} {words}", self.port(), self.id)
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().canonicalize().expect("the Pod's directory").join(name)
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.path("work")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("k8psh.conf")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.number
    }

    /// Any program, in `work` and with this Pod's environment.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for name in ["K8PSH_NAME", "K8PSH_DEBUG", "K8PSH_TRANSPORT", "LD_PRELOAD"] {
            command.env_remove(name);
        }
        command.env("PATH", searchable_path());
        if let Some(name) = self.transport.name() {
            command.env("K8PSH_TRANSPORT", name);
        }
        command.env("K8PSH_CONFIG", self.config()).env("K8PSH_TEST", &self.id).current_dir(self.work());
        command
    }

    pub(crate) fn k8psh(&self) -> Command {
        self.command(self.path("bin/k8psh"))
    }

    pub(crate) fn k8pshd(&self) -> Command {
        self.command(self.path("bin/k8pshd"))
    }

    /// The server of section `box` with stubs for its own commands, ready to be started.
    pub(crate) fn k8pshd_with_stubs(&self) -> Command {
        let mut command = self.k8pshd();
        command.args(["--name", "box", "--generate-local-executables", "--executable-directory"]);
        command.arg(self.path("stubs"));
        command
    }

    /// The stub of this name; waits for the server to make it.
    pub(crate) fn stub(&self, name: &str) -> Command {
        self.command(self.stub_path(name))
    }

    /// Makes a stub without a server.
    pub(crate) fn link_stub(&self, name: &str) {
        symlink(PROGRAM, self.path("stubs").join(name)).expect("a symlink");
    }

    pub(crate) fn stub_path(&self, name: &str) -> PathBuf {
        let path = self.path("stubs").join(name);
        until_true("the stub exists", || path.symlink_metadata().is_ok());
        path
    }

    /// The stub of this name, by the relay.
    pub(crate) fn relay_stub(&self, name: &str) -> Command {
        let mut command = self.stub(name);
        command.env("K8PSH_TRANSPORT", "relay");
        command
    }

    /// A shell with the stubs first on its PATH.
    pub(crate) fn shell(&self, script: &str) -> Command {
        let mut command = self.command("sh");
        command.args(["-c", script]).env("PATH", self.stubs_first());
        command
    }

    /// A PATH with the stubs last: what has no other program of its name is a stub.
    pub(crate) fn stubs_last(&self) -> OsString {
        let mut path = searchable_path();
        path.push(":");
        path.push(self.path("stubs"));
        path
    }

    /// A PATH with the stubs first.
    pub(crate) fn stubs_first(&self) -> OsString {
        let mut path = self.path("stubs").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        path
    }

    /// The server of section `box`, listening, with stubs for its own commands.
    pub(crate) fn server(&self) -> Server {
        self.server_with(&[])
    }

    pub(crate) fn server_with(&self, arguments: &[&str]) -> Server {
        let mut command = self.k8pshd_with_stubs();
        command.args(arguments);
        self.start(command)
    }

    /// Starts the server that this command describes, and waits until it listens.
    pub(crate) fn start(&self, command: Command) -> Server {
        self.start_on(command, self.port())
    }

    pub(crate) fn start_on(&self, command: Command, port: u16) -> Server {
        self.start_until_on(command, port, is_listening)
    }

    /// Starts a server that listens at its abstract socket alone.
    pub(crate) fn start_direct(&self, command: Command) -> Server {
        self.start_until(command, has_name)
    }

    /// Starts a server that is up when `is_up` says so of its port.
    pub(crate) fn start_until(&self, command: Command, is_up: fn(u16) -> bool) -> Server {
        self.start_until_on(command, self.port(), is_up)
    }

    fn start_until_on(&self, mut command: Command, port: u16, is_up: fn(u16) -> bool) -> Server {
        let log = self.path(format!("server-{port}.log"));
        let file = fs::File::create(&log).expect("the server's log");
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("the log")).stderr(file);
        let child = command.spawn().expect("the server starts");
        let mut server = Server::new(child, log);
        until("the server listens", || {
            if let Some(status) = server.child.try_wait().expect("the server's status") {
                panic!("the server ended with {status}: {}", server.log());
            }
            is_up(port).then_some(())
        });
        server
    }

    /// The processes of this Pod: servers, sessions, commands and stubs. Dead ones and idle workers are left out.
    pub(crate) fn processes(&self) -> Vec<Process> {
        self.all_processes().into_iter().filter(|process| !process.is_idle_worker()).collect()
    }

    /// All processes of this Pod that are not dead.
    pub(crate) fn all_processes(&self) -> Vec<Process> {
        of_pod(&self.id)
    }

    /// The processes of this Pod that run a program of this name.
    pub(crate) fn running(&self, name: &str) -> Vec<Process> {
        self.processes().into_iter().filter(|process| process.name() == name).collect()
    }

    /// Waits until `count` processes of this Pod run a program of this name.
    pub(crate) fn until_running(&self, name: &str, count: usize) -> Vec<Process> {
        until(&format!("{count} of {name} run"), || {
            let found = self.running(name);
            (found.len() == count).then_some(found)
        })
    }

    /// The processes of this Pod whose parent is `parent`.
    pub(crate) fn children(&self, parent: u32) -> Vec<Process> {
        self.processes().into_iter().filter(|process| process.parent() == Some(parent)).collect()
    }

    /// The same, with idle workers.
    pub(crate) fn children_and_idle_workers(&self, parent: u32) -> Vec<Process> {
        self.all_processes().into_iter().filter(|process| process.parent() == Some(parent)).collect()
    }

    /// Stops all processes, each of which accepts connections for itself, and those that are being forked meanwhile.
    pub(crate) fn stop_all(&self) -> Vec<Process> {
        until("everything stands still", || {
            let processes = self.all_processes();
            let moving: Vec<_> = processes.iter().filter(|process| process.state() != Some('T')).collect();
            moving.iter().for_each(|process| process.signal(Signal::SIGSTOP));
            moving.is_empty().then_some(processes)
        })
    }

    /// Ends what a test leaves behind on purpose.
    pub(crate) fn kill_all(&self) {
        until_true("everything is gone", || {
            let processes = self.all_processes();
            processes.iter().for_each(|process| process.signal(Signal::SIGKILL));
            processes.is_empty()
        });
    }
}

/// The PATH without directories that this user may not search, such as root's own: a name that is not found would be an
/// error of permissions.
fn searchable_path() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).filter(|directory| fs::metadata(directory.join(".")).is_ok());
    std::env::join_paths(directories).expect("a PATH")
}

impl Drop for Pod {
    fn drop(&mut self) {
        let end = Instant::now() + Duration::from_secs(10);
        while !thread::panicking() && !self.all_processes().is_empty() && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
        }
        let left: Vec<_> =
            self.all_processes().iter().map(|left| format!("{} {} {:?}", left.0, left.name(), left.state())).collect();
        self.kill_all();
        assert!(thread::panicking() || left.is_empty(), "processes left: {left:?}");
    }
}
