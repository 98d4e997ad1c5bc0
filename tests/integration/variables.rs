//! Variables by pattern: environment words whose name ends in a `*`.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::frames::{OUTPUT, Peer, content, request};
use crate::support::transport::{Transport, by_each_transport};
use crate::support::{Outcome, Pod, Run, Server};

/// A Pod with these commands, whose server has these variables and no others but `PATH`, and its server.
fn started(transport: Transport, commands: &str, variables: &[(&str, &str)]) -> (Pod, Server) {
    let pod = transport
        .custom_pod(|pod| format!("baseDirectory = work\nconnectTimeoutMs = 20000\n{}\n{commands}\n", pod.section("")));
    let mut command = without_any(&pod, pod.k8pshd_with_stubs());
    command.envs(variables.iter().copied());
    let server = pod.start(command);
    (pod, server)
}

/// This command with what k8psh and the tests need in its environment, and nothing else.
fn without_any(pod: &Pod, command: Command) -> Command {
    let mut bare = pod.command(command.get_program());
    let transport = bare.get_envs().find(|(name, _)| *name == "K8PSH_TRANSPORT").and_then(|(_, value)| value);
    let transport = transport.map(ToOwned::to_owned);
    bare.env_clear().args(command.get_args()).envs(transport.map(|value| ("K8PSH_TRANSPORT", value)));
    bare.env("PATH", "/usr/bin:/bin").env("K8PSH_CONFIG", pod.config()).env("K8PSH_TEST", &pod.id);
    bare
}

/// A stub with these variables and no others.
fn stub(pod: &Pod, name: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = without_any(pod, pod.stub(name));
    command.env_remove("PATH").envs(variables.iter().copied());
    command
}

/// What the command got, sorted, but for what every Pod of these tests adds.
fn got(outcome: Outcome) -> Vec<String> {
    let text = outcome.succeeds();
    let mut lines: Vec<_> = text.split_terminator('\0').filter(|line| !line.starts_with("K8PSH_TEST=")).collect();
    lines.sort_unstable();
    lines.into_iter().map(str::to_owned).collect()
}

/// The client's and the server's variables of most of these tests.
const NEAR: &[(&str, &str)] = &[("A_1", "near"), ("A_2", "near"), ("B", "near"), ("LD_X", "near"), ("A", "")];
const FAR: &[(&str, &str)] = &[("A_2", "far"), ("A_3", "far"), ("B", "far"), ("LD_X", "far"), ("LD_Y", "far")];

fn a_pattern_stands_for_all_names_that_begin_so(transport: Transport) {
    let commands = "sent A_*= env -0\noptional ?A_*= env -0\nfixed =A_*= env -0\nnone env -0\nall *= =PATH= env -0\n\
                    own =*= env -0\nnothing X_*= ?Y_*= =Z_*= env -0\n";
    let (pod, _server) = started(transport, commands, FAR);
    let run = |name| got(stub(&pod, name, NEAR).run());
    assert_eq!(run("sent"), ["A_1=near", "A_2=near"]);
    assert_eq!(run("optional"), ["A_1=near", "A_2=near", "A_3=far"]);
    assert_eq!(run("fixed"), ["A_2=far", "A_3=far"]);
    assert_eq!(run("none"), [""; 0]);
    assert_eq!(run("all"), ["A=", "A_1=near", "A_2=near", "B=near", "LD_X=near", "PATH=/usr/bin:/bin"]);
    assert_eq!(run("own"), ["A_2=far", "A_3=far", "B=far", "LD_X=far", "LD_Y=far", "PATH=/usr/bin:/bin"]);
    assert_eq!(run("nothing"), [""; 0]);
}

by_each_transport!(a_pattern_stands_for_all_names_that_begin_so);

