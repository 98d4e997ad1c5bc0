//! Triggers that speak HTTP, as their clients see them.

mod clients;
mod endings;
mod programs;
mod wrong;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{
    DEADLINE, Pod, Run, Server, assert_same, is_listening, is_listening_anywhere, lacks_programs, read_line, until,
    until_true, wait_for_file,
};
use nix::sys::signal::Signal;

/// A token that nobody else has.
const TOKEN: &str = "correct horse battery staple";

/// A Pod whose section is a trigger by HTTP of the first of these commands, `go`.
fn pod(options: &str, commands: &str) -> Pod {
    Pod::with_header(&format!("--trigger=go --http {options}"), commands)
}

/// One whose answers have the status.
fn with_status(options: &str, commands: &str) -> Pod {
    Pod::with_header(&format!("--trigger=go --http=status {options}"), commands)
}

/// One with the token in a file.
fn with_token(options: &str, commands: &str) -> Pod {
    by_token("--http", options, commands)
}

/// One with the token whose answers have the status.
fn with_status_and_token(options: &str, commands: &str) -> Pod {
    by_token("--http=status", options, commands)
}

fn by_token(http: &str, options: &str, commands: &str) -> Pod {
    Pod::custom(|pod| {
        let file = pod.path("token");
        fs::write(&file, format!("{TOKEN}\n")).expect("the token");
        let section = pod.section(&format!("=PATH= --trigger=go {http} --token-file={} {options}", file.display()));
        format!("baseDirectory = work\nconnectTimeoutMs = 20000\n{section}\n{commands}\n")
    })
}

fn connect(pod: &Pod) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", pod.port())).expect("a connection");
    stream.set_read_timeout(Some(DEADLINE)).expect("a time-out");
    stream.set_write_timeout(Some(DEADLINE)).expect("a time-out");
    stream
}

/// An answer, or as much of it as came.
#[derive(Debug)]
struct Answer {
    head: String,
    body: Vec<u8>,
    /// Whether its end has come: the last chunk, or as many bytes as were promised.
    is_whole: bool,
    /// What is behind the last chunk.
    trailer: String,
}

impl Answer {
    /// The first three digits, and the rest of the first line.
    #[track_caller]
    fn status(&self) -> &str {
        self.head.lines().next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).expect("a first line")
    }

    #[track_caller]
    fn code(&self) -> u16 {
        self.status()[..3].parse().expect("a number")
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn of(bytes: &[u8]) -> Answer {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| {
            panic!("no head: {:?}", String::from_utf8_lossy(bytes));
        });
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut answer = Answer { head, body: bytes[end + 4..].to_vec(), is_whole: true, trailer: String::new() };
        if answer.header("Transfer-Encoding") == Some("chunked") {
            answer.unchunk();
        } else if let Some(length) = answer.header("Content-Length") {
            answer.is_whole = length.parse() == Ok(answer.body.len());
        }
        answer
    }

    fn unchunk(&mut self) {
        let bytes = std::mem::take(&mut self.body);
        let (mut rest, mut size) = (&bytes[..], 1);
        while !rest.is_empty() && size > 0 {
            let end = rest.windows(2).position(|pair| pair == b"\r\n").expect("a chunk's line");
            let line = std::str::from_utf8(&rest[..end]).expect("text");
            size = usize::from_str_radix(line, 16).expect("a chunk's size");
            rest = &rest[end + 2..];
            if size > 0 {
                self.body.extend_from_slice(&rest[..size]);
                rest = rest[size..].strip_prefix(b"\r\n").expect("a chunk's end");
            }
        }
        self.is_whole = size == 0;
        self.trailer = String::from_utf8_lossy(rest).into_owned();
    }
}

/// Reads until the other end closes, or resets.
fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let (mut bytes, mut room) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        match stream.read(&mut room) {
            Ok(0) => return bytes,
            Ok(count) => bytes.extend_from_slice(&room[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return bytes,
            Err(error) => panic!("{error}, behind {:?}", String::from_utf8_lossy(&bytes)),
        }
    }
}

