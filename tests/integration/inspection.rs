//! `k8psh --list` and `--check`: what the configuration says, and everything that is wrong with it.

use std::fs;
use std::process::Stdio;

use crate::support::{Pod, Run, lacks_programs};
use serde_json::{Value, json};

/// A Pod with this configuration and nothing else.
fn pod(source: impl AsRef<[u8]>) -> Pod {
    let pod = Pod::new("");
    fs::write(pod.config(), source).expect("the configuration");
    pod
}

fn run(pod: &Pod, words: &[&str]) -> crate::support::Outcome {
    pod.k8psh().args(words).env_remove("UNSET").run()
}

/// What `--json` prints, and the code.
fn parsed(pod: &Pod, task: &str) -> (Value, i32) {
    let outcome = run(pod, &[task, "--json"]);
    assert_eq!(outcome.err(), "");
    let value = serde_json::from_slice(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {}", outcome.out()));
    (value, outcome.code().expect("a code"))
}

#[test]
fn a_list_is_a_table() {
    let pod = pod(
        "[ gcc:2102 ] LANG=C --no-wait\ngcc\ng++ X= /usr/bin/g++ -pipe\n[ 'two words' ]\nsay echo 'it''s' a\tb ''\n",
    );
    let expected = "\
        gcc gcc         2102  gcc\n\
        g++ gcc         2102  /usr/bin/g++ -pipe\n\
        say 'two words' 2103  echo $'it\\'s' a b ''\n";
    assert_eq!(run(&pod, &["--list"]).succeeds(), expected);
    assert_eq!(
        pod.k8psh().args(["--list", "--config"]).arg(pod.config()).env_remove("K8PSH_CONFIG").run().succeeds(),
        expected
    );
}

#[test]
fn columns_are_as_wide_as_their_characters() {
    let pod = pod("[ ä:1 ]\nöö x\nb y\n");
    let text = run(&pod, &["--list"]).succeeds();
    let starts: Vec<_> = text.lines().map(|line| line.chars().position(|c| "xy".contains(c))).collect();
    assert_eq!(starts, [Some(8); 2], "{text}");
}

#[test]
fn words_of_the_table_are_those_that_a_shell_reads() {
    if lacks_programs(&["bash"]) {
        return;
    }
    let words = [
        "",
        " ",
        "'",
        "\\",
        "a'b\\c",
        "$HOME `x` ${A}",
        "\u{1b}[31m",
        "two\nlines",
        "*?[]{}~!#;&|<>()",
        "ä€",
        "a=b,c:d/e.f+g-h_i%j@k",
        "\u{7f}",
    ];
    let source: String = words.iter().map(|word| format!(" '{}'", word.replace('\'', "''"))).collect();
    let pod = pod(format!("[ s ]\nx{source}\n"));
    let text = run(&pod, &["--list"]).succeeds();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(!text.bytes().any(|byte| byte < 32 && byte != b'\n'), "{text:?}");
    let row = text.lines().last().expect("a row");
    let read =
        pod.command("bash").args(["-c", &format!("printf '%s\\0' {row}")]).env("LC_ALL", "C.UTF-8").run().succeeds();
    let read: Vec<_> = read.split_terminator('\0').collect();
    assert_eq!(read, [&["x", "s", "1120"], &words[..]].concat());
}

#[test]
fn a_list_for_programs_is_json() {
    let pod = pod(b"[ s ]\nx '\" \\ \x1b ''' \xff \xc3\xa4\n[ t:9 ]\nx\n");
    let expected = json!([
        {"command": "x", "server": "s", "port": 1120, "arguments": ["\" \\ \u{1b} '", "\u{fffd}", "ä"]},
        {"command": "x", "server": "t", "port": 9, "arguments": ["x"]},
    ]);
    assert_eq!(parsed(&pod, "--list"), (expected, 0));
    assert_eq!(parsed(&self::pod(""), "--list"), (json!([]), 0));
}

#[test]
fn a_list_is_never_cut() {
    let (long, name) = ("x".repeat(100_000), "s".repeat(1000));
    let source: String = (0..4096).map(|number| format!("c{number} y\n")).collect();
    let pod = pod(format!("[ s ]\n{source}[ {name} ]\nlast '{long}'\n").replacen("c0 y\n", "", 1));
    let (list, code) = parsed(&pod, "--list");
    let list = list.as_array().expect("an array");
    assert_eq!((list.len(), code), (4096, 0));
    assert_eq!(list[4095], json!({"command": "last", "server": &name, "port": 1121, "arguments": [&long]}));
    let text = run(&pod, &["--list"]).stdout;
    let ends: Vec<_> =
        text.split(|byte| *byte == b'\n').filter_map(|line| line.iter().rposition(|byte| *byte == b' ')).collect();
    assert_eq!(ends.len(), 4096);
    assert!(ends.iter().all(|end| *end == ends[0]), "not aligned");
}

#[test]
fn a_list_of_a_broken_file_is_none() {
    let pod = pod("[ s ]\nx\na/b\n");
    for words in [&["--list"][..], &["--list", "--json"]] {
        let outcome = run(&pod, words);
        assert_eq!((outcome.code(), outcome.out()), (Some(1), String::new()));
        assert!(outcome.err().contains("k8psh.conf:3:1: "), "{}", outcome.err());
    }
}

#[test]
fn a_warning_is_no_row_of_a_list() {
    let pod = pod("[ s ] A=${UNSET}\nx\n");
    for (words, list) in [
        (&["--list"][..], "x s 1120  x\n"),
        (&["--list", "--json"], "[{\"command\":\"x\",\"server\":\"s\",\"port\":1120,\"arguments\":[\"x\"]}\n]\n"),
    ] {
        let outcome = run(&pod, words);
        assert_eq!((outcome.code(), outcome.out().as_str()), (Some(0), list));
        assert!(outcome.err().contains("warning: the variable UNSET is not set"), "{}", outcome.err());
    }
}

/// Everything that can be wrong, a mark before each thing, and a server's name twice.
const BROKEN: &str = "\
^port = 1
baseDirectory = a ^b
connectTimeoutMs = ^x
[ a:1 ] ^--no-such ^word --tty=auto ^--tty=no
b
^a/b
c \"^\\q\" \"\\q\"
[ a:^2 ] ^--name=x
[ b:^x ]
d
[ c ] ^==x
[ d:5 ] --max-sessions ^0 ^--timeout=1s --transport ^ftp ^--allow-uid=root ^--connect=name ^--token-file=t
e
[ ^f:5 ]
g
[ h:5 ]
[ i:5 ^j ]
k ^'l
m ^?=
";

/// The offsets of the marks, as lines and columns, and the text without them.
fn marked(text: &str) -> (String, Vec<(usize, usize)>) {
    let mut places = Vec::new();
    for (row, line) in text.lines().enumerate() {
        for (before, (at, _)) in line.match_indices('^').enumerate() {
            places.push((row + 1, at - before + 1));
        }
    }
    (text.replace('^', ""), places)
}

#[test]
fn every_error_is_printed_with_its_place() {
    // The header with two ports is no part of its server; its options are not looked at.
    let (text, mut places) = marked(&BROKEN.replace(" ^--name=x", ""));
    let pod = pod(&text);
    places.sort_unstable();
    let outcome = run(&pod, &["--check"]);
    assert_eq!((outcome.code(), outcome.out()), (Some(1), String::new()));
    let file = pod.config().display().to_string();
    let mut found: Vec<(usize, usize)> = Vec::new();
    for line in outcome.err().lines() {
        let rest = line.strip_prefix(&format!("k8psh: {file}:")).unwrap_or_else(|| panic!("{line}"));
        let mut parts = rest.splitn(3, ':');
        let mut number = || parts.next().and_then(|part| part.parse().ok()).unwrap_or_else(|| panic!("{line}"));
        found.push((number(), number()));
        assert!(parts.next().is_some_and(|text| text.len() > 10), "no reason: {line}");
    }
    found.sort_unstable();
    assert_eq!(found, places, "{}", outcome.err());

    let (json, code) = parsed(&pod, "--check");
    let mut listed = Vec::new();
    for object in json.as_array().expect("an array") {
        assert_eq!((object.as_object().expect("an object").len(), &object["file"]), (4, &json!(file)));
        listed.push(format!(
            "k8psh: {file}:{}:{}: {}",
            object["line"],
            object["column"],
            object["message"].as_str().expect("a text")
        ));
    }
    assert_eq!((listed, code), (outcome.err().lines().map(str::to_owned).collect(), 1));
}

#[test]
fn a_server_with_such_a_file_tells_of_all_that_the_parser_found() {
    let pod = pod("[ a ] --no-such\n.\n..\n");
    let outcome = pod.k8pshd().args(["-n", "nobody"]).run();
    assert_eq!((outcome.code(), outcome.err().lines().count()), (Some(1), 2), "{}", outcome.err());
}

#[test]
fn nothing_wrong_is_nothing_said() {
    let pod = pod(
        "connectTimeoutMs = 5\n[ a:5 ] LANG=C -k --tty never\nb\n[ client:5 ]\n[ a ] -e ${DIR:-x y}\nc\n[ d ] -i --odd\ne\n",
    );
    let outcome = run(&pod, &["--check"]);
    assert_eq!((outcome.code(), outcome.out()), (Some(0), String::new()));
    assert_eq!(outcome.err().lines().count(), 1, "{}", outcome.err());
    let (json, code) = parsed(&pod, "--check");
    assert_eq!((json.as_array().map(Vec::len), code), (Some(1), 0), "{json}");
    assert!(
        json[0]["message"].as_str().is_some_and(|text| text.starts_with("warning: ") && text.contains("--odd")),
        "{json}"
    );
    assert_eq!(run(&self::pod("[ a ]\nb\n"), &["--check"]).succeeds(), "");
    assert_eq!(parsed(&self::pod(""), "--check"), (json!([]), 0));
}

#[test]
fn options_that_do_not_go_together_are_errors() {
    for (header, reason) in [
        ("--trigger=gone", "--trigger gone: section a has no such command"),
        ("--plain=no", "--plain: needs --trigger, and --token-file or --token-env"),
        ("--plain=yes --trigger=x", "--plain: needs --trigger, and --token-file or --token-env"),
        ("--plain=yes --token-env=X", "--plain: needs --trigger, and --token-file or --token-env"),
        ("--trigger=x --transport=direct", "--trigger x: its streams are a TCP connection"),
        ("--trigger x --tty always", "--trigger x: its streams are a TCP connection"),
        ("--listen=0.0.0.0", "--listen 0.0.0.0: needs --token-file, --token-env or --no-token"),
        ("--token-env=T --no-token", "there is more than one of --token-file, --token-env and --no-token"),
        ("--token-env=T\nx\n[ a ] --token-file=/t", "there is more than one of --token-file"),
    ] {
        let pod = pod(format!("[ b ]\nx\n[ a ] {header}\nx\n"));
        let text = format!("k8psh.conf:3:3: {reason}");
        run(&pod, &["--check"]).fails(1, "k8psh", &[&text]);
        pod.k8pshd().args(["--name", "a"]).run().fails(1, "k8pshd", &[&text]);
    }
    for header in [
        "--listen=:: --token-file=/t --connect=::1",
        "--listen=127.0.0.2 --connect=",
        "--trigger=x --no-token --listen=::",
    ] {
        assert_eq!(run(&pod(format!("[ a ] {header}\nx\n")), &["--check"]).succeeds(), "");
    }
}

#[test]
fn a_default_port_that_another_server_has_is_an_error() {
    let (text, places) = marked("[ a:7 ]\nx\n[ client ]\n[ b:6 ]\nx\n[ ^c ]\nx\n[ ^d:6 ]\nx\n");
    let pod = pod(&text);
    let (json, code) = parsed(&pod, "--check");
    let found: Vec<_> =
        json.as_array().expect("an array").iter().map(|object| (&object["line"], &object["column"])).collect();
    let wanted: Vec<_> = places.iter().map(|(line, column)| (json!(line), json!(column))).collect();
    assert_eq!(found, wanted.iter().map(|(line, column)| (line, column)).collect::<Vec<_>>(), "{json}");
    assert_eq!((&json[0]["message"], code), (&json!("port 7 is that of server a, too"), 1));
    // Whoever starts them in two Pods may do so.
    assert_eq!(run(&pod, &["--list"]).code(), Some(0));
}

#[test]
fn a_file_that_cannot_be_read_is_no_finding() {
    let pod = Pod::new("");
    for words in [&["--check"][..], &["--check", "--json"], &["--list"], &["--probe"]] {
        let outcome = pod.k8psh().args(words).env("K8PSH_CONFIG", "/no/such/file").run();
        outcome.fails(1, "k8psh", &["/no/such/file"]);
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let pod = pod("[ a:x ]\nb\n");
    for words in [&["--check", "--json"][..], &["--list"]] {
        if words[0] == "--list" {
            fs::write(pod.config(), "[ a ]\nb\n").expect("the configuration");
        }
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let output = pod.k8psh().args(words).stdout(full).stderr(Stdio::piped()).output().expect("it runs");
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "k8psh: stdout: No space left on device\n");
    }
}

#[test]
fn words_that_do_not_belong_there_are_errors() {
    let pod = pod("[ a ]\nb\n");
    for words in [&["--list", "b"][..], &["--check", "b"]] {
        run(&pod, words).fails(1, "k8psh", &["b"]);
    }
    run(&pod, &["--list=x"]).fails(1, "k8psh", &["--list"]);
}