fn a_name_in_full_wins_and_then_the_strictest_pattern_wherever_it_stands(transport: Transport) {
    let commands = "before =B= =LD_X=x =LD_NOT= *= env -0\nbehind *= =B= =LD_X=x =LD_NOT= env -0\n\
                    default *= A_1=d C=d ?D=d env -0\npatterns =LD_*= ?A_*= *= env -0\nturned *= ?A_*= =LD_*= env -0\n";
    let (pod, _server) = started(transport, commands, FAR);
    let run = |name| got(stub(&pod, name, NEAR).env("LD_NOT", "near").run());
    for name in ["before", "behind"] {
        assert_eq!(run(name), ["A=", "A_1=near", "A_2=near", "B=far", "LD_X=x"], "{name}");
    }
    let all = ["A=", "A_1=near", "A_2=near", "B=near", "C=d", "D=d", "LD_NOT=near", "LD_X=near"];
    assert_eq!(run("default"), all);
    for name in ["patterns", "turned"] {
        assert_eq!(run(name), ["A=", "A_1=near", "A_2=near", "A_3=far", "B=near", "LD_X=far", "LD_Y=far"], "{name}");
    }
}

by_each_transport!(a_name_in_full_wins_and_then_the_strictest_pattern_wherever_it_stands);

fn what_is_k8pshs_own_goes_along_by_its_name_alone(transport: Transport) {
    let commands = "all ?*= env -0\nlisted ?*= K8PSH_NAME= env -0\n";
    let (pod, _server) = started(transport, commands, &[("K8PSH_MINE", "far")]);
    let near = &[("K8PSH_NAME", "near"), ("K8PSH_UMASK", "0"), ("K8PSH_DESCRIPTOR", "77"), ("PATH", "/bin:/usr/bin")];
    assert_eq!(got(stub(&pod, "all", near).run()), ["PATH=/bin:/usr/bin"]);
    assert_eq!(got(stub(&pod, "listed", near).run()), ["K8PSH_NAME=near", "PATH=/bin:/usr/bin"]);
}

by_each_transport!(what_is_k8pshs_own_goes_along_by_its_name_alone);

fn a_pattern_that_matches_term_says_whose_it_is(transport: Transport) {
    let commands = "own =T*= =PATH= env -0\neither ?*= env -0\ncaller T*= env -0\n";
    let (pod, _server) = started(transport, commands, &[("TERM", "far")]);
    let run = |name, near| got(stub(&pod, name, near).run());
    let near: &[_] = &[("TERM", "near")];
    assert_eq!(run("own", near), ["PATH=/usr/bin:/bin", "TERM=far"]);
    assert_eq!(run("own", &[]), ["PATH=/usr/bin:/bin", "TERM=far"]);
    assert_eq!(run("either", near), ["PATH=/usr/bin:/bin", "TERM=near"]);
    assert_eq!(run("either", &[]), ["PATH=/usr/bin:/bin", "TERM=far"]);
    assert_eq!(run("caller", near), ["TERM=near"]);
    assert_eq!(run("caller", &[]), [""; 0]);
}

by_each_transport!(a_pattern_that_matches_term_says_whose_it_is);

#[test]
fn a_token_is_for_no_pattern_on_either_side() {
    let pod = Pod::custom(|pod| {
        let section = pod.section("--token-env=SECRET");
        format!("baseDirectory = work\nconnectTimeoutMs = 20000\n{section}\nboth ?*= env -0\nown =*= env -0\n")
    });
    let mut command = without_any(&pod, pod.k8pshd_with_stubs());
    command.env("SECRET", "a token").env("SECRET_2", "none");
    let _server = pod.start(command);
    for name in ["both", "own"] {
        let outcome = stub(&pod, name, &[("SECRET", "a token")]).run();
        let variables = got(outcome);
        assert!(variables.iter().any(|line| line == "SECRET_2=none"), "{variables:?}");
        assert!(!variables.iter().any(|line| line.starts_with("SECRET=")), "{variables:?}");
    }
}

