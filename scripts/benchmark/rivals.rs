//! Other programs that encrypt what passes between two ends, where they are installed: ssh with its default cipher, and
//! socat's OPENSSL. Each with keys of its own, and a server on a port of 127.0.0.1.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;
use crate::place::{Place, Process, find_program, free_port, until_listening};

/// A server that runs one command for each client.
pub(crate) struct Rival {
    pub(crate) name: &'static str,
    _server: Process,
    client: Command,
}

impl Rival {
    /// Those that are here, for a command without arguments.
    pub(crate) fn all(place: &Place, program: &str) -> Result<Vec<Rival>> {
        let far = place.local(program).get_program().display().to_string();
        let found = [Rival::ssh(place, &far)?, Rival::socat(place, &far)?];
        Ok(found.into_iter().flatten().collect())
    }

    /// Its client, ready to be started.
    pub(crate) fn client(&self, place: &Place) -> Command {
        let mut client = place.command(Path::new(self.client.get_program()));
        client.args(self.client.get_args());
        client
    }

    fn ssh(place: &Place, far: &str) -> Result<Option<Rival>> {
        // sshd wants to be called by its path.
        let server =
            find_program("sshd").or_else(|| Some(PathBuf::from("/usr/sbin/sshd")).filter(|file| file.is_file()));
        let (Some(server), Some(client), Some(maker)) = (server, find_program("ssh"), find_program("ssh-keygen"))
        else {
            return Ok(None);
        };
        let key = place.directory.join("key");
        run(place.command(&maker).args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key))?;
        let port = free_port()?.to_string();
        let mut command = place.command(&server);
        command.args(["-D", "-e", "-f", "/dev/null", "-p", &port, "-h"]).arg(&key);
        let keys = format!("AuthorizedKeysFile={}", key.with_extension("pub").display());
        for option in
            [keys.as_str(), "ListenAddress=127.0.0.1", "StrictModes=no", "UsePAM=no", "PidFile=none", "LogLevel=QUIET"]
        {
            command.args(["-o", option]);
        }
        let server = Process(command.spawn()?);
        let mut client = Command::new(client);
        client.args([
            "-q",
            "-T",
            "-p",
            &port,
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-i",
        ]);
        client.arg(&key).args(["127.0.0.1", far]);
        until_listening(server, &port).map(|server| server.map(|server| Rival { name: "ssh", _server: server, client }))
    }

    fn socat(place: &Place, far: &str) -> Result<Option<Rival>> {
        let (Some(socat), Some(maker)) = (find_program("socat"), find_program("openssl")) else { return Ok(None) };
        let file = place.directory.join("certificate.pem");
        let text = file.display().to_string();
        let subject = ["-subj", "/CN=localhost", "-days", "1", "-nodes"];
        run(place
            .command(&maker)
            .args(["req", "-x509", "-newkey", "rsa:2048", "-keyout", &text, "-out"])
            .arg(format!("{text}.crt"))
            .args(subject))?;
        let port = free_port()?.to_string();
        let options = ["-b", "131072", "-t", "600"];
        let listen = format!("OPENSSL-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,verify=0,key={text},cert={text}.crt");
        let server = Process(place.command(&socat).args(options).arg(listen).arg(format!("EXEC:{far}")).spawn()?);
        let mut client = Command::new(socat);
        client.args(options).arg("-").arg(format!("OPENSSL:127.0.0.1:{port},verify=0"));
        until_listening(server, &port)
            .map(|server| server.map(|server| Rival { name: "socat OPENSSL", _server: server, client }))
    }
}

fn run(command: &mut Command) -> Result<()> {
    // What they tell of their progress is of no interest.
    let status = command.stderr(Stdio::null()).status()?;
    crate::sample::succeeded(command, status)
}