/// Sends these bytes and nothing more, and reads the answer.
fn ask(pod: &Pod, request: impl AsRef<[u8]>) -> Answer {
    let mut stream = connect(pod);
    stream.write_all(request.as_ref()).expect("the server takes it");
    Answer::of(&read_to_end(&mut stream))
}

/// A request with these header lines beside `Host`.
fn request(line: &str, headers: &str, body: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: box\r\n{headers}\r\n{body}")
}

/// A `POST` with this body.
fn post(body: &str) -> String {
    request("POST /", &format!("Content-Length: {}\r\n", body.len()), body)
}

fn get(path: &str) -> String {
    request(&format!("GET {path}"), "", "")
}

/// Reads the head of an answer, and no more.
fn read_head(stream: &mut TcpStream) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let line = read_line(stream);
        assert!(line.ends_with('\n'), "{head}{line}");
        head += &line;
    }
    head
}

/// Reads the first line of a chunk behind its size.
fn read_chunk_line(stream: &mut TcpStream) -> String {
    let size = read_line(stream);
    assert!(usize::from_str_radix(size.trim_end(), 16).is_ok_and(|size| size > 0), "{size:?}");
    read_line(stream)
}

/// The lines of the log that tell of an end, once there are so many.
fn until_ended(server: &Server, count: usize) -> Vec<String> {
    until(&format!("{count} sessions have ended"), || {
        let ends: Vec<_> =
            server.log().lines().filter(|line| line.contains(" end session=")).map(str::to_owned).collect();
        (ends.len() >= count).then_some(ends)
    })
}