fn a_reference_sees_what_a_pattern_before_it_has_set(transport: Transport) {
    let (pod, _server) = started(transport, "show A_*= 'X=<${A_1}>' 'Y=<${B}>' env -0\n", FAR);
    assert_eq!(got(stub(&pod, "show", NEAR).run()), ["A_1=near", "A_2=near", "X=<near>", "Y=<far>"]);
}

by_each_transport!(a_reference_sees_what_a_pattern_before_it_has_set);

#[test]
fn what_no_word_allows_is_not_let_through_whoever_sends_it() {
    let (pod, _server) = started(Transport::Auto, "show A_*= ?B_*= =C_*= =A_X= env -0\n", &[]);
    let sent = ["A_1=1", "B_1=1", "C_1=1", "A_X=1", "A=1", "A_", "=A_1=1", "a_1=1", "A_*=1", "TERM=dumb", "PATH=/x"];
    let mut peer = Peer::connect(pod.port());
    peer.send(&request("", &sent, &[], "show"));
    let output = content(&peer.frames(), OUTPUT);
    let mut lines: Vec<_> = output.split(|byte| *byte == 0).filter(|line| !line.is_empty()).collect();
    lines.retain(|line| !line.starts_with(b"K8PSH_TEST="));
    lines.sort_unstable();
    let lines: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line)).collect();
    assert_eq!(lines, ["A_*=1", "A_1=1", "B_1=1", "TERM=dumb"]);
}

fn the_last_word_for_a_name_counts(transport: Transport) {
    let (pod, _server) = started(transport, "again X=1 Y=1 Z=1 =X= ?Y= =Z=z env -0\n", &[("X", "far"), ("Y", "far")]);
    assert_eq!(got(stub(&pod, "again", &[("X", "near"), ("Z", "near")]).run()), ["X=far", "Y=1", "Z=z"]);
}

by_each_transport!(the_last_word_for_a_name_counts);

#[test]
fn every_one_of_many_words_gets_what_the_client_has_sent() {
    let names: Vec<_> = (0..200).map(|number| format!("V_{number:03}")).collect();
    let words: String = names.iter().map(|name| format!("{name}=default ")).collect();
    let (pod, _server) = started(Transport::Auto, &format!("all {words} env -0\n"), &[]);
    let pairs: Vec<_> = names.iter().map(|name| (name.as_str(), "near")).collect();
    let wanted: Vec<_> = names.iter().map(|name| format!("{name}=near")).collect();
    assert_eq!(got(stub(&pod, "all", &pairs).run()), wanted);
}

#[test]
fn the_first_word_of_all_gets_what_the_client_has_sent() {
    let with_first = |section: String| section.replacen("=K8PSH_TEST", "FIRST=default =K8PSH_TEST", 1);
    let pod = Transport::Auto.custom_pod(|pod| format!("{}\nall env -0\n", with_first(pod.section(""))));
    let _server = pod.start(without_any(&pod, pod.k8pshd_with_stubs()));
    assert_eq!(got(stub(&pod, "all", &[("FIRST", "near")]).run()), ["FIRST=near"]);
}

/// A hundred patterns, one of which matches every other one of so many variables.
fn many(count: usize) -> (String, Vec<(String, String)>) {
    let patterns: String = (0..99).map(|number| format!("NOT_{number}_*= ")).collect();
    let names = (0..count).map(|number| (if number % 2 == 0 { "A" } else { "B" }, number));
    let variables = names.map(|(letter, number)| (format!("{letter}_{number}"), "value".to_owned())).collect();
    (format!("count =PATH= {patterns} ?A_*= sh -c 'env | grep -c ^A_'\n"), variables)
}

