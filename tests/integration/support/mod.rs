//! What the tests share: a Pod in a temporary directory, processes with a deadline, and raw frames.
//!
//! Rules: nothing sleeps and hopes, everything waits for a condition with [`DEADLINE`]; every Pod has its own
//! directory and its own port; a Pod that goes out of scope fails its test if a process of it is left.
#![allow(dead_code, unreachable_pub, reason = "every test program uses a part of it")]

pub mod frames;
pub mod terminal;

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::ops::{Deref, DerefMut};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use temp_dir::TempDir;

/// The binary under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_k8psh");

/// How long a condition may take before the test fails. Far more than it needs, for machines under load.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Calls `condition` until it gives something, or fails the test with `what` after [`DEADLINE`].
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(result) = condition() {
            return result;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Waits until `condition` holds.
pub fn until_true(what: &str, mut condition: impl FnMut() -> bool) {
    until(what, || condition().then_some(()));
}

/// Whether this test program runs as root; says that the test is skipped if not.
pub fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!("skipped: needs root");
    }
    root
}

/// Whether processes of other users can be started: in a user namespace there may be one user alone.
pub fn has_users() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let count = map.split_whitespace().nth(2).and_then(|count| count.parse().ok());
    let many = count.is_some_and(|count: u32| count > 65532);
    if !many {
        println!("skipped: needs other users");
    }
    is_root() && many
}

/// Whether all these programs are on the PATH; says that the test is skipped if not.
pub fn has_programs(names: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let missing = names.iter().find(|name| !std::env::split_paths(&path).any(|dir| dir.join(name).exists()));
    if let Some(name) = missing {
        println!("skipped: no {name} here");
    }
    missing.is_none()
}

/// Whether this test program is the one that runs every test again by the relay, `relay.rs`.
pub fn is_by_relay() -> bool {
    let program = std::env::current_exe().expect("this program");
    program.file_name().is_some_and(|name| name.to_string_lossy().starts_with("relay-"))
}

/// A TCP port of 127.0.0.1 that no other test takes, in this test program or in one that runs beside it.
///
/// It lies below the range from which the kernel takes the ports of outgoing connections, and is claimed by the
/// name of an abstract socket as long as this value lives.
pub struct Port {
    pub number: u16,
    _claim: UnixListener,
}

impl Port {
    pub fn free() -> Port {
        until("a free port", || {
            let number = fastrand::u16(10_000..32_000);
            let name = SocketAddr::from_abstract_name(format!("k8psh-test-port-{number}")).expect("a socket's name");
            let claim = UnixListener::bind_addr(&name).ok()?;
            // Asked, not tried: a socket that listens would be held open by whatever another test is just starting.
            if is_listening(number) {
                return None;
            }
            Some(Port { number, _claim: claim })
        })
    }
}

/// Whether something listens on this port of 127.0.0.1. Asks the kernel, since connecting would start a session.
pub fn is_listening(port: u16) -> bool {
    let local = format!(" {:08X}:{port:04X} ", u32::from_ne_bytes([127, 0, 0, 1]));
    let sockets = fs::read_to_string("/proc/net/tcp").expect("/proc/net/tcp");
    sockets.lines().any(|line| line.contains(&local) && line.contains(" 0A "))
}

/// Whether something listens on this port, whatever the address.
pub fn is_listening_anywhere(port: u16) -> bool {
    let wanted = format!(":{port:04X} ");
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|file| {
        let sockets = fs::read_to_string(file).unwrap_or_default();
        sockets.lines().any(|line| line.contains(&wanted) && line.contains(" 0A "))
    })
}

/// Whether something has the name of the server at this port.
pub fn has_name(port: u16) -> bool {
    let sockets = fs::read_to_string("/proc/net/unix").expect("/proc/net/unix");
    sockets.lines().any(|line| line.ends_with(&format!(" @k8psh:{port}")))
}

