//! The table of options: each is spelled here and nowhere else. From it come the reading of words ([`super::words`]), the
//! values that they may have ([`super::value`]), `--help` ([`super::help`]) and the manual pages (`scripts/man`).

use super::value::Kind;
use crate::text;
use crate::text::packed;

pub use super::spec::{Audience, Id, OptionSpec, ProgramSpec, Scope};

/// The text of an option: its long name with what stands for its value, and behind a line feed what it does, packed. One
/// text, because two would have an address and a length each.
macro_rules! described {
    ($usage:literal, $help:expr) => {{
        const USAGE: &str = concat!($usage, "\n");
        const TEXT: [u8; USAGE.len() + packed::length($help)] = packed::pack(USAGE, $help);
        &TEXT
    }};
}

/// An option of the command line alone.
const fn on_command_line(id: Id, letter: Option<u8>, value: Option<Kind>, text: &'static [u8]) -> OptionSpec {
    OptionSpec { id, letter, value, scope: Scope::CommandLine, audience: Audience::Server, text }
}

/// An option that may stand in a section's header too, or has to if its stubs alone read it.
const fn in_header(
    id: Id,
    letter: Option<u8>,
    value: Option<Kind>,
    audience: Audience,
    text: &'static [u8],
) -> OptionSpec {
    let scope = if matches!(audience, Audience::Stub) { Scope::Header } else { Scope::Either };
    OptionSpec { scope, audience, ..on_command_line(id, letter, value, text) }
}

/// Options that both programs have.
const CONFIG: OptionSpec = on_command_line(
    Id::Config,
    Some(b'c'),
    Some(Kind::Any),
    described!(
        "--config FILE",
        "the configuration file; default: $K8PSH_CONFIG, else k8psh.conf in the working directory"
    ),
);
const HELP: OptionSpec = on_command_line(Id::Help, Some(b'h'), None, described!("--help", "print this"));
const VERSION: OptionSpec =
    on_command_line(Id::Version, Some(b'v'), None, described!("--version", "print the version"));

/// `k8psh`.
pub static CLIENT: ProgramSpec = ProgramSpec {
    name: "k8psh",
    usage: "k8psh [options] command [arguments...]",
    about: text!(
        "\
Runs a command in the container that the configuration names for it, as though it were installed here. Called by another \
name, as stubs are, it runs the command of that name."
    ),
    options: &[
        on_command_line(
            Id::Check,
            None,
            None,
            described!("--check", "print all errors in the configuration; exit with 1 if there are any"),
        ),
        CONFIG,
        HELP,
        on_command_line(
            Id::Install,
            None,
            Some(Kind::NewFile),
            described!(
                "--install FILE",
                "put this program at FILE and exit; where FILE is a directory: as k8psh, and as k8pshd beside it"
            ),
        ),
        on_command_line(Id::Json, None, None, described!("--json", "--check, --list and --status print JSON")),
        on_command_line(
            Id::List,
            None,
            None,
            described!("--list", "print all commands, their servers, ports and arguments"),
        ),
        on_command_line(
            Id::Probe,
            None,
            None,
            described!("--probe [NAME]", "exit with 0 if that server, or every one, answers"),
        ),
        on_command_line(
            Id::Server,
            Some(b's'),
            None,
            described!("--server", "be the server, with all the arguments (see k8pshd --help)"),
        ),
        on_command_line(
            Id::Status,
            None,
            None,
            described!("--status [NAME]", "print what that server, or every one, runs, and how many calls ended how"),
        ),
        on_command_line(
            Id::Timeout,
            None,
            Some(Kind::Milliseconds),
            described!("--timeout MS", "how long --probe and --status wait, in milliseconds; default: 1000"),
        ),
        VERSION,
    ],
    notes: text!(
        "\
To begin, write k8psh.conf: a line [ tools:2102 ] =PATH= and below it a line for each command, as upper tr a-z A-Z. Where \
they are, run k8pshd --name tools; where they are called, k8pshd --name client makes their stubs in the working directory, \
which belongs into PATH.\n\n\
Exit status: the command's own. A command that a signal ended ends k8psh by the same signal. 127: no such program; 126: \
cannot be executed; 125: k8psh failed."
    ),
};

