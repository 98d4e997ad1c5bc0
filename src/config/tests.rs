//! Whole configurations, through the public interface only.

use std::vec::Vec;

use super::*;
use core::ffi::CStr;

/// Loads the source into the configuration; `problem` hears of what is wrong with it.
fn load(config: &mut Config, bytes: &[u8], problem: &mut dyn FnMut(Problem<'_>)) {
    config.load(&Source { bytes, only: None, environment: &environment }, &mut |_, _| {}, problem);
}

fn environment(name: &[u8]) -> Option<&'static [u8]> {
    (name == b"A").then_some(b"value")
}

fn loaded(source: &str) -> Config {
    let mut config = Config::empty();
    load(&mut config, source.as_bytes(), &mut |problem| panic!("{problem:?}"));
    config
}

fn text(text: &CStr) -> &str {
    text.to_str().expect("ASCII")
}

/// One line: server, name, environment as kind, name and value, arguments.
fn shown(command: Command<'_>) -> String {
    let mut line = format!("{}/{}", text(command.server().name()), text(command.name()));
    for variable in command.environment() {
        let (name, value) = (String::from_utf8_lossy(variable.name), String::from_utf8_lossy(variable.value));
        assert_eq!(text(variable.word), format!("{name}={value}"));
        let deferred = if variable.deferred { "*" } else { "" };
        line += &format!(" {deferred}{:?}({name},{value})", variable.kind);
    }
    for argument in command.arguments() {
        line += &format!(" {:?}", text(argument));
    }
    line
}

fn all_shown(source: &str) -> Vec<String> {
    loaded(source).commands().map(shown).collect()
}

#[test]
fn a_whole_file() {
    let config = loaded(
        "# comment\r\nbaseDirectory = ${WORKSPACE:-.}   # common\nconnectTimeoutMs = 30000\n\n\
         [ gcc:2102 ] =PATH= LANG=C --keep-client-executables   # a section\n\
         gcc\n  g++ CCACHE_DIR= ?TMPDIR= /usr/bin/g++ -pipe\n[ tools ]\nmake\n",
    );
    assert_eq!(config.base_directory(), Some(&b"."[..]));
    assert_eq!(
        config.commands().map(shown).collect::<Vec<_>>(),
        [
            "gcc/gcc Fixed(PATH,) Sent(LANG,C) \"gcc\"",
            "gcc/g++ Fixed(PATH,) Sent(LANG,C) Sent(CCACHE_DIR,) Optional(TMPDIR,) \"/usr/bin/g++\" \"-pipe\"",
            "tools/make \"make\"",
        ]
    );
    assert_eq!(config.server(b"tools").map(Server::port), Some(2103));
    assert!(config.server(b"gcc:2102").is_none());
    assert!(config.server(b"").is_none());
    assert!(config.command(b"cc").is_none());
}

#[test]
fn words_of_a_command() {
    for (line, expected) in [
        ("b", "a/b \"b\""),
        ("b X=1", "a/b Sent(X,1) \"b\""),
        ("b X=1 Y=2=3 c Z=4", "a/b Sent(X,1) Sent(Y,2=3) \"c\" \"Z=4\""),
        ("b =X=1 =Y", "a/b Fixed(X,1) \"=Y\""),
        ("b =X== ?Y?=?", "a/b Fixed(X,=) Optional(Y?,?) \"b\""),
        ("b = c", "a/b \"=\" \"c\""),
        ("b ?Y", "a/b \"?Y\""),
        ("b -x=1 c", "a/b Sent(-x,1) \"c\""),
        ("b ''", "a/b \"\""),
        ("b c '' \"d e\"", "a/b \"c\" \"\" \"d e\""),
        ("b X='${A}' Y=\"${A}\" Z=${A}", "a/b *Sent(X,${A}) Sent(Y,value) Sent(Z,value) \"b\""),
        ("b '=X'=1 \"?\"Y=2", "a/b Fixed(X,1) Optional(Y,2) \"b\""),
        ("'[b]' c", "a/[b] \"c\""),
        ("connectTimeoutMs = 5", "a/connectTimeoutMs \"=\" \"5\""),
        ("b 'x\ny'\n", "a/b \"x\\ny\""),
    ] {
        assert_eq!(all_shown(&format!("[a]\n{line}")), [expected], "{line:?}");
    }
}