#[test]
fn output_is_seen_before_the_command_ends_and_both_streams_in_their_order() {
    let pod = pod("", "go sh -c 'echo one; echo two >&2; cat; echo three; read line <go-on; echo $line'");
    nix::unistd::mkfifo(&pod.work().join("go-on"), nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    let server = pod.server();
    let mut stream = connect(&pod);
    stream.write_all(post("body\n").as_bytes()).expect("the request");
    let mut seen = read_head(&mut stream);
    let mut room = [0; 1000];
    while !seen.contains("three") {
        let count = stream.read(&mut room).expect("output");
        assert!(count > 0, "{seen}");
        seen += std::str::from_utf8(&room[..count]).expect("text");
    }
    assert_eq!(pod.running("sh").len(), 1, "it has not ended");
    fs::write(pod.work().join("go-on"), "four\n").expect("it goes on");
    seen += &String::from_utf8_lossy(&read_to_end(&mut stream));
    let answer = Answer::of(seen.as_bytes());
    assert_eq!(answer.status(), "200 OK");
    assert_eq!(answer.text(), "one\ntwo\nbody\nthree\nfour\n");
    assert_eq!((answer.is_whole, answer.trailer.as_str()), (true, "Exit-Status: 0\r\n\r\n"));
    let ends = until_ended(&server, 1);
    assert!(
        ends[0].contains("command=\"go\" outcome=exit code=0 ") && ends[0].ends_with(" in=5 out=24 status=200"),
        "{ends:?}"
    );
}

#[test]
fn every_method_and_path_of_the_command_runs_it() {
    let pod = pod("", "go ?REQUEST_METHOD= ?QUERY_STRING= sh -c 'echo $REQUEST_METHOD $QUERY_STRING; cat'");
    let _server = pod.server();
    for path in ["/", "/go", "/?a=b", "/go?a=b"] {
        let query = path.split_once('?').map_or("", |(_, query)| query);
        for method in ["GET", "POST", "PUT"] {
            let head = format!("{method} {query}").trim_end().to_owned();
            let length = "Content-Length: 3\r\n";
            let answer = ask(&pod, request(&format!("{method} {path}"), length, "in\n"));
            assert_eq!((answer.text(), answer.is_whole), (format!("{head}\nin\n"), true), "{method} {path}");
        }
    }
    // By HTTP/1.0, without Host and without chunks.
    let answer = ask(&pod, "POST /go HTTP/1.0\r\nContent-Length: 3\r\n\r\nin\n");
    assert_eq!((answer.text(), answer.header("Transfer-Encoding")), ("POST\nin\n".to_owned(), None));
    assert_eq!(answer.header("Connection"), Some("close"));
}

#[test]
fn a_body_is_stdin_by_its_length_and_in_chunks() {
    let pod = pod("", "go cat");
    let server = pod.server();
    let chunked = "Transfer-Encoding: chunked\r\n";
    for (headers, body, wanted) in [
        ("Content-Length: 0\r\n", "", ""),
        ("Content-Length: 8\r\n", "in\0put\r\n", "in\0put\r\n"),
        (chunked, "0\r\n\r\n", ""),
        (chunked, "3\r\nin\n\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n", "in\n0123456789"),
    ] {
        let answer = ask(&pod, request("PUT /", headers, body));
        assert_eq!((answer.text().as_str(), answer.is_whole), (wanted, true), "{headers}");
    }
    assert_eq!(ask(&pod, get("/")).text(), "");
    until_ended(&server, 5);
}

#[test]
fn a_request_in_pieces_is_the_same() {
    let pod = pod("", "go cat");
    let _server = pod.server();
    let chunks = request("POST /", "Transfer-Encoding: chunked\r\n", "3\r\nin\n\r\n4;x\r\nput\n\r\n0\r\n\r\n");
    for text in [post("in\nput\n"), chunks] {
        let mut stream = connect(&pod);
        stream.set_nodelay(true).expect("pieces");
        for byte in text.bytes() {
            stream.write_all(&[byte]).expect("a byte");
            thread::sleep(Duration::from_millis(1));
        }
        let answer = Answer::of(&read_to_end(&mut stream));
        assert_eq!((answer.text().as_str(), answer.is_whole), ("in\nput\n", true), "{text}");
    }
}

#[test]
fn the_answer_does_not_wait_for_the_end_of_the_body() {
    let pod = pod("", "go sh -c 'echo up; while read line; do echo got $line; done'");
    let _server = pod.server();
    let mut stream = connect(&pod);
    stream.write_all(request("POST /", "Transfer-Encoding: chunked\r\n", "").as_bytes()).expect("the head");
    read_head(&mut stream);
    let chunk = |stream: &mut TcpStream| (read_line(stream), read_line(stream), read_line(stream)).1;
    assert_eq!(chunk(&mut stream), "up\n");
    for word in ["one", "two"] {
        stream.write_all(format!("4\r\n{word}\n\r\n").as_bytes()).expect("a chunk");
        assert_eq!(chunk(&mut stream), format!("got {word}\n"));
    }
    stream.write_all(b"0\r\n\r\n").expect("the end");
    assert_eq!(read_to_end(&mut stream), b"0\r\nExit-Status: 0\r\n\r\n");
}

#[test]
fn who_waits_for_a_word_before_the_body_gets_it() {
    for (pod, status) in [(pod("", "go cat"), "200 OK"), (with_status("", "go sh -c 'cat; exit 3'"), "500 it failed")] {
        let _server = pod.server();
        let mut stream = connect(&pod);
        let headers = "Content-Length: 3\r\nExpect: 100-continue\r\n";
        stream.write_all(request("POST /", headers, "").as_bytes()).expect("the head");
        assert_eq!(read_head(&mut stream), "HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"in\n").expect("the body");
        let answer = Answer::of(&read_to_end(&mut stream));
        assert_eq!((answer.status(), answer.text().as_str()), (status, "in\n"));
    }
}

#[test]
fn a_command_that_fails_ends_a_stream_without_the_last_chunk() {
    for script in ["exit 3", "kill -9 $$", "kill $$"] {
        let pod = pod("", &format!("go sh -c 'echo one; {script}'"));
        let _server = pod.server();
        let answer = ask(&pod, post(""));
        assert_eq!((answer.status(), answer.text().as_str(), answer.is_whole), ("200 OK", "one\n", false), "{script}");
        assert_eq!(answer.header("Trailer"), Some("Exit-Status"));
    }
}

#[test]
fn an_answer_with_the_status_comes_at_the_end() {
    for (script, status, exit) in [
        ("exit 0", "200 OK", "0"),
        ("exit 3", "500 it failed", "3"),
        ("exit 255", "500 it failed", "255"),
        ("kill -9 $$", "500 it failed", "137"),
        ("kill $$", "500 it failed", "143"),
    ] {
        let pod = with_status("", &format!("go sh -c 'echo one; echo two >&2; cat; {script}'"));
        let _server = pod.server();
        for answer in [ask(&pod, post("in\n")), ask(&pod, "PUT / HTTP/1.0\r\nContent-Length: 3\r\n\r\nin\n")] {
            assert_eq!((answer.status(), answer.header("Exit-Status")), (status, Some(exit)), "{script}");
            assert_eq!((answer.text().as_str(), answer.is_whole), ("one\ntwo\nin\n", true), "{script}");
        }
    }
}

#[test]
fn an_answer_with_the_status_says_where_its_output_is_cut() {
    for (length, is_cut) in [(65536, false), (65537, true), (3_000_000, true)] {
        let pod = with_status("", &format!("go sh -c 'head -c {length} /dev/zero; exit 1'"));
        let server = pod.server();
        let answer = ask(&pod, post(""));
        let wanted =
            if is_cut { [&[0; 65536][..], b"\n(cut: longer than 64 KiB)\n"].concat() } else { vec![0; length] };
        assert_same(&answer.body, &wanted);
        assert_eq!((answer.status(), answer.is_whole), ("500 it failed", true));
        let ends = until_ended(&server, 1);
        assert!(
            ends[0].contains("outcome=exit code=1 ") && ends[0].ends_with(&format!(" out={length} status=500")),
            "{ends:?}"
        );
    }
}

#[test]
fn the_command_learns_what_its_section_lists() {
    let variables = "?REQUEST_METHOD= ?QUERY_STRING= ?CONTENT_TYPE= ?CONTENT_LENGTH= ?REMOTE_ADDR= ?HTTP_X_EVENT= \
        ?HTTP_AUTHORIZATION= ?HTTP_PROXY= ?HTTP_MISSING= ?SCRIPT_NAME= ?PATH_INFO=";
    let pod = pod("", &format!("go {variables} env"));
    let _server = pod.server();
    let headers = "Content-Type: a/b\r\nContent-Length: 0\r\nX-Event: push it\r\nX-Other: no\r\nAuthorization: Bearer t\r\n\
        Proxy: evil:1\r\nHOME: /evil\r\n";
    let answer = ask(&pod, request("POST /go?a=1&b=$(id)", headers, "")).text();
    let mut lines: Vec<_> = answer.lines().filter(|line| !line.starts_with("K8PSH_TEST=")).collect();
    lines.retain(|line| !line.starts_with("PATH="));
    lines.sort_unstable();
    let wanted = [
        "CONTENT_LENGTH=0",
        "CONTENT_TYPE=a/b",
        "HTTP_X_EVENT=push it",
        "QUERY_STRING=a=1&b=$(id)",
        "REMOTE_ADDR=127.0.0.1",
        "REQUEST_METHOD=POST",
        "SCRIPT_NAME=/go",
    ];
    assert_eq!(lines, wanted);
}

#[test]
fn a_section_that_lists_nothing_learns_nothing() {
    let pod = pod("", "go env");
    let _server = pod.server();
    let headers = "Content-Length: 0\r\nX-Event: push\r\nContent-Type: a/b\r\n";
    let answer = ask(&pod, request("POST /?QUERY", headers, "")).text();
    let is_its_own = |line: &&str| ["K8PSH_TEST=", "PATH="].iter().any(|name| line.starts_with(name));
    assert_eq!(answer.lines().filter(|line| !is_its_own(line)).count(), 0, "{answer}");
}

#[test]
fn two_hundred_calls_at_sixteen_at_a_time_run_two_hundred_times() {
    let pod = pod("--log=none", "go sh -c 'read line; echo $line >>runs; echo done $line'");
    let _server = pod.server();
    let pod = &pod;
    thread::scope(|scope| {
        for first in 0..16 {
            scope.spawn(move || {
                for number in (first..200).step_by(16) {
                    let answer = ask(pod, post(&format!("{number}\n")));
                    assert_eq!((answer.text(), answer.is_whole), (format!("done {number}\n"), true));
                }
            });
        }
    });
    let runs = fs::read_to_string(pod.work().join("runs")).expect("the runs");
    let mut runs: Vec<u32> = runs.lines().map(|line| line.parse().expect("a number")).collect();
    runs.sort_unstable();
    assert!(runs.iter().copied().eq(0..200), "lost or doubled: {} runs", runs.len());
}

/// 8 MiB without a pattern that a piece in the wrong place would keep.
fn large() -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(8);
    std::iter::repeat_with(|| random.u8(..)).take(8 << 20).collect()
}

#[test]
fn a_large_body_and_a_large_answer_pass_unharmed() {
    let pod = pod("", "go cat");
    let server = pod.server();
    let bytes = large();
    for is_chunked in [false, true] {
        let mut stream = connect(&pod);
        let mut sender = stream.try_clone().expect("a clone");
        let bytes = &bytes;
        let answer = thread::scope(|scope| {
            scope.spawn(move || {
                if is_chunked {
                    sender
                        .write_all(request("POST /", "Transfer-Encoding: chunked\r\n", "").as_bytes())
                        .expect("a head");
                    for piece in bytes.chunks(50_001) {
                        sender.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).expect("a size");
                        sender.write_all(piece).expect("a piece");
                        sender.write_all(b"\r\n").expect("its end");
                    }
                    sender.write_all(b"0\r\n\r\n").expect("the end");
                } else {
                    let length = format!("Content-Length: {}\r\n", bytes.len());
                    sender.write_all(request("POST /", &length, "").as_bytes()).expect("a head");
                    sender.write_all(bytes).expect("the body");
                }
            });
            Answer::of(&read_to_end(&mut stream))
        });
        assert_same(&answer.body, bytes);
        assert!(answer.is_whole, "{is_chunked}");
    }
    let ends = until_ended(&server, 2);
    assert!(ends.iter().all(|line| line.ends_with(" in=8388608 out=8388608 status=200")), "{ends:?}");
}

