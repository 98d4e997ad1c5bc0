//! Requests that are wrong: each gets its own answer and a line in the log, and runs nothing.

use super::*;

/// A body that nobody has said the length of, and so on: what is sent, and the first line of the answer.
const WRONG: [(&str, &str); 22] = [
    ("GET /\r\n\r\n", "400 the first line is not METHOD /PATH HTTP/1.1"),
    ("hello\r\n", "400 the first line is not METHOD /PATH HTTP/1.1"),
    ("\n", "400 the first line is not METHOD /PATH HTTP/1.1"),
    ("\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03", "400 the first line is not METHOD /PATH HTTP/1.1"),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 the first line is not METHOD /PATH HTTP/1.1"),
    ("GET / HTTP/1.1\nHost: h\n\n", "400 the first line is not METHOD /PATH HTTP/1.1"),
    ("GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n", "400 a header line is not NAME: VALUE"),
    ("GET / HTTP/1.1\r\nHost: h\r\nX: \0\r\n\r\n", "400 a header line is not NAME: VALUE"),
    ("GET / HTTP/1.1\r\n\r\n", "400 there is not one Host"),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400 there is not one Host"),
    (
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
        "400 the length of the body is not clear",
    ),
    (
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        "400 the length of the body is not clear",
    ),
    ("GET /other HTTP/1.1\r\nHost: h\r\n\r\n", "404 there is no such command"),
    ("GET /go/ HTTP/1.1\r\nHost: h\r\n\r\n", "404 there is no such command"),
    ("POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", "404 there is no such command"),
    ("PATCH / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", "405 the method is not GET, POST or PUT"),
    ("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "405 the method is not GET, POST or PUT"),
    ("POST / HTTP/1.1\r\nHost: h\r\n\r\nabc", "411 the body has no length"),
    ("PUT / HTTP/1.0\r\n\r\nabc", "411 the body has no length"),
    (
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "501 the coding of the body is not chunked",
    ),
    ("GET / HTTP/2.0\r\nHost: h\r\n\r\n", "505 the version is not HTTP/1.1 or HTTP/1.0"),
    ("GET / HTTP/1.10\r\nHost: h\r\n\r\n", "505 the version is not HTTP/1.1 or HTTP/1.0"),
];

/// The answer is this status and the same as a line of text, and nobody can expect more behind it.
#[track_caller]
fn is_refusal(answer: &Answer, status: &str) {
    assert_eq!(answer.status(), status);
    assert_eq!(answer.text(), format!("{status}\n"));
    assert_eq!(answer.header("Connection"), Some("close"));
}

#[test]
fn a_wrong_request_is_told_what_is_wrong_and_runs_nothing() {
    let pod = pod("", "go touch touched");
    let server = pod.server();
    for (count, (text, status)) in WRONG.into_iter().enumerate() {
        let answer = ask(&pod, text);
        is_refusal(&answer, status);
        assert_eq!(answer.header("Allow"), status.starts_with("405").then_some("GET, POST, PUT"));
        until_true("a line in the log", || server.log().lines().count() == count + 1);
        assert_eq!(server.log().lines().last(), Some(format!("k8pshd: 127.0.0.1: {status}").as_str()), "{text:?}");
    }
    assert!(!pod.work().join("touched").exists());
    assert_eq!(ask(&pod, get("/")).code(), 200);
}

#[test]
fn with_a_token_they_are_told_the_same_and_are_no_attempts() {
    let pod = with_token("", "go touch touched");
    let server = pod.server();
    let authorization = format!("Authorization: Bearer {TOKEN}\r\n");
    for (text, status) in WRONG {
        // A command that is not there is told to nobody without the token. A name that is wrong may be part of a stub's
        // message, unless it is as long as that.
        let text = text.replacen("Host: h\r\n", &format!("Host: h\r\n{authorization}"), 1);
        let mut stream = connect(&pod);
        stream.write_all(text.as_bytes()).expect("the request");
        if text.len() < 48 {
            stream.shutdown(Shutdown::Write).expect("a half-close");
        }
        is_refusal(&Answer::of(&read_to_end(&mut stream)), status);
    }
    assert!(!server.log().contains("token") && !server.log().contains("horse"), "{}", server.log());
    assert!(!pod.work().join("touched").exists());
}

#[test]
fn a_bad_chunk_ends_the_command() {
    let bad = request("POST /", "Transfer-Encoding: chunked\r\n", "3\r\nabcX\r\n");
    // Before the answer has begun, it says so.
    let pod = with_status("", "go sh -c 'cat; echo done >done'");
    let server = pod.server();
    let answer = ask(&pod, &bad);
    assert_eq!(answer.status(), "400 a chunk of the body has no length");
    assert_eq!(answer.text(), "k8pshd: 400 a chunk of the body has no length\n");
    assert!(until_ended(&server, 1)[0].contains("outcome=fault "), "{}", server.log());
    assert!(!pod.work().join("done").exists());
}

#[test]
fn a_bad_chunk_ends_a_stream_without_the_last_chunk() {
    let pod = pod("", "go sh -c 'cat; echo done >done'");
    let server = pod.server();
    let mut stream = connect(&pod);
    stream.write_all(request("POST /", "Transfer-Encoding: chunked\r\n", "3\r\nabc").as_bytes()).expect("the request");
    read_head(&mut stream);
    assert_eq!(read_chunk_line(&mut stream), "abc\r\n");
    stream.write_all(b"X\r\n").expect("a bad one");
    let rest = read_to_end(&mut stream);
    assert!(!rest.windows(4).any(|four| four == b"\n0\r\n"), "{:?}", String::from_utf8_lossy(&rest));
    assert!(until_ended(&server, 1)[0].contains("outcome=fault "), "{}", server.log());
    assert!(!pod.work().join("done").exists());
}

#[test]
fn what_is_too_long_is_told() {
    let long = "x".repeat(20_000);
    for pod in [pod("", "go cat"), with_token("", "go cat")] {
        let _server = pod.server();
        is_refusal(&ask(&pod, get(&format!("/{long}"))), "414 the path is too long");
        let headers = format!("X: {long}\r\n");
        is_refusal(&ask(&pod, request("GET /", &headers, "")), "431 the headers are too long");
    }
}

#[test]
fn a_head_that_comes_too_slowly_is_408() {
    for pod in [pod("", "go touch touched"), with_token("", "go touch touched")] {
        let server = pod.server();
        let mut stream = connect(&pod);
        stream.write_all(b"GET / HTTP/1.1\r\n").expect("a part");
        let mut sender = stream.try_clone().expect("a clone");
        let trickle = thread::spawn(move || {
            for number in 0..1000 {
                thread::sleep(Duration::from_millis(200));
                if sender.write_all(format!("X-{number}: y\r\n").as_bytes()).is_err() {
                    break;
                }
            }
        });
        is_refusal(&Answer::of(&read_to_end(&mut stream)), "408 the request took too long");
        _ = stream.shutdown(Shutdown::Both);
        drop(stream);
        trickle.join().expect("the slow one");
        until_true("a line in the log", || server.log().contains("127.0.0.1: 408 the request took too long"));
        assert!(!pod.work().join("touched").exists());
    }
}

#[test]
fn a_head_that_is_cut_is_told_too() {
    let pod = pod("", "go touch touched");
    let _server = pod.server();
    let mut stream = connect(&pod);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n").expect("a part");
    stream.shutdown(Shutdown::Write).expect("a half-close");
    is_refusal(&Answer::of(&read_to_end(&mut stream)), "408 the request took too long");
    assert!(!pod.work().join("touched").exists());
}

#[test]
fn a_second_request_behind_the_first_is_not_run() {
    let pod = pod("", "go sh -c 'cat; echo >>runs'");
    let server = pod.server();
    let second = post("second\n");
    let chunks = request("POST /", "Transfer-Encoding: chunked\r\n", "6\r\nfirst\n\r\n0\r\n\r\n");
    for first in [post("first\n"), chunks] {
        let answer = ask(&pod, first + &second);
        assert_eq!((answer.text().as_str(), answer.is_whole), ("first\n", true));
        assert_eq!(answer.trailer, "Exit-Status: 0\r\n\r\n");
    }
    until_ended(&server, 2);
    assert_eq!(fs::read_to_string(pod.work().join("runs")).expect("the runs"), "\n\n");
}

#[test]
fn the_token_is_a_bearers_and_another_one_waits() {
    let pod = with_token("", "go sh -c 'echo ran >>runs; cat'");
    let server = pod.server();
    let with = |authorization: &str| request("POST /", &format!("{authorization}Content-Length: 3\r\n"), "in\n");
    let right = with(&format!("Authorization: Bearer {TOKEN}\r\n"));
    assert_eq!(ask(&pod, &right).text(), "in\n");
    let start = Instant::now();
    let wrong = ["", "Authorization: Bearer wrong\r\n", "Authorization: Basic eDp5\r\n"];
    for authorization in wrong {
        let answer = ask(&pod, with(authorization));
        is_refusal(&answer, "401 wrong token, or none");
        assert_eq!(answer.header("WWW-Authenticate"), Some("Bearer"));
    }
    assert_eq!(server.log().matches("127.0.0.1: wrong token").count(), wrong.len(), "{}", server.log());
    // Each has made the next one wait, twice as long: 100, 200 and 400 ms.
    assert_eq!(ask(&pod, &right).text(), "in\n");
    assert!(start.elapsed() >= Duration::from_millis(700), "{:?}", start.elapsed());
    until_ended(&server, 2);
    assert_eq!(fs::read_to_string(pod.work().join("runs")).expect("the runs"), "ran\nran\n");
    assert!(!server.log().contains("horse"), "{}", server.log());
}

#[test]
fn a_path_is_told_to_nobody_without_the_token() {
    let pod = with_token("", "go true");
    let _server = pod.server();
    is_refusal(&ask(&pod, get("/other")), "401 wrong token, or none");
}

#[test]
fn options_that_make_no_sense_are_an_error_at_the_start() {
    for (options, about) in [
        ("--http", "--http: needs --trigger"),
        ("--http=status", "--http: needs --trigger"),
        ("--trigger=go --http --plain=no --token-env=TOKEN", "--http: needs --trigger, and no --plain=no"),
        ("--trigger=go --http=soon", "--http: soon is not one of stream, status"),
        ("--trigger=go --http=", "--http has an empty value, which is not one of stream, status"),
        ("--trigger=go --http --listen=0.0.0.0", "--listen 0.0.0.0: needs --token-file"),
    ] {
        let pod = Pod::with_header(options, "go true");
        pod.k8pshd().args(["--name", "box"]).run().fails(1, "k8pshd", &[about]);
    }
}

#[test]
fn a_stub_without_the_token_is_refused_in_one_line() {
    let http = [pod("", "go true"), with_token("", "go true")];
    for pod in http {
        let server = pod.server();
        let bare = Pod::new("go");
        let text = fs::read_to_string(bare.config()).expect("text");
        fs::write(bare.config(), text.replace(&bare.port().to_string(), &pod.port().to_string()))
            .expect("it is written");
        bare.link_stub("go");
        let outcome = bare.relay_stub("go").run();
        assert!(!outcome.err().contains("frame"), "in words that its user understands: {}", outcome.err());
        outcome.fails(125, "go", &[]);
        until_true("said", || server.log().contains("127.0.0.1"));
    }
}