#[test]
fn words_of_a_section() {
    for (words, environment, options) in [
        ("", "", ""),
        ("X=1 ?Y= =Z=", " Sent(X,1) Optional(Y,) Fixed(Z,)", ""),
        ("X=1 --name=a Y=2 b", " Sent(X,1)", "--name=a Y=2 b"),
        ("-k", "", "-k"),
        ("k X=1", "", "k X=1"),
        ("'' X=1", "", " X=1"),
    ] {
        let config = loaded(&format!("[a]{words}\nb"));
        assert_eq!(config.commands().map(shown).collect::<Vec<_>>(), [format!("a/b{environment} \"b\"")], "{words:?}");
        let server = config.server(b"a").expect("a section");
        assert_eq!(server.options().map(|word| text(word.text)).collect::<Vec<_>>().join(" "), options, "{words:?}");
    }
}

#[test]
fn a_section_that_comes_twice_is_one_server() {
    let source = "[a] X=1 -k\nb\nc 1\n[other] -w\nc 2\n[a] Y=2 -l\nb 2\n";
    let config = loaded(source);
    let server = config.server(b"a").expect("a section");
    let options: Vec<_> = server.options().map(|word| (text(word.text), word.at)).collect();
    assert_eq!(options, [("-k", source.find("-k").expect("there")), ("-l", source.find("-l").expect("there"))]);
    assert_eq!(
        config.commands().map(shown).collect::<Vec<_>>(),
        ["a/b Sent(X,1) \"b\"", "a/c Sent(X,1) \"1\"", "other/c \"2\"", "a/b Sent(Y,2) \"2\""]
    );
    assert_eq!(server.command(b"b").map(shown).as_deref(), Some("a/b Sent(Y,2) \"2\""));
    assert_eq!(server.command(b"c").map(shown).as_deref(), Some("a/c Sent(X,1) \"1\""));
    assert_eq!(config.command(b"c").map(shown).as_deref(), Some("other/c \"2\""));
    assert_eq!(config.command(b"c").map(Command::at), source.find("c 2"));
    assert_eq!(config.command(b"b").map(|command| command.server().port()), Some(1120));
}

#[test]
fn a_section_may_have_no_commands() {
    let config = loaded("[client]\n[a]\nb");
    let has_commands = |name: &[u8]| config.server(name).map(Server::has_commands);
    assert_eq!(has_commands(b"client"), Some(false));
    assert_eq!(has_commands(b"a"), Some(true));
    assert_eq!(has_commands(b"b"), None);
}

#[test]
fn a_server_comes_once_however_many_headers_it_has() {
    let config = loaded("[a]\n[b]\nx\n[a]\ny\n[c:5]");
    let servers: Vec<_> = config.servers().map(|server| (server.name(), server.port(), server.at())).collect();
    assert_eq!(servers, [(c"a", 1120, 1), (c"b", 1121, 5), (c"c", 5, 17)]);
}

#[test]
fn a_server_listens_unless_one_above_with_its_port_does() {
    let config = loaded("[idle:5]\n[a:5]\nx\n[b:6]\nx\n[c:5]\nx\n[empty:5]\n[d:6]\nx\n");
    let others: Vec<_> = config.servers().map(|server| (server.name(), server.same_port().map(Server::name))).collect();
    assert_eq!(
        others,
        [(c"idle", None), (c"a", None), (c"b", None), (c"c", Some(c"a")), (c"empty", None), (c"d", Some(c"b")),]
    );
}