#[test]
fn a_slow_reader_gets_the_whole_answer() {
    let pod = pod("", "go sh -c 'head -c 30000000 /dev/zero; echo end'");
    let server = pod.server();
    let mut stream = connect(&pod);
    stream.write_all(post("").as_bytes()).expect("the request");
    let (mut bytes, mut room, mut slow) = (Vec::new(), vec![0; 1 << 16], 0);
    loop {
        let count = stream.read(&mut room).expect("the answer");
        if count == 0 {
            break;
        }
        bytes.extend_from_slice(&room[..count]);
        if bytes.len() > (slow + 1) * 10_000_000 {
            slow += 1;
            // Longer than a session waits for who reads nothing.
            thread::sleep(Duration::from_millis(2500));
        }
    }
    let answer = Answer::of(&bytes);
    assert_eq!((answer.body.len(), answer.is_whole), (30_000_004, true));
    assert!(answer.body.ends_with(b"end\n"));
    let ends = until_ended(&server, 1);
    assert!(ends[0].contains("outcome=exit code=0 ") && ends[0].ends_with(" out=30000004 status=200"), "{ends:?}");
}

#[test]
fn a_command_that_cannot_be_started_is_500_with_the_reason() {
    for pod in [pod("", "go missing-program"), with_status("", "go missing-program")] {
        let server = pod.server();
        let answer = ask(&pod, post("in\n"));
        assert_eq!((answer.status(), answer.header("Exit-Status")), ("500 it failed", Some("127")));
        assert!(answer.text().contains("missing-program") && answer.text().ends_with('\n'), "{answer:?}");
        assert_eq!((answer.text().lines().count(), answer.is_whole), (1, true), "{answer:?}");
        assert!(until_ended(&server, 1)[0].contains("outcome=refused code=127 "), "{}", server.log());
    }
}
