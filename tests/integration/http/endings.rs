//! How a session by HTTP ends other than by its command: time, clients that go, a server that ends, and probes of that.

use super::*;

/// A command that has a child and a grandchild which ignore TERM.
const TREE: &str = "go sh -c '(trap \"\" TERM; sleep 1001 & sleep 1002) & echo up; sleep 1003'";

/// Starts the command of a stream, and waits for the first line of its output.
fn until_up(pod: &Pod) -> TcpStream {
    let mut stream = connect(pod);
    stream.write_all(post("").as_bytes()).expect("the request");
    read_head(&mut stream);
    assert_eq!(read_chunk_line(&mut stream), "up\n");
    stream
}

#[test]
fn a_command_that_runs_too_long_is_504_or_has_no_last_chunk() {
    for (pod, status, is_whole) in [
        (pod("--session-timeout=300", TREE), "200 OK", false),
        (with_status("--session-timeout=300", TREE), "504 it took too long", true),
    ] {
        let server = pod.server();
        let answer = ask(&pod, post(""));
        assert_eq!((answer.status(), answer.is_whole), (status, is_whole));
        assert!(answer.text().starts_with("up\n"), "{answer:?}");
        until_true("the tree is gone", || pod.processes().len() == 1);
        assert!(until_ended(&server, 1)[0].contains("outcome=timeout code=124 "), "{}", server.log());
    }
}

#[test]
fn a_command_that_ends_well_when_its_time_is_over_has_not_succeeded() {
    let command = "go sh -c 'trap \"exit 0\" TERM; echo up; while :; do sleep 0.05; done'";
    let pod = pod("--session-timeout=300", command);
    let _server = pod.server();
    let answer = ask(&pod, post(""));
    assert!(answer.text().starts_with("up\n") && !answer.is_whole, "{answer:?}");
}

#[test]
fn a_client_that_goes_ends_the_command_and_its_tree() {
    let pod = pod("", TREE);
    let server = pod.server();
    let half_close: fn(&TcpStream) = |stream| stream.shutdown(Shutdown::Write).expect("a half-close");
    for (count, go) in [half_close, |_| {}].into_iter().enumerate() {
        let stream = until_up(&pod);
        pod.until_running("sleep", 3);
        go(&stream);
        let kept = (count == 0).then_some(stream);
        until_true("the tree is gone", || pod.processes().len() == 1);
        let ends = until_ended(&server, count + 1);
        assert!(ends[count].contains("outcome=gone code=null "), "{ends:?}");
        drop(kept);
    }
    assert!(server.log().contains("go: the client has gone: ending process "), "{}", server.log());
}

#[test]
fn a_client_that_goes_amid_its_body_ends_the_command() {
    for pod in [pod("", "go sh -c 'cat; sleep 1000'"), with_status("", "go sh -c 'cat; sleep 1000'")] {
        let server = pod.server();
        for headers in ["Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n"] {
            let mut stream = connect(&pod);
            stream.write_all(request("POST /", headers, "5\r\nhello\r\n").as_bytes()).expect("a part");
            pod.until_running("cat", 1);
            drop(stream);
            until_true("nothing is left", || pod.processes().len() == 1);
        }
        let ends = until_ended(&server, 2);
        assert!(ends.iter().all(|line| line.contains("outcome=gone ")), "{ends:?}");
    }
}

#[test]
fn a_detached_command_runs_on_without_its_client() {
    let command = "go sh -c 'echo up; while ! [ -e go-on ]; do sleep 0.05; done; echo done >result; exit 5'";
    let pod = pod("--detach-on-close", command);
    let server = pod.server();
    drop(until_up(&pod));
    let mut other = until_up(&pod);
    assert!(!server.log().contains(" end "), "{}", server.log());
    fs::write(pod.work().join("go-on"), "").expect("a file");
    assert_eq!(wait_for_file(pod.work().join("result")), "done\n");
    read_to_end(&mut other);
    let ends = until_ended(&server, 2);
    assert!(ends.iter().all(|line| line.contains("outcome=exit code=5 ")), "{ends:?}");
}

/// A `POST` of a client that would rather not wait.
fn post_async(preference: &str, body: &str) -> String {
    request("POST /", &format!("Prefer: {preference}\r\nContent-Length: {}\r\n", body.len()), body)
}