/// A client, a server and their shared directory: `work` is `baseDirectory`, `stubs` has the stubs, `bin` the names
/// `k8psh` and `k8pshd`.
pub struct Pod {
    dir: TempDir,
    /// Every process of this Pod has it in its environment as `K8PSH_TEST`.
    pub id: String,
    port: Port,
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
            processes(&id).iter().for_each(|process| process.signal(Signal::SIGKILL));
        }
    });
    sender
}

/// All processes of a Pod: servers, spare ones, sessions, commands and stubs, dead ones left out.
fn processes(id: &str) -> Vec<Process> {
    let marker = format!("K8PSH_TEST={id}");
    let has_marker = |process: &Process| {
        fs::read(format!("/proc/{}/environ", process.0))
            .is_ok_and(|text| text.split(|&byte| byte == 0).any(|word| word == marker.as_bytes()))
    };
    let numbers = fs::read_dir("/proc").expect("/proc").filter_map(|entry| {
        entry.ok().and_then(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok())).map(Process)
    });
    numbers.filter(|process| has_marker(process) && process.state().is_some_and(|state| state != 'Z')).collect()
}

impl Pod {
    /// A Pod whose section `box` has these commands.
    pub fn new(commands: &str) -> Pod {
        Pod::with_header("", commands)
    }

    /// A Pod with more words in the header of section `box`.
    pub fn with_header(header: &str, commands: &str) -> Pod {
        Pod::custom(|pod| {
            let section = pod.section(&format!("=PATH= {header}"));
            format!("baseDirectory = work\nconnectTimeoutMs = 20000\n{section}\n{commands}\n")
        })
    }

