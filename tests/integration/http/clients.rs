//! The clients of other people, each as its users call it.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// The number that curl exits with when an answer ends too early.
const PARTIAL: i32 = 18;

/// What these programs send and get, by a script in which `URL` stands for the section's.
const CLIENTS: [(&str, &str); 8] = [
    ("curl", "echo hello | curl -sSN --data-binary @- URL"),
    ("curl", "echo hello | curl -sS -T - URL/go"),
    ("curl", "echo hello | curl -sS -0 --data-binary @- URL"),
    ("curl", "echo hello >file; curl -sS -H 'Expect: 100-continue' --data-binary @file URL"),
    ("wget", "wget -qO- --post-data='hello\n' URL"),
    ("busybox", "busybox wget -qO- --post-data='hello\n' URL"),
    (
        "python3",
        "python3 -c 'import http.client as h; c = h.HTTPConnection(\"127.0.0.1\", PORT); \
         c.request(\"POST\", \"/\", b\"hello\\n\"); print(c.getresponse().read().decode(), end=\"\")'",
    ),
    (
        "node",
        "node -e 'fetch(\"URL\", {method: \"POST\", body: \"hello\\n\"}).then(r => r.text())\
         .then(t => process.stdout.write(t))'",
    ),
];

fn script(pod: &Pod, script: &str) -> String {
    script.replace("URL", &format!("http://127.0.0.1:{}", pod.port())).replace("PORT", &pod.port().to_string())
}

#[test]
fn any_client_will_do() {
    let numbers: String = (1..=2000).map(|number| format!("{number}\n")).collect();
    let command = "go sh -c 'read line; echo $line, you; seq 2000'";
    for pod in [pod("", command), with_status("", command)] {
        let server = pod.server();
        let mut count = 0;
        for (program, text) in CLIENTS {
            if lacks_programs(&[program]) {
                continue;
            }
            let outcome = pod.command("sh").args(["-c", &script(&pod, text)]).run();
            assert_eq!(outcome.out(), format!("hello, you\n{numbers}"), "{text}: {}", outcome.err());
            assert!(outcome.status.success(), "{text}: {}", outcome.err());
            count += 1;
            assert!(until_ended(&server, count)[count - 1].contains("outcome=exit code=0 "), "{text}");
        }
    }
}

#[test]
fn curl_notices_a_command_that_fails() {
    if lacks_programs(&["curl"]) {
        return;
    }
    let stream = pod("", "go sh -c 'echo out; exit 3'");
    let _server = stream.server();
    let outcome = stream.command("sh").args(["-c", &script(&stream, "curl -sSN -d x URL")]).run();
    assert_eq!((outcome.code(), outcome.out().as_str()), (Some(PARTIAL), "out\n"), "{}", outcome.err());
    let status = with_status("", "go sh -c 'echo out; exit 3'");
    let _server = status.server();
    let outcome = status.command("sh").args(["-c", &script(&status, "curl -sS --fail-with-body -d x URL")]).run();
    assert_eq!((outcome.code(), outcome.out().as_str()), (Some(22), "out\n"), "{}", outcome.err());
}

#[test]
fn curl_sees_output_as_it_comes() {
    if lacks_programs(&["curl"]) {
        return;
    }
    let pod = pod("", "go sh -c 'echo up; while ! [ -e go-on ]; do sleep 0.05; done; echo done'");
    let _server = pod.server();
    let mut curl = pod
        .command("sh")
        .args(["-c", &script(&pod, "exec curl -sSN -d x URL")])
        .stdout(std::process::Stdio::piped())
        .live();
    let stdout = curl.stdout.as_mut().expect("stdout");
    assert_eq!(read_line(stdout), "up\n");
    fs::write(pod.work().join("go-on"), "").expect("a file");
    assert_eq!(read_line(curl.stdout.as_mut().expect("stdout")), "done\n");
    assert_eq!(curl.end().code(), Some(0));
}