#[test]
fn commands_are_numbered_in_the_order_of_the_file() {
    let config = loaded("[a]\nx\ny\n[b]\nz\nx\n");
    assert_eq!(config.commands().map(Command::number).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(config.command(b"x").map(Command::number), Some(3));
}

#[test]
fn a_base_directory_is_known_by_its_place() {
    assert_eq!(loaded("# x\nbaseDirectory = /work").base_directory_at(), 20);
    assert_eq!(loaded("[a]").base_directory_at(), 0);
}

#[test]
fn a_problem_leaves_nothing_of_an_earlier_configuration() {
    let mut config = loaded("baseDirectory = x\nconnectTimeoutMs = 5\n[a]\nb");
    let mut count = 0;
    load(&mut config, b"[", &mut |_| count += 1);
    assert_eq!(count, 1);
    assert_eq!((config.base_directory(), config.connect_timeout()), (None, 30_000));
    assert!(config.command(b"b").is_none() && config.server(b"a").is_none());
}

#[test]
fn any_byte_may_be_part_of_a_word() {
    let mut config = Config::empty();
    load(&mut config, b"[\xff]\n\x01\x80 '\xfe'", &mut |problem| panic!("{problem:?}"));
    let arguments: Vec<_> = config.command(b"\x01\x80").expect("a command").arguments().collect();
    assert_eq!(arguments, [c"\xfe"]);
}

/// Every reader of a configuration, for its panics.
fn read_everything(config: &Config) {
    for command in config.commands() {
        let server = command.server();
        assert!(config.server(server.name().to_bytes()).is_some());
        assert!(config.servers().any(|other| other.name() == server.name()));
        assert!(server.command(command.name().to_bytes()).is_some());
        assert!(command.arguments().count() > 0);
        assert!(command.environment().all(|variable| !variable.name.is_empty()));
        server.options().for_each(|word| assert!(!word.text.to_bytes().contains(&0)));
    }
}

#[test]
fn a_star_at_the_end_of_a_name_makes_a_pattern() {
    let config = loaded("[ s ] L_*=\nc *= ?A*= =B_*= 'Q*=' A=* B=x*=\n");
    let command = config.command(b"c").expect("the command");
    let stems: Vec<_> = command.environment().map(|variable| variable.stem().map(core::str::from_utf8)).collect();
    assert_eq!(stems, [Some(Ok("L_")), Some(Ok("")), Some(Ok("A")), Some(Ok("B_")), Some(Ok("Q")), None, None]);
    assert_eq!(command.arguments().next().map(text), Some("c"));
    assert!(command.has_patterns());
    assert!(!loaded("[s]\nc A=1 ?B=\n").command(b"c").expect("the command").has_patterns());
}

#[test]
fn of_all_words_that_match_the_strictest_counts() {
    let config = loaded("[ s ] *= ?A*= =AB*= ABC= =D=\nc\n[ t ]\nnone A=\nown ?*=\n");
    let kinds = |command: &str, names: &[&str]| -> Vec<_> {
        let command = config.command(command.as_bytes()).expect("the command");
        let entry = |name: &&str| std::ffi::CString::new(format!("{name}=x")).expect("no NUL");
        names.iter().map(|name| command.pattern_for(&entry(name))).collect()
    };
    let (sent, optional, fixed) = (Some(Kind::Sent), Some(Kind::Optional), Some(Kind::Fixed));
    assert_eq!(
        kinds("c", &["X", "A", "AX", "AB", "ABX", "ABC", "ABCD", "D", "DD", "K8PSH_X", "K8PSH"]),
        [sent, optional, optional, fixed, fixed, None, fixed, None, sent, None, sent]
    );
    assert_eq!(kinds("none", &["A", "AX", "X", ""]), [None; 4]);
    assert_eq!(kinds("own", &["A", "K8PSH_CONFIG"]), [optional, None]);
    let own = config.command(b"own").expect("the command");
    assert_eq!(own.pattern_for(c"no-variable"), None);
}

#[test]
fn random_sources_never_panic() {
    const PARTS: [&[u8]; 38] = [
        b"\"",
        b"\"",
        b"'",
        b"'",
        b"${",
        b"${A}",
        b"${U:-",
        b"}",
        b":-",
        b"$",
        b"{",
        b"[",
        b"[a]",
        b"[b:7]",
        b"]",
        b"=",
        b"=",
        b"#",
        b"\n",
        b"\n",
        b"\n",
        b"\r",
        b" ",
        b" ",
        b"\t",
        b"\\",
        b"\\x",
        b"\\x41",
        b"\\n",
        b":",
        b"?",
        b"/",
        b".",
        b"65535",
        b"a",
        b"b",
        b"\xff",
        b"baseDirectory=",
    ];
    let mut random = fastrand::Rng::with_seed(0x6b38_7073);
    let mut config = Config::empty();
    let (mut source, mut good) = (Vec::new(), 0);
    for round in 0..400_000 {
        source.clear();
        if round % 2 == 0 {
            source.extend_from_slice(b"[s]\n");
        }
        for _ in 0..random.usize(..24) {
            source.extend_from_slice(if random.u8(..) == 0 { b"\0" } else { PARTS[random.usize(..PARTS.len())] });
        }
        let (mut heard, mut problems) = (0, 0);
        let text = Source { bytes: &source, only: None, environment: &environment };
        config.load(&text, &mut |_, at| heard = at, &mut |problem| {
            assert!(problem.at <= source.len(), "{source:?}");
            problems += 1;
        });
        good += u32::from(problems == 0);
        assert!(problems <= 1 + source.iter().filter(|byte| **byte == b'\n').count(), "{source:?}");
        assert!(heard <= source.len());
        read_everything(&config);
    }
    assert!(good > 40_000, "only {good} were configurations");
}