#[test]
fn a_client_that_does_not_wait_gets_the_name_of_the_session_and_the_command_the_whole_body() {
    // More than the pipe and the session hold, to a command that reads it late and writes more than anybody takes.
    let body = "0123456789abcde\n".repeat(200_000);
    let command = "go sh -c 'seq 200000; while ! [ -e go-on ]; do sleep 0.05; done; wc -c >result; exit 5'";
    let words = ["respond-async", "Respond-Async; wait=10", "wait=10, respond-async"];
    for (pod, word) in [pod("--detach-on-close", command), with_status("--detach-on-close", command)]
        .iter()
        .flat_map(|pod| words.map(|word| (pod, word)))
    {
        let server = pod.server();
        for body in ["", "few\n", &body] {
            _ = fs::remove_file(pod.work().join("go-on"));
            _ = fs::remove_file(pod.work().join("result"));
            let before = server.log().matches(" end session=").count();
            let is_large = body.len() > 1000;
            if is_large {
                // Nobody is answered before the body has come, and it comes only as the command reads it.
                fs::write(pod.work().join("go-on"), "").expect("a file");
            }
            let answer = ask(pod, post_async(word, body));
            assert_eq!(answer.status(), "202 it runs", "{word}");
            assert_eq!(answer.header("Preference-Applied"), Some("respond-async"));
            assert!(answer.is_whole);
            let name = answer.text().trim_end().to_owned();
            assert!(server.log().contains(&format!(" start session={name} ")), "{name}: {}", server.log());
            fs::write(pod.work().join("go-on"), "").expect("a file");
            until_true("all of it was read", || {
                fs::read_to_string(pod.work().join("result")).is_ok_and(|count| count == format!("{}\n", body.len()))
            });
            let ends = until_ended(&server, before + 1);
            let end = ends.last().expect("an end");
            let wanted = [format!("session={name} "), "outcome=exit code=5 ".to_owned(), " status=202".to_owned()];
            assert!(wanted.iter().all(|wanted| end.contains(wanted)), "{end}");
        }
    }
}

#[test]
fn a_client_that_does_not_wait_gets_the_usual_answer_where_the_command_ends_with_it() {
    for (options, preference) in
        [("", "respond-async"), ("--detach-on-close", "wait=5"), ("--detach-on-close", "respond-asynchronous")]
    {
        let pod = with_status(options, "go sh -c 'cat; exit 3'");
        let _server = pod.server();
        let answer = ask(&pod, post_async(preference, "body"));
        assert_eq!((answer.status(), answer.text().as_str()), ("500 it failed", "body"), "{options} {preference}");
    }
    // So does one whose command cannot be started, and one whose body makes no sense.
    let pod = pod("--detach-on-close", "go /nowhere/program");
    let _server = pod.server();
    assert_eq!(ask(&pod, post_async("respond-async", "body")).code(), 500);
    let chunks = "Prefer: respond-async\r\nTransfer-Encoding: chunked\r\n";
    let pod = self::pod("--detach-on-close", "go cat");
    let _server = pod.server();
    assert_eq!(ask(&pod, request("POST /", chunks, "5\r\nhello\r\nx\r\n")).code(), 400);
}

#[test]
fn the_log_has_method_path_and_status() {
    for (format, start, end) in [
        ("text", " method=\"PUT\" path=\"/go\"", " status="),
        ("json", ",\"method\":\"PUT\",\"path\":\"/go\"}", ",\"status\":"),
    ] {
        for (pod, code, status) in [
            (pod(&format!("--log={format}"), "go sh -c 'exit 3'"), 3, 200),
            (with_status(&format!("--log={format}"), "go sh -c 'exit 3'"), 3, 500),
            (with_status(&format!("--log={format}"), "go true"), 0, 200),
            (with_status(&format!("--log={format}"), "go /nowhere/program"), 127, 500),
        ] {
            let server = pod.server();
            ask(&pod, request("PUT /go?secret=1", "Content-Length: 0\r\n", ""));
            let log = until("the session has ended", || {
                let log = server.log();
                log.contains(&format!("{end}{status}")).then_some(log)
            });
            assert!(log.lines().any(|line| line.contains(start)) && !log.contains("secret"), "{code}: {log}");
        }
    }
}

#[test]
fn the_answer_ends_with_the_command_whoever_it_leaves_behind() {
    for pod in [pod("", "go sh -c 'sleep 1000 & echo up'"), with_status("", "go sh -c 'sleep 1000 & echo up'")] {
        let server = pod.server();
        let answer = ask(&pod, post(""));
        assert_eq!((answer.text().as_str(), answer.is_whole), ("up\n", true));
        until_ended(&server, 1);
        pod.until_running("sleep", 1)[0].signal(Signal::SIGKILL);
    }
}