#[test]
fn curl_sends_and_gets_large_files() {
    if lacks_programs(&["curl", "sha256sum"]) {
        return;
    }
    let pod = pod("", "go cat");
    let _server = pod.server();
    fs::write(pod.work().join("sent"), large()).expect("a file");
    for way in ["--data-binary @sent", "-T sent", "-H 'Transfer-Encoding: chunked' -T sent", "-0 --data-binary @sent"] {
        let text =
            script(&pod, &format!("curl -sS {way} -o got URL/go && cat sent | sha256sum && cat got | sha256sum"));
        let sums = pod.command("sh").args(["-c", &text]).run().succeeds();
        let lines: Vec<_> = sums.lines().collect();
        assert!(lines.len() == 2 && lines[0] == lines[1], "{way}: {sums}");
    }
}

#[test]
fn curl_with_the_token() {
    if lacks_programs(&["curl"]) {
        return;
    }
    let pod = with_token("", "go cat");
    let _server = pod.server();
    let text = script(&pod, "curl -sSN -H \"Authorization: Bearer $TOKEN\" -d x URL");
    assert_eq!(pod.command("sh").args(["-c", &text]).env("TOKEN", TOKEN).run().succeeds(), "x");
    let wrong = pod.command("sh").args(["-c", &text]).env("TOKEN", "wrong").run().succeeds();
    assert_eq!(wrong, "401 wrong token, or none\n");
    // A large body that nobody reads does not cost it the reason.
    fs::write(pod.work().join("sent"), large()).expect("a file");
    let text = script(&pod, "curl -sS -H 'Expect:' --data-binary @sent URL");
    let outcome = pod.command("sh").args(["-c", &text]).run();
    assert_eq!(outcome.out(), "401 wrong token, or none\n", "{}", outcome.err());
}

#[test]
fn ctrl_c_at_curl_ends_the_command() {
    if lacks_programs(&["curl"]) {
        return;
    }
    let pod = pod("", "go sh -c 'echo up; sleep 1000'");
    let server = pod.server();
    let mut curl = pod
        .command("sh")
        .args(["-c", &script(&pod, "exec curl -sSN -d x URL")])
        .stdout(std::process::Stdio::piped())
        .live();
    assert_eq!(read_line(curl.stdout.as_mut().expect("stdout")), "up\n");
    curl.signal(Signal::SIGINT);
    curl.end();
    until_true("nothing is left", || pod.processes().len() == 1);
    assert!(until_ended(&server, 1)[0].contains("outcome=gone "), "{}", server.log());
}

#[test]
fn the_client_of_the_netcat_loop_is_told_what_it_speaks_to() {
    if lacks_programs(&["nc"]) {
        return;
    }
    let pod = pod("", "go touch touched");
    let server = pod.server();
    let answer = pod.command("sh").args(["-c", &script(&pod, "echo hello | nc -w 5 127.0.0.1 PORT")]).run().out();
    assert!(answer.ends_with("400 the first line is not METHOD /PATH HTTP/1.1\n"), "{answer}");
    until_true("said", || server.log().contains("127.0.0.1: 400 "));
    assert!(!pod.work().join("touched").exists());
}

#[test]
fn of_2000_calls_at_64_at_a_time_each_runs_once() {
    const CALLS: usize = 2000;
    // A line is one write to the end of the file, so the command itself counts.
    let pod = with_token("", "go ?QUERY_STRING= sh -c 'echo $QUERY_STRING >>runs; cat'");
    let server = pod.server();
    let next = AtomicUsize::new(0);
    let call = || {
        while let Some(number) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < CALLS) {
            let body = format!("call {number}\n");
            let headers = format!("Authorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n", body.len());
            let answer = ask(&pod, request(&format!("POST /?{number}"), &headers, &body));
            assert_eq!((answer.code(), answer.text(), answer.is_whole), (200, body, true), "{number}");
        }
    };
    thread::scope(|scope| (0..64).for_each(|_| drop(scope.spawn(call))));
    let runs = fs::read_to_string(pod.work().join("runs")).expect("the runs");
    let mut runs: Vec<usize> = runs.lines().map(|line| line.parse().expect("a whole line")).collect();
    runs.sort_unstable();
    assert!(runs.iter().copied().eq(0..CALLS), "lost or run twice: {} runs of {CALLS}", runs.len());
    assert_eq!(until_ended(&server, CALLS).len(), CALLS);
}