    /// A Pod with this configuration file.
    pub fn custom(text: impl FnOnce(&Pod) -> String) -> Pod {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // `relay.rs` has this module several times.
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{}-{count}", std::process::id(), module_path!());
        let watch = watch(&id);
        let dir = TempDir::new().expect("a temporary directory");
        let pod = Pod { dir, id, port: Port::free(), _watch: watch };
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
    pub fn section(&self, words: &str) -> String {
        format!("[ box:{} ] =K8PSH_TEST={} {words}", self.port(), self.id)
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().canonicalize().expect("the Pod's directory").join(name)
    }

    pub fn work(&self) -> PathBuf {
        self.path("work")
    }

    pub fn config(&self) -> PathBuf {
        self.path("k8psh.conf")
    }

    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// Any program, in `work` and with this Pod's environment.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for name in ["K8PSH_NAME", "K8PSH_DEBUG", "K8PSH_TRANSPORT", "LD_PRELOAD"] {
            command.env_remove(name);
        }
        if is_by_relay() {
            command.env("K8PSH_TRANSPORT", "relay");
        }
        command.env("K8PSH_CONFIG", self.config()).env("K8PSH_TEST", &self.id).current_dir(self.work());
        command
    }

    pub fn k8psh(&self) -> Command {
        self.command(self.path("bin/k8psh"))
    }

    pub fn k8pshd(&self) -> Command {
        self.command(self.path("bin/k8pshd"))
    }

    /// The stub of this name; waits for the server to make it.
    pub fn stub(&self, name: &str) -> Command {
        self.command(self.stub_path(name))
    }

    /// Makes a stub without a server.
    pub fn link_stub(&self, name: &str) {
        symlink(PROGRAM, self.path("stubs").join(name)).expect("a symlink");
    }

    pub fn stub_path(&self, name: &str) -> PathBuf {
        let path = self.path("stubs").join(name);
        until_true("the stub exists", || path.symlink_metadata().is_ok());
        path
    }

    /// The stub of this name, by the relay.
    pub fn relay_stub(&self, name: &str) -> Command {
        let mut command = self.stub(name);
        command.env("K8PSH_TRANSPORT", "relay");
        command
    }

    /// A shell with the stubs first on its PATH.
    pub fn shell(&self, script: &str) -> Command {
        let mut path = self.path("stubs").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut command = self.command("sh");
        command.args(["-c", script]).env("PATH", path);
        command
    }

    /// The server of section `box`, listening, with stubs for its own commands.
    pub fn server(&self) -> Server {
        self.server_with(&[])
    }

    pub fn server_with(&self, arguments: &[&str]) -> Server {
        let mut command = self.k8pshd();
        command.args(["--name", "box", "--generate-local-executables", "--executable-directory"]);
        command.arg(self.path("stubs")).args(arguments);
        self.start(command)
    }

    /// Starts a server that is described in full, and waits until it listens.
    pub fn start(&self, command: Command) -> Server {
        self.start_on(command, self.port())
    }

    pub fn start_on(&self, command: Command, port: u16) -> Server {
        self.start_until_on(command, port, is_listening)
    }

    /// Starts a server that listens by its name alone.
    pub fn start_direct(&self, command: Command) -> Server {
        self.start_until(command, has_name)
    }

    /// Starts a server that is up when `is_up` says so of its port.
    pub fn start_until(&self, command: Command, is_up: fn(u16) -> bool) -> Server {
        self.start_until_on(command, self.port(), is_up)
    }

    fn start_until_on(&self, mut command: Command, port: u16, is_up: fn(u16) -> bool) -> Server {
        let log = self.path(format!("server-{port}.log"));
        let file = fs::File::create(&log).expect("the server's log");
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("the log")).stderr(file);
        let child = command.spawn().expect("the server starts");
        let mut server = Server { child: Live(child), log };
        until("the server listens", || {
            if let Some(status) = server.child.try_wait().expect("the server's status") {
                panic!("the server ended with {status}: {}", server.log());
            }
            is_up(port).then_some(())
        });
        server
    }

    /// The processes of this Pod: servers, sessions, commands and stubs. Dead ones are left out, and those that a server
    /// keeps for connections to come.
    pub fn processes(&self) -> Vec<Process> {
        self.all_processes().into_iter().filter(|process| !process.is_spare()).collect()
    }

    /// All processes of this Pod that are not dead.
    pub fn all_processes(&self) -> Vec<Process> {
        processes(&self.id)
    }

    /// The processes of this Pod that run a program of this name.
    pub fn running(&self, name: &str) -> Vec<Process> {
        self.processes().into_iter().filter(|process| process.name() == name).collect()
    }

    /// Waits until `count` processes of this Pod run a program of this name.
    pub fn until_running(&self, name: &str, count: usize) -> Vec<Process> {
        until(&format!("{count} of {name} run"), || {
            let found = self.running(name);
            (found.len() == count).then_some(found)
        })
    }

    /// The processes of this Pod whose parent is `parent`.
    pub fn children(&self, parent: u32) -> Vec<Process> {
        self.processes().into_iter().filter(|process| process.parent() == Some(parent)).collect()
    }

    /// The same, with those that wait for a connection.
    pub fn children_and_spares(&self, parent: u32) -> Vec<Process> {
        self.all_processes().into_iter().filter(|process| process.parent() == Some(parent)).collect()
    }

    /// Stops all processes, each of which accepts connections for itself, and those that are being forked meanwhile.
    pub fn stop_all(&self) -> Vec<Process> {
        until("everything stands still", || {
            let processes = self.all_processes();
            let moving: Vec<_> = processes.iter().filter(|process| process.state() != Some('T')).collect();
            moving.iter().for_each(|process| process.signal(Signal::SIGSTOP));
            moving.is_empty().then_some(processes)
        })
    }

    /// Ends what a test leaves behind on purpose.
    pub fn kill_all(&self) {
        until_true("everything is gone", || {
            let processes = self.all_processes();
            processes.iter().for_each(|process| process.signal(Signal::SIGKILL));
            processes.is_empty()
        });
    }
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

/// A process that is not this one's child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(pub u32);