#[test]
fn a_command_that_does_not_read_its_body_is_answered_all_the_same() {
    let pod = pod("", "go sh -c 'exec <&-; echo done'");
    let _server = pod.server();
    let answer = ask(&pod, post(&"x".repeat(100_000)));
    assert_eq!((answer.text().as_str(), answer.is_whole), ("done\n", true));
}

#[test]
fn probes_run_nothing_and_need_no_token() {
    for pod in [pod("", "go touch touched"), with_status("", "go touch touched"), with_token("", "go touch touched")] {
        let server = pod.server();
        for probe in [get("/healthz"), get("/healthz?verbose"), "GET /healthz HTTP/1.0\r\n\r\n".to_owned()] {
            let answer = ask(&pod, probe);
            assert_eq!((answer.status(), answer.text().as_str()), ("200 OK", "200 OK\n"));
        }
        assert_eq!(pod.k8psh().args(["--probe", "box"]).run().succeeds(), "");
        assert_eq!(server.log(), "");
        assert!(!pod.work().join("touched").exists());
    }
}

#[test]
fn a_probe_is_answered_while_all_sessions_are_busy() {
    let pod = pod("--max-sessions=1", "go sh -c 'echo up; read line'");
    let _server = pod.server();
    let stream = until_up_with_open_body(&pod);
    assert_eq!(ask(&pod, get("/healthz")).code(), 200);
    drop(stream);
}

/// The same as [`until_up`], but the body has not ended.
fn until_up_with_open_body(pod: &Pod) -> TcpStream {
    let mut stream = connect(pod);
    stream.write_all(request("POST /", "Transfer-Encoding: chunked\r\n", "").as_bytes()).expect("the request");
    read_head(&mut stream);
    assert_eq!(read_chunk_line(&mut stream), "up\n");
    stream
}

#[test]
fn a_server_that_drains_lets_a_request_finish_and_is_not_healthy() {
    // The probe has a moment alone (`limits::DRAIN_MS`), which a busy machine may take from it.
    let is_seen = (0..10).any(|_| {
        let pod = pod("", "go sh -c 'echo up; read line; echo $line'");
        let mut server = pod.server();
        let mut stream = until_up_with_open_body(&pod);
        let mut probe = connect(&pod);
        probe.write_all(b"GET /healthz HTTP/1.1\r\nHost: box\r\n").expect("a part");
        // Another one behind it: the server has accepted both.
        assert_eq!(ask(&pod, get("/healthz")).code(), 200);
        server.signal(Signal::SIGTERM);
        until_true("it drains", || !is_listening(pod.port()));
        let is_taken = probe.write_all(b"\r\n").is_ok();
        let bytes = read_to_end(&mut probe);
        stream.write_all(b"5\r\nlast\n\r\n0\r\n\r\n").expect("the rest of the body");
        let rest = read_to_end(&mut stream);
        assert!(rest.ends_with(b"5\r\nlast\n\r\n0\r\nExit-Status: 0\r\n\r\n"), "{:?}", String::from_utf8_lossy(&rest));
        drop((stream, probe));
        assert!(server.end().success());
        is_taken && bytes.starts_with(b"HTTP/1.1 503 the server ends\r\n")
    });
    assert!(is_seen, "a probe is told that the server ends");
}

#[test]
fn a_section_for_everybody_needs_no_token() {
    let pod = pod("--listen=0.0.0.0 --no-token", "go cat");
    let _server = pod.start_until(pod.k8pshd_with_stubs(), is_listening_anywhere);
    assert_eq!(ask(&pod, post("in\n")).text(), "in\n");
    // A token that nobody has asked for does no harm.
    let answer = ask(&pod, request("GET /", "Authorization: Bearer x\r\n", ""));
    assert_eq!((answer.code(), answer.is_whole), (200, true));
}

#[test]
fn a_stub_with_the_token_sets_it_off_at_the_same_port() {
    let pod = with_token("", "go sh -c 'cat; echo error >&2; exit 7'");
    let server = pod.server();
    let outcome = pod.k8psh().arg("go").run_with(b"input\n");
    assert_eq!(outcome.code(), Some(7), "{}", outcome.err());
    assert_eq!((outcome.out().as_str(), outcome.err().as_str()), ("input\n", "error\n"));
    until_true("logged", || server.log().contains("outcome=exit code=7 "));
    let right = format!("Authorization: Bearer {TOKEN}\r\nContent-Length: 3\r\n");
    assert_eq!(ask(&pod, request("POST /", &right, "in\n")).text(), "in\nerror\n");
}
