//! A server with its stubs, in a directory of their own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use temp_dir::TempDir;

use crate::Result;
use crate::port::Port;
use crate::process::{Process, directory_of_pod};

/// A way in which a stub reaches its server.
pub(crate) struct Transport {
    pub(crate) name: &'static str,
    /// The value of `K8PSH_TRANSPORT` that forces it.
    value: &'static str,
    /// What it needs in the section's header.
    header: &'static str,
}

/// Without a token every peer gets a process of its own, even one that says nothing.
pub(crate) const TRANSPORTS: &[Transport] = &[
    Transport { name: "direct", value: "direct", header: "--max-sessions=4096" },
    Transport { name: "relay", value: "relay", header: "--max-sessions=4096" },
    Transport { name: "encrypted", value: "relay", header: "--token-env=ENDURE_TOKEN" },
];

/// `answer CODE` repeats a line and exits with the code.
const COMMANDS: &str = r#"answer sh -c 'read line; echo "$line"; exit "$1"' sh
cat
sleep
"#;

/// How long something may take before it is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The directory and what is in it.
pub(crate) struct Place {
    directory: TempDir,
    /// The value of `K8PSH_TEST` in the environment of all processes but this one's.
    pub(crate) id: String,
    port: Port,
    pub(crate) transport: &'static Transport,
}

impl Place {
    pub(crate) fn new(binary: &Path, transport: &'static Transport) -> Result<Self> {
        let id = format!("{}-{}", std::process::id(), transport.name);
        let place = Self { directory: TempDir::with_prefix(directory_of_pod(&id))?, id, port: Port::free(), transport };
        symlink(binary, place.path("k8pshd"))?;
        let header = format!("[ endure:{} ] =K8PSH_TEST={} =PATH= {}", place.port.number, place.id, transport.header);
        fs::write(place.path("k8psh.conf"), format!("baseDirectory = .\n{header}\n{COMMANDS}"))?;
        Ok(place)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.path(name));
        command.current_dir(self.directory.path()).env("K8PSH_CONFIG", self.path("k8psh.conf"));
        command.env("K8PSH_TEST", &self.id).env("K8PSH_TRANSPORT", self.transport.value);
        command.env("ENDURE_TOKEN", "a token for as long as this lasts").stdin(Stdio::null());
        command
    }
}

/// A server that ends with this value, as an operator would end it.
pub(crate) struct Server<'a> {
    pub(crate) place: &'a Place,
    child: Child,
}

impl<'a> Server<'a> {
    pub(crate) fn start(place: &'a Place) -> Result<Self> {
        let mut command = place.command("k8pshd");
        command.args(["--name", "endure", "--generate-local-executables"]);
        // Processes that are killed make a line each.
        let log = fs::File::create(place.path("log"))?;
        let mut server = Self { place, child: command.stdout(log.try_clone()?).stderr(log).spawn()? };
        let start = Instant::now();
        while !place.path("sleep").exists() {
            if server.child.try_wait()?.is_some() || start.elapsed() > PATIENCE {
                return Err(format!("the server does not start: {}", fs::read_to_string(place.path("log"))?).into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(server)
    }

    /// A call of a command.
    pub(crate) fn stub(&self, name: &str) -> Command {
        self.place.command(name)
    }

    pub(crate) fn process(&self) -> Process {
        Process(self.child.id())
    }

    pub(crate) fn port(&self) -> u16 {
        self.place.port.number
    }

    pub(crate) fn stop(mut self) -> Result<()> {
        self.process().signal(Signal::SIGTERM);
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the server: {status}").into()) }
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        // `try_wait` first: the number of a process that was waited for may be another's by now.
        if let Ok(None) = self.child.try_wait() {
            self.process().signal(Signal::SIGTERM);
            let _ = self.child.wait();
        }
    }
}