impl Process {
    /// Whether it is a server's process that waits for a connection: nothing else of k8psh waits with epoll(7).
    pub fn is_spare(&self) -> bool {
        let call = fs::read_to_string(format!("/proc/{}/syscall", self.0)).unwrap_or_default();
        let number = call.split(' ').next().and_then(|number| number.parse().ok());
        // 319: of an i386 program on an x86_64 kernel.
        self.name() == "k8pshd" && [Some(nix::libc::SYS_epoll_pwait), Some(319)].contains(&number)
    }

    fn file(self, name: &str) -> Option<String> {
        fs::read(format!("/proc/{}/{name}", self.0)).ok().map(|text| String::from_utf8_lossy(&text).into_owned())
    }

    /// The program's name, or nothing where the process is gone.
    pub fn name(self) -> String {
        self.file("comm").unwrap_or_default().trim_end().to_owned()
    }

    fn stat(self, field: usize) -> Option<String> {
        let stat = self.file("stat")?;
        let (_, rest) = stat.rsplit_once(") ")?;
        rest.split(' ').nth(field).map(str::to_owned)
    }

    /// `R`, `S`, `T`, `Z` …, or nothing where the process is gone.
    pub fn state(self) -> Option<char> {
        self.stat(0)?.chars().next()
    }

    pub fn parent(self) -> Option<u32> {
        self.stat(1)?.parse().ok()
    }

    pub fn group(self) -> Option<u32> {
        self.stat(2)?.parse().ok()
    }

    pub fn is_gone(self) -> bool {
        self.state().is_none_or(|state| state == 'Z')
    }

    /// A number of `/proc/PID/FILE`, from a line such as `VmRSS:  123 kB`.
    pub fn number(self, file: &str, key: &str) -> Option<u64> {
        let text = self.file(file)?;
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?.to_owned();
        line.split_whitespace().next()?.parse().ok()
    }

    /// Pages of memory that this process has, in KiB. Not its share of them (Pss), which rises when another one that has
    /// them too ends.
    pub fn memory(self) -> u64 {
        self.number("smaps_rollup", "Rss").or_else(|| self.number("status", "VmRSS")).unwrap_or_default()
    }

    pub fn signal(self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.0).expect("a process number"));
        // It may have ended meanwhile.
        _ = kill(pid, signal);
    }
}

/// A child that does not outlive its test.
pub struct Live(pub Child);

impl Live {
    pub fn process(&self) -> Process {
        Process(self.0.id())
    }

    pub fn signal(&self, signal: Signal) {
        self.process().signal(signal);
    }

    /// Waits for its end.
    pub fn end(&mut self) -> ExitStatus {
        until("the process ends", || self.0.try_wait().expect("a status"))
    }

