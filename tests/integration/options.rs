//! Every option of the table with values that are wrong: refused at both ends, with its name, the value and the place.

use k8psh::options::table::{CLIENT, OptionSpec, SERVER, Scope};
use k8psh::options::value::Kind;

use crate::support::{Pod, Run};

/// The long name of an option.
fn name(option: &OptionSpec) -> &'static str {
    str::from_utf8(option.name()).expect("ASCII")
}

/// Values that are none of this kind.
fn bad_values(kind: Kind) -> &'static [&'static str] {
    match kind {
        // Only on the command line.
        Kind::Any => &[],
        Kind::NewFile => &["", "-x"],
        Kind::Path | Kind::Name => &[""],
        Kind::Milliseconds => &["", "-1", "0", "1s", " 1", "9223372036854775808"],
        Kind::TimeLimit => &["", "-", "0", "-0", "1.5", "9223372036854775808"],
        Kind::Limit => &["", "-", "1.5", "one", "9223372036854775808"],
        Kind::Sessions => &["", "0", "-1", "4097", "x"],
        Kind::Address => &["", "db", "1.2.3", "127.0.0.1:80", "::1%lo"],
        Kind::AddressOrNone => &["db", " ", "1.2.3"],
        Kind::Uid => &["", "root", "0,1000", "-1", "4294967295", "4294967296"],
        Kind::Uids => &["", ",", "0,", "0,,1", "root"],
        Kind::AbsolutePath => &["", "token", "./token"],
        Kind::VariableName => &["", "A=B"],
        Kind::Http => &["", "Stream", "soon"],
        Kind::Log => &["", "Text", "yaml"],
        Kind::Transport => &["", "tcp", "auto "],
        Kind::Tty => &["", "yes", "alway"],
        Kind::YesNo => &["", "y", "true", "Yes", "no "],
    }
}

/// Words that are wrong for an option: each with what the message about it says.
fn bad_words(option: &OptionSpec) -> Vec<String> {
    let name = name(option);
    match option.value {
        None => vec![format!("{name}=x")],
        Some(kind) => bad_values(kind).iter().map(|value| format!("{name}={value}")).collect(),
    }
}

/// Whether a stub and a server refuse a section with this word in its header, and say where it is.
fn both_refuse(pod: &Pod, word: &str, about: &str) {
    let text = format!("[ box:{} ] --keep-client-executables '{word}'\ntrue echo ran\n", pod.port());
    std::fs::write(pod.config(), &text).expect("the configuration");
    let place = format!("{}:1:{}: ", pod.config().display(), text.find('\'').expect("the word") + 1);
    pod.stub("true").run().fails(125, "true", &[&place, about]);
    pod.k8pshd().args(["--name", "box"]).run().fails(1, "k8pshd", &[&place, about]);
    pod.k8psh().arg("--check").run().fails(1, "k8psh", &[&place, about]);
}

#[test]
fn a_wrong_value_is_refused_at_both_ends() {
    let pod = Pod::new("true");
    pod.link_stub("true");
    let options: Vec<_> = SERVER.options.iter().filter(|option| option.scope != Scope::CommandLine).collect();
    assert!(options.len() > 20, "{} options", options.len());
    for option in options {
        for word in bad_words(option) {
            both_refuse(&pod, &word, name(option));
        }
    }
}

#[test]
fn a_variable_that_is_not_set_is_a_wrong_value() {
    let pod = Pod::new("true");
    pod.link_stub("true");
    let has_value = |option: &&OptionSpec| option.scope != Scope::CommandLine && option.value.is_some();
    for option in SERVER.options.iter().filter(has_value) {
        let text = format!("[ box:{} ] {}=${{NOT_SET}}\ntrue echo ran\n", pod.port(), name(option));
        std::fs::write(pod.config(), text).expect("the configuration");
        let stub = pod.stub("true").run();
        assert_eq!((stub.code(), stub.out().as_str()), (Some(125), ""), "{}", name(option));
        assert!(stub.err().contains("NOT_SET") && stub.err().contains(name(option)), "{}", stub.err());
        // A server does not need the address of its own Service, which may be younger than its Pod.
        if option.value != Some(Kind::AddressOrNone) {
            let server = pod.k8pshd().args(["--name", "box"]).run();
            assert_eq!(server.code(), Some(1), "{}", name(option));
            assert!(server.err().contains("NOT_SET") && server.err().contains(name(option)), "{}", server.err());
        }
    }
}

#[test]
fn an_option_in_the_wrong_place_is_refused_at_both_ends() {
    let pod = Pod::new("true");
    pod.link_stub("true");
    for option in SERVER.options.iter().filter(|option| option.scope == Scope::CommandLine) {
        let word = if option.value.is_some() { format!("{}=x", name(option)) } else { name(option).to_owned() };
        both_refuse(&pod, &word, &format!("{} belongs on the command line", name(option)));
    }
    for word in ["--no-such", "--no-such=1", "-z", "word", "--"] {
        both_refuse(&pod, word, word);
    }
}

#[test]
fn a_wrong_value_on_a_command_line_is_refused() {
    let pod = Pod::new("true");
    for option in SERVER.options {
        for word in bad_words(option) {
            pod.k8pshd().args(["--name", "box", &word]).run().fails(1, "k8pshd", &[name(option)]);
        }
    }
    for option in CLIENT.options {
        for word in bad_words(option) {
            pod.k8psh().args([&word, "--check"]).run().fails(1, "k8psh", &[name(option)]);
        }
    }
}

#[test]
fn a_number_that_is_too_large_is_told_how_large_it_may_be() {
    let pod = Pod::new("true");
    pod.link_stub("true");
    for (word, about) in [
        ("--timeout=9223372036854775808", "is not a number, 9223372036854775807 at most"),
        ("--max-connections=99999999999999999999", "is not a number, 9223372036854775807 at most"),
        ("--session-timeout=9223372036854775808", "is not a number other than 0, 9223372036854775807 at most"),
        ("--allow-uid=4294967295", "4294967295 is not a user ID, 0 to 4294967294"),
        ("--allow-uid=1,abc,x", "--allow-uid: abc in 1,abc,x is not a user ID, 0 to 4294967294"),
        ("--allow-uid=1,", "--allow-uid: '' in 1, is not a user ID"),
        ("--listen=${ADDRESS", "--listen: ${ADDRESS is not an address; ${ without a name and } is taken as it stands"),
    ] {
        both_refuse(&pod, word, about);
    }
    pod.k8psh().args(["--probe", "--timeout", "9223372036854775808"]).run().fails(
        1,
        "k8psh",
        &["is not a number from 1 to 9223372036854775807"],
    );
}

#[test]
fn an_unknown_option_that_a_section_ignores_is_a_warning_of_its_server_alone() {
    let pod = Pod::with_header("--odd -i", "true");
    let server = pod.server();
    assert!(server.log().contains("warning: unknown option --odd: ignored"), "{}", server.log());
    let outcome = pod.stub("true").run();
    assert_eq!((outcome.code(), outcome.err().as_str()), (Some(0), ""));
}

#[test]
fn two_sources_of_a_token_are_refused_at_both_ends() {
    let pod = Pod::with_header("--token-file=/t --token-env=T", "true");
    pod.link_stub("true");
    let about = "there is more than one of --token-file, --token-env and --no-token";
    pod.stub("true").run().fails(125, "true", &[about]);
    pod.k8pshd().args(["--name", "box"]).run().fails(1, "k8pshd", &[about]);
}