/// `k8pshd`.
pub static SERVER: ProgramSpec = ProgramSpec {
    name: "k8pshd",
    usage: "k8pshd [options] [-- program [arguments...]]",
    about: text!(
        "\
Runs the commands of its section for their stubs, and makes the stubs of all other sections. Without commands of its own \
it leaves them there and exits. Then it runs the program, and ends with it."
    ),
    options: &[
        in_header(
            Id::AllowUid,
            None,
            Some(Kind::Uids),
            Audience::Server,
            described!(
                "--allow-uid UID,...",
                "the users whose stubs may come by direct transport; others come by TCP; default: all"
            ),
        ),
        in_header(
            Id::Background,
            Some(b'b'),
            None,
            Audience::Server,
            described!("--background", "become a daemon once the port is bound and the stubs exist"),
        ),
        CONFIG,
        in_header(
            Id::Connect,
            None,
            Some(Kind::AddressOrNone),
            Audience::Stub,
            described!("--connect ADDRESS", "where stubs find the server, by TCP alone; default: 127.0.0.1"),
        ),
        in_header(
            Id::DetachOnClose,
            None,
            None,
            Audience::Server,
            described!("--detach-on-close", "a trigger's command outlives its connection"),
        ),
        in_header(
            Id::DisableStubs,
            Some(b'd'),
            None,
            Audience::Server,
            described!("--disable-client-executables", "make no stubs, and remove those that are there"),
        ),
        in_header(
            Id::ExecutableDirectory,
            Some(b'e'),
            Some(Kind::Path),
            Audience::Server,
            described!("--executable-directory DIR", "where stubs are made; default: the working directory"),
        ),
        in_header(
            Id::LocalStubs,
            Some(b'l'),
            None,
            Audience::Server,
            described!("--generate-local-executables", "make stubs for this server's commands too"),
        ),
        HELP,
        in_header(
            Id::Http,
            None,
            Some(Kind::Http),
            Audience::Server,
            described!(
                "--http[=WHEN]",
                "the trigger's clients speak HTTP; the answer comes with the output (stream, the default) or when the command \
                 has ended (status)"
            ),
        ),
        in_header(
            Id::IgnoreInvalid,
            Some(b'i'),
            None,
            Audience::Both,
            described!(
                "--ignore-invalid-arguments",
                "only warn of an unknown option, unless it begins like one that protects"
            ),
        ),
        in_header(
            Id::KeepStubs,
            Some(b'k'),
            None,
            Audience::Server,
            described!("--keep-client-executables", "leave the stubs on exit"),
        ),
        in_header(
            Id::Listen,
            None,
            Some(Kind::Address),
            Audience::Both,
            described!(
                "--listen ADDRESS",
                "where the server listens; default: 127.0.0.1; 0.0.0.0 or :: is every address; not beyond loopback without a \
             token or --no-token"
            ),
        ),
        in_header(
            Id::Log,
            None,
            Some(Kind::Log),
            Audience::Server,
            described!("--log HOW", "log each session: text (the default of triggers), json, none"),
        ),
        in_header(
            Id::LogArguments,
            None,
            None,
            Audience::Server,
            described!("--log-arguments", "log its arguments too"),
        ),
        in_header(
            Id::MaxConnections,
            Some(b'm'),
            Some(Kind::Limit),
            Audience::Server,
            described!("--max-connections N", "exit after N connections; 0: at once; -1: no limit (default)"),
        ),
        in_header(
            Id::MaxSessions,
            None,
            Some(Kind::Sessions),
            Audience::Server,
            described!("--max-sessions N", "run at most N commands at once; default: 512"),
        ),
        on_command_line(
            Id::Name,
            Some(b'n'),
            Some(Kind::Name),
            described!("--name NAME", "which section is this server's; default: $K8PSH_NAME, else the host name"),
        ),
        in_header(
            Id::NoToken,
            None,
            None,
            Audience::Server,
            described!("--no-token", "whoever reaches the port may run the commands"),
        ),
        in_header(
            Id::NoWait,
            Some(b'w'),
            None,
            Audience::Server,
            described!("--no-wait", "on exit, do not wait for running commands"),
        ),
        in_header(
            Id::OverwriteFiles,
            Some(b'o'),
            None,
            Audience::Server,
            described!("--overwrite-client-executables", "replace an existing file of a stub's name"),
        ),
        in_header(
            Id::PidFile,
            Some(b'p'),
            Some(Kind::Path),
            Audience::Server,
            described!("--pidfile FILE", "a daemon's PID file, which must not exist yet; default: /run/k8pshd.pid"),
        ),
        in_header(
            Id::Plain,
            None,
            Some(Kind::YesNo),
            Audience::Server,
            described!(
                "--plain YES|NO",
                "whether a trigger with a token serves plain TCP clients (yes, the default) or stubs alone"
            ),
        ),
        on_command_line(Id::Server, Some(b's'), None, described!("--server", "no effect")),
        in_header(
            Id::ServerUid,
            None,
            Some(Kind::Uid),
            Audience::Stub,
            described!(
                "--server-uid UID",
                "the user that the server has to be, which the direct transport alone shows"
            ),
        ),
        in_header(
            Id::SessionTimeout,
            None,
            Some(Kind::TimeLimit),
            Audience::Server,
            described!("--session-timeout MS", "end commands that run longer, in milliseconds; -1: none (default)"),
        ),
        in_header(
            Id::Timeout,
            Some(b't'),
            Some(Kind::Limit),
            Audience::Server,
            described!("--timeout MS", "exit after so many milliseconds; 0: at once; -1: never (default)"),
        ),
        in_header(
            Id::TokenEnv,
            None,
            Some(Kind::VariableName),
            Audience::Both,
            described!("--token-env NAME", "the variable with the token that both ends must have"),
        ),
        in_header(
            Id::TokenFile,
            None,
            Some(Kind::AbsolutePath),
            Audience::Both,
            described!("--token-file PATH", "the file with that token, read for each connection"),
        ),
        in_header(
            Id::Transport,
            None,
            Some(Kind::Transport),
            Audience::Both,
            described!(
                "--transport HOW",
                "stubs pass their file descriptors (direct), copy their streams over TCP (relay), or either (auto, the default)"
            ),
        ),
        in_header(
            Id::Trigger,
            None,
            Some(Kind::Name),
            Audience::Both,
            described!("--trigger COMMAND", "run it for each connection, whose bytes are its streams"),
        ),
        in_header(
            Id::Tty,
            None,
            Some(Kind::Tty),
            Audience::Server,
            described!("--tty WHEN", "give commands a terminal: auto (where stubs have one), always or never"),
        ),
        VERSION,
    ],
    notes: text!(
        "\
INT, TERM and HUP end it when the running commands have ended; a second one ends them. A program behind -- gets \
the others instead. HUP has a daemon, or a server with a program, read its configuration again."
    ),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_has_names_of_its_own_and_stands_in_order() {
        for program in [&CLIENT, &SERVER] {
            let names: Vec<_> = program.options.iter().map(OptionSpec::name).collect();
            assert!(names.is_sorted() && names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
            let mut letters: Vec<_> = program.options.iter().filter_map(|option| option.letter).collect();
            let count = letters.len();
            letters.sort_unstable();
            letters.dedup();
            assert_eq!(letters.len(), count, "{}", program.name);
        }
    }

    #[test]
    fn a_value_has_a_name_where_there_is_one() {
        for option in CLIENT.options.iter().chain(SERVER.options) {
            assert!(option.name().starts_with(b"--") && !crate::line!("{}", option.help()).bytes().is_empty());
            assert_eq!(option.value.is_some(), !option.metavar().is_empty() && !option.metavar().starts_with(b"["));
        }
    }

    #[test]
    fn options_are_found_by_either_name_and_no_other() {
        for option in SERVER.options {
            assert_eq!(SERVER.find(option.name()), Some(option));
            if let Some(letter) = option.letter {
                assert_eq!(SERVER.find(&[b'-', letter]), Some(option));
            }
        }
        for name in [&b""[..], b"-", b"--", b"-1", b"--con", b"--configs", b"c", b"config"] {
            assert_eq!(SERVER.find(name), None);
        }
    }
}
