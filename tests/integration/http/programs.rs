//! Each client with all that its users ask of it: the token, a body, output as it comes, and how the command has ended.

use std::process::{Command, Stdio};

use super::*;
use crate::support::skipped;

/// A script for `sh` sends `hello` and a line's end to `$URL` with the token `$TOKEN`, prints what comes as it comes, and
/// fails if the answer is not whole. Of an answer whose status is not 200 it prints the status and `Exit-Status` on stderr,
/// and fails, too.
struct Client {
    program: &'static str,
    /// What Python has to have for it, or the name of another one in the same program.
    module: Option<&'static str>,
    script: &'static str,
}

// By one attempt: what is not whole GNU's wget asks for again otherwise, so the command would run again.
const WGET: &str = "wget -S --content-on-error -t 1 -qO- --header=\"Authorization: Bearer $TOKEN\" \
    --post-data='hello\n' $URL";

const BUSYBOX: &str = "busybox wget -S -qO- --header=\"Authorization: Bearer $TOKEN\" --post-data='hello\n' $URL";

const PYTHON: &str = r#"exec python3 -c '
import http.client, os, sys, urllib.parse
client = http.client.HTTPConnection(urllib.parse.urlsplit(os.environ["URL"]).netloc)
client.request("POST", "/", b"hello\n", {"Authorization": "Bearer " + os.environ["TOKEN"]})
answer = client.getresponse()
while part := answer.read1():
    os.write(1, part)
if answer.status != 200:
    sys.exit("%d Exit-Status: %s" % (answer.status, answer.headers["Exit-Status"]))
'"#;

const REQUESTS: &str = r#"exec python3 -c '
import os, requests, sys
token = {"Authorization": "Bearer " + os.environ["TOKEN"]}
answer = requests.post(os.environ["URL"], data=b"hello\n", headers=token, stream=True)
for part in answer.iter_content(None):
    os.write(1, part)
if not answer.ok:
    sys.exit("%d Exit-Status: %s" % (answer.status_code, answer.headers.get("Exit-Status")))
'"#;

const NODE_FETCH: &str = r#"exec node -e '
const {URL: url, TOKEN: token} = process.env;
(async () => {
    const answer = await fetch(url, {method: "POST", body: "hello\n", headers: {Authorization: "Bearer " + token}});
    for await (const part of answer.body) process.stdout.write(part);
    if (!answer.ok) throw `${answer.status} Exit-Status: ${answer.headers.get("Exit-Status")}`;
})().catch(error => { console.error(error); process.exitCode = 1; });
'"#;

const NODE_HTTP: &str = r#"exec node -e '
const {URL: url, TOKEN: token} = process.env;
const fail = error => { console.error(error); process.exitCode = 1; };
const headers = {Authorization: "Bearer " + token, "Content-Length": 6};
require("http").request(url, {method: "POST", headers}, answer => {
    answer.on("data", part => process.stdout.write(part)).on("error", fail);
    if (answer.statusCode != 200) fail(`${answer.statusCode} Exit-Status: ${answer.headers["exit-status"]}`);
}).on("error", fail).end("hello\n");
'"#;

const CLIENTS: [Client; 6] = [
    Client { program: "wget", module: None, script: WGET },
    Client { program: "busybox", module: None, script: BUSYBOX },
    Client { program: "python3", module: None, script: PYTHON },
    Client { program: "python3", module: Some("requests"), script: REQUESTS },
    Client { program: "node", module: None, script: NODE_HTTP },
    Client { program: "node", module: Some("fetch"), script: NODE_FETCH },
];

impl Client {
    #[track_caller]
    fn is_lacking(&self) -> bool {
        if lacks_programs(&[self.program]) {
            return true;
        }
        let is_missing = |module: &&str| {
            let import = Command::new(self.program).args(["-c", &format!("import {module}")]).run();
            !import.status.success()
        };
        let missing = self.module.filter(|_| self.program == "python3").filter(is_missing);
        if let Some(module) = missing {
            skipped(&format!("{} has no {module} here", self.program));
        }
        missing.is_some()
    }

    fn command(&self, pod: &Pod) -> Command {
        let mut command = pod.command("sh");
        command.args(["-c", self.script]);
        for (name, value) in [("URL", format!("http://127.0.0.1:{}/", pod.port())), ("TOKEN", TOKEN.to_owned())] {
            command.env(name, value);
        }
        command
    }

    fn name(&self) -> &str {
        self.module.unwrap_or(self.program)
    }
}

