//! Where the measurements happen: a server with its stubs, and a socat that does the same work.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Result, Transport};

/// The programs that are run at either end. They are named with their paths, so that neither end searches for them.
const PROGRAMS: &[&str] = &["cat", "head", "sleep", "true", "wc"];

/// How long something may take to come up.
const PATIENCE: Duration = Duration::from_secs(10);

/// The directory of the run and what is in it.
pub(crate) struct Place {
    binary: PathBuf,
    pub(crate) directory: PathBuf,
    programs: Vec<(&'static str, PathBuf)>,
    socat: Option<PathBuf>,
}

impl Place {
    pub(crate) fn new(binary: &Path, directory: &Path) -> Result<Self> {
        let find = |name| find_program(name).ok_or_else(|| format!("{name} is not installed"));
        let programs = PROGRAMS.iter().map(|name| Ok((*name, find(name)?))).collect::<Result<_>>()?;
        let (binary, directory) = (binary.to_owned(), directory.to_owned());
        Ok(Self { binary, directory, programs, socat: find_program("socat") })
    }

    /// The command without k8psh, in the same directory and environment as a stub.
    pub(crate) fn local(&self, name: &str) -> Command {
        let program = self.programs.iter().find(|(known, _)| *known == name).map(|(_, path)| path);
        self.command(program.unwrap_or_else(|| unreachable!("{name} is not in PROGRAMS")))
    }

    /// The program itself with nothing to do: what starting a stub costs, and ending it, whatever it does in between.
    pub(crate) fn idle(&self) -> Command {
        let mut command = self.command(&self.binary);
        command.arg("--version");
        command
    }

    /// A program with the directory and environment of a stub.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.directory);
        command.env("K8PSH_CONFIG", self.directory.join("k8psh.conf"));
        command.env("BENCH_TOKEN", "a token for as long as this lasts");
        command.stdin(Stdio::null());
        command
    }

    fn configuration(&self, port: u16, transport: &Transport) -> String {
        let token = if transport.has_token { "--token-env=BENCH_TOKEN" } else { "" };
        let mut text = format!("[ bench:{port} ] {token}\n");
        for (name, path) in &self.programs {
            let _ = writeln!(text, "{name} \"{}\"", path.display());
        }
        text
    }
}

pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// Nobody else takes it in the moment between: the kernel hands out such ports in turn.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Waits until a process listens on this port; `None`: it has ended instead, as one that does not work here.
pub(crate) fn until_listening(mut process: Process, port: &str) -> Result<Option<Process>> {
    let wanted = format!(":{:04X} 00000000:0000 0A ", port.parse::<u16>()?);
    let is_there = || std::fs::read_to_string("/proc/net/tcp").is_ok_and(|sockets| sockets.contains(&wanted));
    Ok(process.wait_until("a port", is_there).is_ok().then_some(process))
}

/// A server of k8psh. Each kind of figure starts its own, so that none finds what another has left behind.
pub(crate) struct Server<'a> {
    place: &'a Place,
    transport: &'a Transport,
    process: Process,
}

impl<'a> Server<'a> {
    pub(crate) fn start(place: &'a Place, transport: &'a Transport) -> Result<Self> {
        std::fs::write(place.directory.join("k8psh.conf"), place.configuration(free_port()?, transport))?;
        let mut command = place.command(&place.binary);
        command.arg0("k8pshd").args(["--name", "bench", "--generate-local-executables"]);
        let mut server = Self { place, transport, process: Process(command.spawn()?) };
        server.process.wait_until("the stubs", || PROGRAMS.iter().all(|name| place.directory.join(name).exists()))?;
        crate::sample::spawn_and_wait(&mut server.stub("true"))?;
        Ok(server)
    }

    /// The command through k8psh.
    pub(crate) fn stub(&self, name: &str) -> Command {
        let mut command = self.place.command(&self.place.directory.join(name));
        command.env("K8PSH_TRANSPORT", self.transport.value);
        command
    }

    /// Another program with the directory and environment of this stub.
    pub(crate) fn beside(&self, stub: &Command, program: &str) -> Command {
        let mut command = self.place.command(Path::new(program));
        command.envs(stub.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Ends it as an operator would, and waits.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.process.terminate()?;
        let status = self.process.0.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the server: {status}").into()) }
    }
}

/// socat in the place of k8psh: a listener that runs one command, and a client for it.
pub(crate) struct Socat<'a> {
    place: &'a Place,
    program: &'a Path,
    port: u16,
    _listener: Process,
}

impl<'a> Socat<'a> {
    /// The options of both ends: large buffers, and when one direction has ended, wait for the other.
    const OPTIONS: [&'static str; 4] = ["-b", "131072", "-t", "600"];

    /// None where it is not installed.
    pub(crate) fn start(place: &'a Place, name: &str, arguments: &[String]) -> Result<Option<Self>> {
        let Some(program) = &place.socat else { return Ok(None) };
        let port = free_port()?;
        let far = format!("EXEC:{} {}", place.local(name).get_program().display(), arguments.join(" "));
        let mut command = place.command(program);
        command.args(Self::OPTIONS).arg(format!("TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork")).arg(far.trim());
        Ok(Some(Self { place, program, port, _listener: Process(command.spawn()?) }))
    }

    pub(crate) fn client(&self) -> Command {
        let mut command = self.place.command(self.program);
        // The first one may come before the listener is there.
        command.args(Self::OPTIONS).arg("-").arg(format!("TCP:127.0.0.1:{},retry=500,interval=0.01", self.port));
        command
    }
}

/// A process that does not outlive its owner.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn terminate(&self) -> Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.0.id())?), Signal::SIGTERM)?)
    }

    /// Looks again and again whether what the process should bring about is there.
    fn wait_until(&mut self, what: &str, mut there: impl FnMut() -> bool) -> Result<()> {
        let start = Instant::now();
        while !there() {
            if let Some(status) = self.0.try_wait()? {
                return Err(format!("{what}: ended early: {status}").into());
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("{what}: not there after {PATIENCE:?}").into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // `try_wait` first: the number of a process that was waited for may be another's by now.
        if let Ok(None) = self.0.try_wait() {
            let _ = self.terminate();
            let _ = self.0.wait();
        }
    }
}
