//! The configuration file through the real binary: every error with file, line and column, and what is read from it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::support::{Pod, Run, is_root, lacks_programs, skip};

/// Runs a server that has no section, so that it only reads the configuration, makes the stubs and exits.
fn read(pod: &Pod, source: &[u8]) -> crate::support::Outcome {
    fs::write(pod.config(), source).expect("the configuration");
    let mut command = pod.k8pshd();
    command.args(["-n", "no such section", "-o", "-e"]).arg(pod.path("stubs"));
    command.env_remove("UNSET").env("WORD", "word").env("LONG", "x".repeat(5000)).run()
}

#[test]
fn a_base_directory_that_is_empty_is_warned_of() {
    let pod = Pod::new("");
    for (text, column) in [("${UNSET}", 17), ("\"\"", 17), ("", 16), ("${EMPTY}", 17)] {
        let source = format!("baseDirectory = {text}").trim_end().to_owned() + "\n[ a ]\nx\n";
        let warning =
            format!("k8psh.conf:1:{column}: warning: baseDirectory is empty: taking the file's own directory");
        fs::write(pod.config(), &source).expect("the configuration");
        for words in [&["--check"][..], &["--list"]] {
            let outcome = pod.k8psh().args(words).env("EMPTY", "").run();
            assert_eq!(outcome.code(), Some(0), "{outcome:?}");
            assert!(outcome.err().contains(&warning), "{}", outcome.err());
        }
        let outcome = pod.command(pod.path("bin/k8psh")).args(["--check", "--json"]).env("EMPTY", "").run();
        assert!(outcome.out().contains("warning: baseDirectory is empty"), "{}", outcome.out());
    }
    assert_eq!(read(&pod, b"baseDirectory = .\n[ 'no such section' ]\n").succeeds(), "");
}

#[test]
fn a_command_cannot_have_a_name_of_the_program() {
    let pod = Pod::new("");
    for name in ["k8psh", "k8pshd"] {
        fs::write(pod.config(), format!("[ a ]\nx\n{name} /bin/true\n")).expect("the configuration");
        let about = format!("k8psh.conf:3:1: command {name}: called by this name, the program is no stub");
        pod.k8psh().arg("--check").run().fails(1, "k8psh", &[&about]);
        pod.k8psh().arg("x").run().fails(125, "k8psh", &[&about]);
        pod.k8pshd().args(["-n", "a"]).run().fails(1, "k8pshd", &[&about]);
    }
}