fn two_thousand_variables_against_a_hundred_patterns_take_no_time(transport: Transport) {
    let (commands, variables) = many(2000);
    let pairs: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    // The server has as many, every one of which it has to look for in the request.
    let (pod, _server) = started(transport, &commands, &pairs);
    let took = || {
        let start = Instant::now();
        assert_eq!(stub(&pod, "count", &pairs).run().succeeds(), "1000\n");
        start.elapsed()
    };
    let best = (0..5).map(|_| took()).min().expect("a time");
    println!("{best:?}");
    assert!(best < Duration::from_secs(1), "{best:?}");
}

by_each_transport!(two_thousand_variables_against_a_hundred_patterns_take_no_time);

#[test]
fn more_than_a_program_can_be_given_is_told_as_that() {
    let large = "x".repeat(100_000);
    let variables = |letter: &str| -> Vec<_> { (0..12).map(|number| format!("{letter}_{number}")).collect() };
    let pairs = |names: &'static [String]| names.iter().map(|name| (name.as_str(), &*large)).collect::<Vec<_>>();
    let (near, far): (&[_], &[_]) = (variables("NEAR").leak(), variables("FAR").leak());
    let (pod, _server) = started(Transport::Auto, "all ?*= =PATH= /bin/true\nnear N*= /bin/true\n", &pairs(far));
    assert_eq!(stub(&pod, "near", &pairs(near)).run().succeeds(), "");
    stub(&pod, "all", &pairs(near)).run().fails(126, "all", &["/bin/true: Argument list too long"]);
}

#[test]
fn more_variables_than_the_limit_are_refused() {
    let names: Vec<_> = (0..1024).map(|number| format!("A_{number}")).collect();
    let pairs: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
    // The header of these tests has one more.
    let (pod, _server) = started(Transport::Auto, "all A_*= true\n", &[]);
    assert_eq!(stub(&pod, "all", &pairs[..1023]).run().succeeds(), "");
    stub(&pod, "all", &pairs).run().fails(125, "all", &["more variables than 1024"]);
}

#[test]
fn make_finds_what_it_names_whichever_word_lets_it_through() {
    let (pod, _server) = started(Transport::Relay, "show M*= env -0\n", &[]);
    let near = &[("MAKEFLAGS", "s -j4 --jobserver-auth=3,4"), ("MAKELEVEL", "1")];
    assert_eq!(got(stub(&pod, "show", near).run()), ["MAKEFLAGS=s", "MAKELEVEL=1"]);
}

#[test]
fn the_list_and_the_check_show_them() {
    let pod = Pod::custom(|_| {
        "[ a:1 ] ?GIT_*= LANG=C\nb *= =PATH= x y\nc =LC_*= z\nd ?*= =*= z\n[ e ] *= =PATH=\nf\ng\n[ h ]\ni A=*\n".into()
    });
    let run = |words: &[&str]| pod.k8psh().args(words).run();
    assert_eq!(
        run(&["--list"]).succeeds(),
        "b a 1  '?GIT_*=' '*=' x y\nc a 1  '?GIT_*=' '=LC_*=' z\nd a 1  '?GIT_*=' '?*=' '=*=' z\n\
         f e 2  '*=' f\ng e 2  '*=' g\ni h 3  i\n"
    );
    let json = run(&["--list", "--json"]).succeeds();
    assert!(
        json.starts_with(r#"[{"command":"b","server":"a","port":1,"patterns":["?GIT_*=","*="],"arguments":["x","y"]}"#)
    );
    assert!(json.contains(r#","port":3,"arguments":["i"]}"#), "{json}");
    let check = run(&["--check"]);
    assert_eq!((check.code(), check.out().as_str()), (Some(0), ""));
    let lines: Vec<_> =
        check.err().lines().map(|line| line[..line.find(" lets").expect("a warning")].to_owned()).collect();
    let place = |line, column, word| format!("k8psh: {}:{line}:{column}: warning: {word}", pod.config().display());
    assert_eq!(lines, [place(2, 3, "*="), place(4, 3, "?*="), place(5, 7, "*=")]);
    assert!(check.err().contains("PATH") && check.err().contains("LD_PRELOAD"), "{}", check.err());
}