    pub fn is_running(&mut self) -> bool {
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

/// A running server. Going out of scope it is asked to end, and has to.
pub struct Server {
    pub child: Live,
    log: PathBuf,
}

impl Server {
    pub fn process(&self) -> Process {
        self.child.process()
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    pub fn signal(&self, signal: Signal) {
        self.child.signal(signal);
    }

    pub fn end(&mut self) -> ExitStatus {
        until("the server ends", || self.child.try_wait().expect("the server's status"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
            return;
        }
        if self.child.is_running() {
            self.signal(Signal::SIGTERM);
            let status = self.end();
            assert!(status.success(), "the server ended with {status}: {}", self.log());
        }
    }
}

/// What became of a process that ran to its end.
#[derive(Debug)]
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub took: Duration,
}

impl Outcome {
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// It ended with 0 and said nothing on stderr; gives its stdout.
    #[track_caller]
    pub fn succeeds(self) -> String {
        assert!(self.status.success() && self.stderr.is_empty(), "{}, stderr: {}", self.status, self.err());
        self.out()
    }

    /// It failed of itself: this code, nothing on stdout, one line on stderr, `NAME: …` with all of `about` in it.
    #[track_caller]
    pub fn fails(&self, code: i32, name: &str, about: &[&str]) {
        assert_eq!(self.code(), Some(code), "{}, stderr: {}", self.status, self.err());
        assert_eq!(self.out(), "", "stdout");
        let line = self.err();
        assert!(line.starts_with(&format!("{name}: ")) && line.ends_with('\n'), "not a message: {line:?}");
        assert_eq!(line.lines().count(), 1, "not one line: {line:?}");
        about.iter().for_each(|word| assert!(line.contains(word), "nothing about {word:?}: {line:?}"));
    }
}

/// Running a [`Command`] with a deadline.
pub trait Run {
    /// Starts it; it ends with the test.
    fn live(&mut self) -> Live;
    /// Runs it with nothing on stdin.
    fn run(&mut self) -> Outcome;
    /// Runs it with these bytes on stdin.
    fn run_with(&mut self, input: &[u8]) -> Outcome;
}

impl Run for Command {
    fn live(&mut self) -> Live {
        Live(self.spawn().unwrap_or_else(|error| panic!("{self:?}: {error}")))
    }

    fn run(&mut self) -> Outcome {
        self.stdin(Stdio::null());
        collect(self, &[])
    }

    fn run_with(&mut self, input: &[u8]) -> Outcome {
        self.stdin(Stdio::piped());
        collect(self, input)
    }
}

fn collect(command: &mut Command, input: &[u8]) -> Outcome {
    let start = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).live();
    let stdin = child.stdin.take();
    let stdout = child.stdout.take().expect("stdout");
    let stderr = child.stderr.take().expect("stderr");
    thread::scope(|scope| {
        scope.spawn(move || {
            // A command may close its stdin early.
            _ = stdin.map(|mut stdin| stdin.write_all(input));
        });
        let stdout = scope.spawn(move || read_all(stdout));
        let stderr = scope.spawn(move || read_all(stderr));
        let end = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = child.try_wait().expect("a status") {
                break status;
            }
            if Instant::now() > end {
                child.kill().expect("a kill");
                let (out, err) = (stdout.join().expect("stdout"), stderr.join().expect("stderr"));
                let (out, err) = (String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
                panic!("still running: {command:?}, stdout: {out:.1000}, stderr: {err:.1000}");
            }
            thread::sleep(Duration::from_millis(1));
        };
        let took = start.elapsed();
        let (stdout, stderr) = (stdout.join().expect("stdout"), stderr.join().expect("stderr"));
        Outcome { status, stdout, stderr, took }
    })
}

/// Everything up to the end of input.
pub fn read_all(mut source: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes).expect("the output");
    bytes
}

/// Reads one line, byte by byte so that nothing behind it is taken.
pub fn read_line(source: &mut impl Read) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.last() != Some(&b'\n') && source.read(&mut byte).expect("a line") == 1 {
        line.push(byte[0]);
    }
    String::from_utf8_lossy(&line).into_owned()
}

/// Copies a program. A child does it: were the new file open for writing in this process, another test's child could
/// hold it at the moment when it is executed ("text file busy").
pub fn copy_program(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    let status = Command::new("cp").arg(from.as_ref()).arg(to.as_ref()).status().expect("cp");
    assert!(status.success(), "cp failed");
}

/// Writes an executable file, likewise.
pub fn write_program(path: impl AsRef<Path>, text: &str) {
    let script = "cat >\"$1\" && chmod 755 \"$1\"";
    let status = Command::new("sh").args(["-c", script, "sh"]).arg(path.as_ref()).run_with(text.as_bytes()).status;
    assert!(status.success(), "no program at {}", path.as_ref().display());
}

/// The text of a file that another process writes at once, when it is there.
pub fn wait_for_file(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    until(&format!("{} has text", path.display()), || fs::read_to_string(path).ok().filter(|text| !text.is_empty()))
}