#[test]
fn every_error_says_file_line_and_column() {
    let pod = Pod::new("");
    let most_columns = "x".repeat(300);
    // A `^` is where the problem is, and no part of the file.
    for marked in [
        // settings
        "\n  ^port = 1",
        "^= 1",
        "^baseDirectory",
        "^baseDirectory /work",
        "baseDirectory = a ^b",
        "baseDirectory = a # fine\n\nconnectTimeoutMs = 1 ^2",
        "connectTimeoutMs = ^12x",
        "connectTimeoutMs = ^99999999999999999999",
        "connectTimeoutMs =^",
        // words
        "[ a ]\nb ^\"never closed\nfor the rest of the file",
        "[ a ]\nb 'one' ^'never closed ''",
        "[ a ]\nb \"^\\q\"",
        "[ a ]\nb \"\n\n  ^\\x1g\"",
        "[ a ]\nb \"${WORD}^\\z\"",
        "[ a ]\nb a^\0b",
        "# ^\0",
        // sections
        "^[ a",
        "\r\n\t^[ a # ]",
        "[^]",
        "[ ^'' ]",
        "[ ^:1 ]",
        "[ ^${UNSET} ]",
        "[ a ^b ]",
        "[ a:^]",
        "[ a:^x ]",
        "[ a:^12x ]",
        "[ a:^-1 ]",
        "[ a:^65536 ]",
        "[ a:^99999999999999999999 ]",
        "[ a:65535 ]\nx\n[ ^b ]",
        "[ a:1 ]\nx\n[ a:^2 ]\ny",
        "[ a ] ^==x",
        // commands
        "^gcc LANG=C gcc",
        "[ a ]\n^''",
        "[ a ]\n^.",
        "[ a ]\n^.. true",
        "[ a ]\n\n  ^/bin/sh",
        "[ a ]\n^a/b",
        "[ a ]\n^\"../../etc/passwd\" true",
        "[ a ]\nb ^?=x",
        &format!("[ a ]\n^{most_columns}"),
        "baseDirectory = ^${LONG}",
    ] {
        let at = marked.find('^').expect("a mark");
        let (before, after) = (&marked[..at], &marked[at + 1..]);
        let line = before.matches('\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |end| end + 1) + 1;
        let place = format!("{}:{line}:{column}: ", pod.config().display());
        let outcome = read(&pod, &[before.as_bytes(), after.as_bytes()].concat());
        let errors: Vec<_> = outcome.err().lines().map(str::to_owned).collect();
        assert_eq!(outcome.code(), Some(1), "{marked:?}: {errors:?}");
        let last = errors.last().expect("a message");
        assert!(last.starts_with("k8pshd: ") && last.contains(&place), "{marked:?}: {place:?} expected: {last:?}");
        assert!(last.len() > last.find(&place).unwrap_or_default() + place.len() + 5, "no reason: {last:?}");
        // An unset variable has its own warning.
        assert_eq!(errors.len(), 1 + marked.matches("${UNSET}").count(), "{marked:?}: {errors:?}");
        assert_eq!(fs::read_dir(pod.path("stubs")).expect("the stubs").count(), 0, "{marked:?}");
    }
}

#[test]
fn a_client_reports_the_same_errors_as_its_own_failure() {
    let pod = Pod::new("");
    fs::write(pod.config(), "[ a:x ]\ntrue\n").expect("the configuration");
    let place = format!("{}:1:5: ", pod.config().display());
    pod.link_stub("true");
    pod.stub("true").run().fails(125, "true", &[&place]);
    pod.k8psh().arg("true").run().fails(125, "k8psh", &[&place]);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let pod = Pod::new("");
    let name = pod.path("other.conf");
    let mut command = pod.k8pshd();
    command.arg("-c").arg(&name);
    let name = name.display().to_string();
    command.run().fails(1, "k8pshd", &[&name]);
    fs::create_dir(&name).expect("a directory");
    command.run().fails(1, "k8pshd", &[&name]);
    fs::remove_dir(&name).expect("no directory");
    nix::unistd::mkfifo(name.as_str(), nix::sys::stat::Mode::S_IRUSR).expect("a pipe");
    command.run().fails(1, "k8pshd", &[&name]);
    fs::remove_file(&name).expect("no pipe");
    symlink(&name, &name).expect("a symlink to itself");
    command.run().fails(1, "k8pshd", &[&name]);
    pod.k8pshd().args(["-c", ""]).run().fails(1, "k8pshd", &[]);
    pod.k8pshd().args(["-c", &"x/".repeat(5000)]).run().fails(1, "k8pshd", &[]);
}

#[test]
fn a_file_without_permission_is_named() {
    let pod = Pod::new("true");
    fs::set_permissions(pod.config(), fs::Permissions::from_mode(0o000)).expect("no permission");
    let outcome = if is_root() {
        fs::set_permissions(pod.path(""), fs::Permissions::from_mode(0o755)).expect("a way in");
        let mut command = pod.command("setpriv");
        if lacks_programs(&["setpriv"]) {
            return;
        }
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(pod.path("bin/k8pshd"));
        command.run()
    } else {
        pod.k8pshd().run()
    };
    if outcome.err().contains("setpriv:") {
        skip!("the program cannot be reached as another user");
    }
    outcome.fails(1, "k8pshd", &[&pod.config().display().to_string()]);
}

#[test]
fn a_file_larger_than_the_limit_is_an_error_and_one_of_that_size_is_not() {
    let pod = Pod::new("");
    let fits = format!("[ a ]\ntrue\n{}", "#".repeat(1 << 20));
    read(&pod, &fits.as_bytes()[..1 << 20]).has_no_section("no such section", 1);
    read(&pod, &fits.as_bytes()[..(1 << 20) + 1]).fails(1, "k8pshd", &["1048576"]);
    let sparse = fs::File::create(pod.config()).expect("a file");
    sparse.set_len(1 << 40).expect("a large file");
    pod.k8pshd().run().fails(1, "k8pshd", &["1048576"]);
}

#[test]
fn more_commands_or_sections_than_there_is_room_for_are_errors() {
    let pod = Pod::new("");
    let commands = |count: usize| format!("[ a ]\n{}", "x\n".repeat(count));
    read(&pod, commands(4096).as_bytes()).has_no_section("no such section", 1);
    read(&pod, commands(4097).as_bytes()).fails(1, "k8pshd", &["4096", ":4098:1: "]);
    let sections = |count: usize| (0..count).map(|number| format!("[ s{number} ]\n")).collect::<String>();
    read(&pod, sections(256).as_bytes()).has_no_section("no such section", 0);
    read(&pod, sections(257).as_bytes()).fails(1, "k8pshd", &["256", ":257:"]);
}

#[test]
fn an_unset_variable_is_an_empty_string_and_a_warning() {
    let pod = Pod::new("");
    let outcome =
        read(&pod, b"[ 'no such section' ]\n[ a ]\nb ${UNSET} ${WORD} ${UNSET:-default} ${WORD:-default} '${UNSET}'\n");
    assert_eq!(outcome.code(), Some(0), "{outcome:?}");
    let warning = outcome.err();
    assert!(warning.starts_with("k8pshd: ") && warning.contains("UNSET"), "{warning:?}");
    assert_eq!(warning.lines().count(), 1, "{warning:?}");
}

#[test]
fn the_whole_grammar_arrives_at_the_command() {
    let pod = Pod::custom(|pod| {
        format!(
            "# a comment\r\n  baseDirectory = \"wo\"'rk'# directly after a word\r\n\r\n\
             [ \"box\":{} ] =K8PSH_TEST={} # more\r\n\
             show sh -c 'printf ''<%s>'' \"$@\"' sh plain un'quo'\"ted\" '' \"\" 'it''s' \"say \"\"so\"\"\" \
             \"\\\"\\\\\\'\\b\\t\\n\\f\\r\\x41\\xfE\" \"two\nlines\" ${{WORD}} \"${{WORD}}\" '${{WORD}}' ${{NONE:-de fault}} \
             \"${{NONE:-}}\" ${{NONE:x}} ${{ a=b ]# $ a#b # comment\r\n",
            pod.port(),
            pod.id
        )
    });
    let mut command = pod.k8pshd();
    command.args(["-n", "box", "-l", "-e"]).arg(pod.path("stubs")).env("WORD", "wo rd").env_remove("NONE");
    let _server = pod.start(command);
    let outcome = pod.stub("show").env("WORD", "wo rd").arg("last").run();
    let expected = b"<plain><unquoted><><><it's><say \"so\"><\"\\'\x08\t\n\x0c\rA\xfe><two\nlines><wo rd><wo rd>\
                     <${WORD}><de fault><><${NONE:x}><${><a=b><]><last>";
    assert_eq!(String::from_utf8_lossy(&outcome.stdout), String::from_utf8_lossy(expected));
    assert_eq!(outcome.stdout, expected);
}

#[test]
fn a_base_directory_is_relative_to_the_configuration_file() {
    let pod = Pod::custom(|pod| format!("baseDirectory = ./work/../work/.\n{}\npwd", pod.section("")));
    // The file is named relatively, from elsewhere.
    let mut command = pod.k8pshd();
    command.current_dir(pod.path("stubs")).args(["-n", "box", "-l", "-c", "../k8psh.conf"]).env_remove("K8PSH_CONFIG");
    let _server = pod.start(command);
    let expected = format!("{}\n", pod.work().display());
    assert_eq!(pod.stub("pwd").run().succeeds(), expected);
    let outcome = pod.k8psh().env_remove("K8PSH_CONFIG").args(["-c", "../k8psh.conf", "pwd"]).run();
    assert_eq!(outcome.succeeds(), expected);
    assert_eq!(pod.stub("pwd").env("K8PSH_CONFIG", "../k8psh.conf").run().succeeds(), expected);
}

#[test]
fn without_a_base_directory_it_is_that_of_the_configuration_file() {
    let pod = Pod::custom(|pod| format!("{}\npwd", pod.section("")));
    let _server = pod.server();
    assert_eq!(pod.stub("pwd").run().succeeds(), format!("{}\n", pod.work().display()));
    assert_eq!(
        pod.stub("pwd").current_dir(pod.path("bin")).run().succeeds(),
        format!("{}\n", pod.path("bin").display())
    );
    pod.stub("pwd").current_dir("/").run().fails(125, "pwd", &[]);
}

#[test]
fn the_whole_file_system_can_be_the_base() {
    let pod = Pod::custom(|pod| format!("baseDirectory=/\n{}\npwd", pod.section("")));
    let _server = pod.server();
    assert_eq!(pod.stub("pwd").current_dir("/").run().succeeds(), "/\n");
    assert_eq!(pod.stub("pwd").run().succeeds(), format!("{}\n", pod.work().display()));
}

#[test]
fn a_section_without_a_port_has_the_one_after_the_previous_sections() {
    let pod = Pod::custom(|pod| {
        format!("baseDirectory=work\n[before:{}]\nx\n[box] =K8PSH_TEST={}\ntrue", pod.port() - 1, pod.id)
    });
    let _server = pod.server();
    assert_eq!(pod.stub("true").run().succeeds(), "");
}

#[test]
fn options_of_a_section_have_their_place_in_the_file() {
    let pod = Pod::new("");
    for (header, column) in [("--no-such-option", 7), ("A=1 --timeout 12x", 21), ("-m", 7), ("--max-connections=", 7)] {
        fs::write(pod.config(), format!("# x\n[ a ] {header}\ntrue\n")).expect("the configuration");
        let outcome = pod.k8pshd().args(["-n", "a", "-e"]).arg(pod.path("stubs")).run();
        let place = format!("{}:2:{column}", pod.config().display());
        println!("{header}: {}", outcome.err());
        outcome.fails(1, "k8pshd", &[&place]);
    }
}

/// What would take minutes if reading a file cost the square of its length ends before the deadline of every run.
#[test]
fn a_file_of_the_largest_size_is_read_in_time() {
    let pod = Pod::new("");
    let filled = |begin: &str, unit: &str, end: &str| {
        let count = ((1 << 20) - begin.len() - end.len()) / unit.len();
        format!("{begin}{}{end}", unit.repeat(count))
    };
    let stubs: String = (0..4096).map(|number| format!("c{number}\n")).collect();
    for (source, code) in [
        (filled("[ a ] A=", "${UNSET}", "\nx\n"), 0),
        (filled("[ a ] A=", "${UNSET:-}", "\nx\n"), 0),
        (filled("[ a ] A=", "${UNSET:-", "\nx\n"), 0),
        (filled("[ a ] \"", "${UNSET:-x}", "\"\nx\n"), 1),
        (filled("", "x\n", ""), 1),
        (filled("[ a ]\n", "a/b\n", ""), 1),
        (filled("[ a ]\n", "\\\"\n", ""), 1),
        (filled("[ a ] ", "--no-such-option ", "\nx\n"), 1),
        (filled("[ a ]\n", "#\n", &stubs), 0),
    ] {
        fs::write(pod.config(), &source).expect("the configuration");
        let outcome = pod.k8psh().arg("--check").env_remove("UNSET").run();
        assert_eq!(outcome.code(), Some(code), "{:.40}: {:.200}", source, outcome.err());
    }
}