/// Those that are installed.
#[track_caller]
fn clients() -> impl Iterator<Item = &'static Client> {
    CLIENTS.iter().filter(|client| !client.is_lacking())
}

#[test]
fn each_sees_output_as_it_comes() {
    for client in clients() {
        let pod = with_token(
            "",
            "go sh -c 'read line; echo $line, you; while ! [ -e go-on ]; do sleep 0.05; done; echo done; seq 2000'",
        );
        let server = pod.server();
        let mut live = client.command(&pod).stdout(Stdio::piped()).stderr(Stdio::null()).live();
        let stdout = live.stdout.as_mut().expect("stdout");
        assert_eq!(read_line(stdout), "hello, you\n", "{}: {}", client.name(), server.log());
        fs::write(pod.work().join("go-on"), "").expect("a file");
        assert_eq!(read_line(stdout), "done\n", "{}", client.name());
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).expect("the rest");
        assert!(rest.ends_with("1999\n2000\n"), "{}: {rest}", client.name());
        assert_eq!(live.end().code(), Some(0), "{}", client.name());
        assert!(until_ended(&server, 1)[0].contains("outcome=exit code=0 "), "{}", server.log());
    }
}

#[test]
fn each_notices_a_command_that_fails_and_one_that_is_killed() {
    let pod = with_token("", "go sh -c 'read line; echo $line >>runs; echo out; [ -e kill ] && kill -9 $$; exit 3'");
    let server = pod.server();
    let mut count = 0;
    for client in clients() {
        for is_killed in [false, true] {
            _ = fs::remove_file(pod.work().join("kill"));
            if is_killed {
                fs::write(pod.work().join("kill"), "").expect("a file");
            }
            let outcome = client.command(&pod).run();
            assert_eq!(outcome.out(), "out\n", "{}: {}", client.name(), outcome.err());
            // Node's fetch takes what there is for all where the connection is to be closed.
            let is_noticed = outcome.code().is_some_and(|code| code != 0);
            assert!(is_noticed || client.name() == "fetch", "{}: {}", client.name(), outcome.status);
            count += 1;
            until_ended(&server, count);
        }
    }
    // Nobody has asked twice.
    assert_eq!(fs::read_to_string(pod.work().join("runs")).unwrap_or_default(), "hello\n".repeat(count));
}

#[test]
fn each_learns_the_status() {
    let pod = with_status_and_token("", "go sh -c 'read line; echo $line, you; exit $(cat code)'");
    let server = pod.server();
    let mut count = 0;
    for client in clients() {
        for code in ["0", "3"] {
            fs::write(pod.work().join("code"), code).expect("a file");
            let outcome = client.command(&pod).run();
            let (out, err) = (outcome.out(), outcome.err());
            assert_eq!(outcome.status.success(), code == "0", "{}: {err}", client.name());
            count += 1;
            until_ended(&server, count);
            if code == "0" {
                assert_eq!(out, "hello, you\n", "{}: {err}", client.name());
                continue;
            }
            // Of an answer that is an error, busybox's wget prints the first line and no more.
            let (exit, output) =
                if client.program == "busybox" { ("", "") } else { ("Exit-Status: 3", "hello, you\n") };
            assert!(err.contains("500") && err.contains(exit), "{}: {err}", client.name());
            assert_eq!(out, output, "{}", client.name());
        }
    }
    assert_eq!(until_ended(&server, count).len(), count, "nobody has asked twice");
}

#[test]
fn each_is_refused_without_the_token() {
    let pod = with_status_and_token("", "go touch touched");
    let server = pod.server();
    for client in clients() {
        let outcome = client.command(&pod).env("TOKEN", "wrong").run();
        assert!(!outcome.status.success() && outcome.err().contains("401"), "{}: {}", client.name(), outcome.err());
    }
    assert!(!pod.work().join("touched").exists(), "{}", server.log());
}

/// What the manual says of it: without `-t 1`, it sends its request again after a command that fails.
#[test]
fn wget_runs_a_command_that_fails_again_unless_it_has_one_try() {
    if lacks_programs(&["wget"]) {
        return;
    }
    let pod = with_token("", "go sh -c 'echo x >>runs; echo out; exit 3'");
    let server = pod.server();
    let script = WGET.replace("-t 1", "-t 2 --waitretry=0");
    let wget = Client { program: "wget", module: None, script: Box::leak(script.into_boxed_str()) };
    let outcome = wget.command(&pod).run();
    assert!(!outcome.status.success(), "{}", outcome.err());
    until_ended(&server, 2);
    assert_eq!(fs::read_to_string(pod.work().join("runs")).expect("the runs"), "x\nx\n");
}
