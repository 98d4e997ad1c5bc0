//! Servers beyond this Pod's loopback interface.

use super::*;

#[test]
fn a_server_listens_where_it_is_told_to() {
    let has_v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let v4 = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let v6 = |port| SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    for (listen, connect, in_v4, in_v6) in [
        ("127.0.0.1", "127.0.0.1", true, false),
        ("0.0.0.0", "127.0.0.1", true, false),
        ("::1", "::1", false, true),
        ("[::1]", "[::1]", false, true),
        ("::", "::1", true, true),
        ("::", "127.0.0.1", true, true),
    ] {
        if in_v6 && !has_v6 {
            skipped("no IPv6 here");
            continue;
        }
        let pod = with_file(&format!("--listen={listen} --connect={connect}"), "cat");
        let _server = server_listening(&pod);
        assert_eq!(pod.stub("cat").run_with(b"x").succeeds(), "x", "{listen}");
        assert_eq!(TcpStream::connect(v4(pod.port())).is_ok(), in_v4, "{listen}");
        assert_eq!(TcpStream::connect(v6(pod.port())).is_ok(), in_v6, "{listen}");
    }
}

#[test]
fn connect_takes_addresses_from_the_environment_and_no_names() {
    let pod = Pod::with_header("--connect=${BOX_SERVICE_HOST}", "true");
    let _server = pod.server();
    let mut stub = pod.stub("true");
    stub.env("BOX_SERVICE_HOST", "127.0.0.1");
    assert_eq!(stub.run().succeeds(), "");
    for host in ["box.default.svc", "127.0.0.1:80", "1.2.3"] {
        let outcome = pod.stub("true").env("BOX_SERVICE_HOST", host).run();
        outcome.fails(125, "true", &["not an address", host, "${NAME_SERVICE_HOST}"]);
    }
}

#[test]
fn frames_of_a_refusal_are_a_greeting_a_reason_and_a_code() {
    let pod = with_file("", "true");
    let _server = pod.server();
    let mut peer = Peer::connect(pod.port());
    peer.send(&frames::request(".", &["K8PSH_PROTOCOL=2"], &[], "true"));
    let kinds: Vec<_> = peer.frames().iter().map(|frame| (frame.kind, frame.number)).collect();
    assert_eq!((kinds[0], kinds[1].0, kinds[2], kinds.len()), ((HELLO, 2), FAILURE, (EXIT, 125), 3));
}

/// Two network namespaces that a pair of interfaces joins, as two Pods are. Gone with this value.
struct Net {
    names: [String; 2],
}

/// Their addresses.
const HERE: &str = "10.203.0.1";
const THERE: &str = "10.203.0.2";

impl Net {
    /// `None` where this test cannot make any; says so.
    fn new(pod: &Pod) -> Option<Net> {
        if lacks_root() || lacks_programs(&["ip"]) {
            return None;
        }
        let names = ["a", "b"].map(|end| format!("k8psh-{end}-{}", pod.port()));
        let net = Net { names };
        let [a, b] = &net.names;
        let script = format!(
            "ip netns add {a} && ip netns add {b} && ip -n {a} link set lo up && ip -n {b} link set lo up &&
             ip link add veth0 netns {a} type veth peer name veth0 netns {b} &&
             ip -n {a} addr add {HERE}/24 dev veth0 && ip -n {b} addr add {THERE}/24 dev veth0 &&
             ip -n {a} addr add fd00:203::1/64 dev veth0 nodad && ip -n {b} addr add fd00:203::2/64 dev veth0 nodad &&
             ip -n {a} link set veth0 up && ip -n {b} link set veth0 up"
        );
        let made = Command::new("sh").args(["-c", &script]).status().is_ok_and(|status| status.success());
        if !made {
            skipped("cannot make network namespaces");
        }
        made.then_some(net)
    }

    /// A command in one of them.
    fn inside(&self, pod: &Pod, number: usize, program: impl AsRef<std::path::Path>) -> Command {
        let mut command = pod.command("ip");
        command.args(["netns", "exec", &self.names[number]]).arg(program.as_ref());
        command
    }

    /// A server in the first that listens, with its stubs.
    fn server(&self, pod: &Pod) -> Server {
        let mut command = self.inside(pod, 0, pod.path("bin/k8pshd"));
        command.args(["--name", "box", "--generate-local-executables", "--executable-directory"]);
        command.arg(pod.path("stubs"));
        let server = pod.start_until(command, |_| true);
        self.until_listening(pod);
        server
    }

    /// Waits until something listens on this port in the first.
    fn until_listening(&self, pod: &Pod) {
        let wanted = format!(":{} ", pod.port());
        until_true("the server listens", || {
            let listed = Command::new("ip").args(["netns", "exec", &self.names[0], "ss", "-ltn"]).run();
            listed.out().contains(&wanted)
        });
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in &self.names {
            _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

#[test]
fn stubs_of_another_pod_get_in_with_the_token_alone() {
    // IPv6 is shown in its shortest form.
    let [here, there] = [1, 2].map(|host| format!("fd00:203::{host}"));
    for (listen, connect) in [("0.0.0.0", HERE), ("::", HERE), ("::", "fd00:203::1"), (HERE, HERE)] {
        let pod = with_file(&format!("--listen={listen} --connect={connect}"), "cat");
        let Some(net) = Net::new(&pod) else { return };
        let server = net.server(&pod);
        let stub = pod.stub_path("cat");
        assert_eq!(net.inside(&pod, 1, &stub).run_with(b"far").succeeds(), "far");
        // With a wrong one not, and the log says from where.
        let other = pod.path("other");
        fs::write(&other, "wrong").expect("another token");
        let text = fs::read_to_string(pod.config()).expect("the configuration");
        let token = pod.path("token").display().to_string();
        let base = format!("baseDirectory = {}", pod.work().display());
        let text = text.replace(&token, &other.display().to_string()).replace("baseDirectory = work", &base);
        fs::write(pod.path("other.conf"), text).expect("another configuration");
        let outcome = net.inside(&pod, 1, &stub).env("K8PSH_CONFIG", pod.path("other.conf")).run();
        let (shown, peer) = if connect.contains(':') { (&*here, &*there) } else { (HERE, THERE) };
        outcome.fails(125, "cat", &["does not accept this token", shown]);
        until_logged(&server, &format!("{peer}: wrong token"), 1);
    }
}

#[test]
fn a_pulled_cable_ends_both_ends_within_a_minute() {
    let pod = with_file(
        &format!("--listen={HERE} --connect={HERE}"),
        "idle sleep 1000\nbusy sh -c 'while echo x; do sleep 0.2; done'",
    );
    let Some(net) = Net::new(&pod) else { return };
    let server = net.server(&pod);
    let mut stubs: Vec<_> = ["idle", "busy"]
        .iter()
        .map(|name| net.inside(&pod, 1, pod.stub_path(name)).stdout(std::process::Stdio::null()).live())
        .collect();
    pod.until_running("sleep", 2);
    let pulled = Command::new("ip").args(["-n", &net.names[1], "link", "set", "veth0", "down"]).status();
    assert!(pulled.is_ok_and(|status| status.success()));
    let start = Instant::now();
    while !pod.running("sleep").is_empty() || stubs.iter_mut().any(crate::support::Live::is_running) {
        assert!(start.elapsed() < Duration::from_secs(55), "a command or a stub is left: {}", server.log());
        thread::sleep(Duration::from_millis(100));
    }
    assert!(start.elapsed() > Duration::from_secs(20), "{:?}", start.elapsed());
    for stub in &mut stubs {
        assert_eq!(stub.end().code(), Some(125));
    }
}
