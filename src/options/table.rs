//! The table of options: each is spelled here and nowhere else. From it come the reading of words ([`super::words`]), the
//! values that they may have ([`super::value`]), `--help` ([`super::help`]) and the manual pages (`scripts/man`).

use super::spec::{Described, length, placed, put};
use super::value::Kind;
use crate::text;
use crate::text::bytes::{after, until};
use crate::text::packed::Text;

pub use super::spec::{Audience, Id, OptionSpec, ProgramSpec, Scope};

/// An option of the command line alone.
const fn on_command_line(
    id: Id,
    letter: Option<u8>,
    value: Option<Kind>,
    usage: &'static str,
    help: &'static str,
) -> Described {
    let (scope, audience) = (Scope::CommandLine, Audience::Server);
    Described { option: OptionSpec { id, letter, value, scope, audience, start: 0 }, usage, help }
}

/// An option that may stand in a section's header too, or has to if its stubs alone read it.
const fn in_header(
    id: Id,
    letter: Option<u8>,
    value: Option<Kind>,
    audience: Audience,
    usage: &'static str,
    help: &'static str,
) -> Described {
    let scope = if matches!(audience, Audience::Stub) { Scope::Header } else { Scope::Either };
    Described { option: OptionSpec { id, letter, value, scope, audience, start: 0 }, usage, help }
}

/// Options that both programs have.
const CONFIG: Described = on_command_line(
    Id::Config,
    Some(b'c'),
    Some(Kind::Any),
    "--config FILE",
    "the configuration file; default: $K8PSH_CONFIG, else k8psh.conf in the working directory",
);
const HELP: Described = on_command_line(Id::Help, Some(b'h'), None, "--help", "print this");
const VERSION: Described = on_command_line(Id::Version, Some(b'v'), None, "--version", "print the version");

const CLIENT_OPTIONS: &[Described] = &[
    on_command_line(
        Id::Check,
        None,
        None,
        "--check",
        "print all errors in the configuration; exit with 1 if there are any",
    ),
    CONFIG,
    HELP,
    on_command_line(
        Id::Install,
        None,
        Some(Kind::NewFile),
        "--install FILE",
        "put this program at FILE and exit; where FILE is a directory: as k8psh, and as k8pshd beside it",
    ),
    on_command_line(Id::Json, None, None, "--json", "--check, --list and --status print JSON"),
    on_command_line(Id::List, None, None, "--list", "print all commands, their servers, ports and arguments"),
    on_command_line(Id::Probe, None, None, "--probe [NAME]", "exit with 0 if that server, or every one, answers"),
    on_command_line(
        Id::Server,
        Some(b's'),
        None,
        "--server",
        "be the server, with all the arguments (see k8pshd --help)",
    ),
    on_command_line(
        Id::Status,
        None,
        None,
        "--status [NAME]",
        "print what that server, or every one, runs, and how many calls ended how",
    ),
    on_command_line(
        Id::Timeout,
        None,
        Some(Kind::Milliseconds),
        "--timeout MS",
        "how long --probe and --status wait, in milliseconds; default: 1000",
    ),
    VERSION,
];

/// `k8psh`.
pub static CLIENT: ProgramSpec = ProgramSpec {
    name: "k8psh",
    usage: "k8psh [options] command [arguments...]",
    about: text!(
        "\
Runs a command in the container that the configuration names for it, as though it were installed here. Called by another \
name, as stubs are, it runs the command of that name."
    ),
    options: &placed::<{ CLIENT_OPTIONS.len() }>(CLIENT_OPTIONS, 0),
    notes: text!(
        "\
To begin, write k8psh.conf: a line [ tools:2102 ] =PATH= and below it a line for each command, as upper tr a-z A-Z. Where \
they are, run k8pshd --name tools; where they are called, k8pshd --name client makes their stubs in the working directory, \
which belongs into PATH.\n\n\
Exit status: the command's own. A command that a signal ended ends k8psh by the same signal. 127: no such program; 126: \
cannot be executed; 125: k8psh failed."
    ),
};

const SERVER_OPTIONS: &[Described] = &[
    in_header(
        Id::AllowUid,
        None,
        Some(Kind::Uids),
        Audience::Server,
        "--allow-uid UID,...",
        "the users whose stubs may come by direct transport; others come by TCP; default: all",
    ),
    in_header(
        Id::Background,
        Some(b'b'),
        None,
        Audience::Server,
        "--background",
        "become a daemon once the port is bound and the stubs exist",
    ),
    CONFIG,
    in_header(
        Id::Connect,
        None,
        Some(Kind::AddressOrNone),
        Audience::Stub,
        "--connect ADDRESS",
        "where stubs find the server, by TCP alone; default: 127.0.0.1",
    ),
    in_header(
        Id::DetachOnClose,
        None,
        None,
        Audience::Server,
        "--detach-on-close",
        "a trigger's command outlives its connection",
    ),
    in_header(
        Id::DisableStubs,
        Some(b'd'),
        None,
        Audience::Server,
        "--disable-client-executables",
        "make no stubs, and remove those that are there",
    ),
    in_header(
        Id::ExecutableDirectory,
        Some(b'e'),
        Some(Kind::Path),
        Audience::Server,
        "--executable-directory DIR",
        "where stubs are made; default: the working directory",
    ),
    in_header(
        Id::LocalStubs,
        Some(b'l'),
        None,
        Audience::Server,
        "--generate-local-executables",
        "make stubs for this server's commands too",
    ),
    HELP,
    in_header(
        Id::Http,
        None,
        Some(Kind::Http),
        Audience::Server,
        "--http[=WHEN]",
        "the trigger's clients speak HTTP; the answer comes with the output (stream, the default) or when the command \
                 has ended (status)",
    ),
    in_header(
        Id::IgnoreInvalid,
        Some(b'i'),
        None,
        Audience::Both,
        "--ignore-invalid-arguments",
        "only warn of an unknown option, unless it begins like one that protects",
    ),
    in_header(
        Id::KeepStubs,
        Some(b'k'),
        None,
        Audience::Server,
        "--keep-client-executables",
        "leave the stubs on exit",
    ),
    in_header(
        Id::Listen,
        None,
        Some(Kind::Address),
        Audience::Both,
        "--listen ADDRESS",
        "where the server listens; default: 127.0.0.1; 0.0.0.0 or :: is every address; not beyond loopback without a \
             token or --no-token",
    ),
    in_header(
        Id::Log,
        None,
        Some(Kind::Log),
        Audience::Server,
        "--log HOW",
        "log each session: text (the default of triggers), json, none",
    ),
    in_header(Id::LogArguments, None, None, Audience::Server, "--log-arguments", "log its arguments too"),
    in_header(
        Id::MaxConnections,
        Some(b'm'),
        Some(Kind::Limit),
        Audience::Server,
        "--max-connections N",
        "exit after N connections; 0: at once; -1: no limit (default)",
    ),
    in_header(
        Id::MaxSessions,
        None,
        Some(Kind::Sessions),
        Audience::Server,
        "--max-sessions N",
        "run at most N commands at once; default: 512",
    ),
    on_command_line(
        Id::Name,
        Some(b'n'),
        Some(Kind::Name),
        "--name NAME",
        "which section is this server's; default: $K8PSH_NAME, else the host name",
    ),
    in_header(Id::NoToken, None, None, Audience::Server, "--no-token", "whoever reaches the port may run the commands"),
    in_header(Id::NoWait, Some(b'w'), None, Audience::Server, "--no-wait", "on exit, do not wait for running commands"),
    in_header(
        Id::OverwriteFiles,
        Some(b'o'),
        None,
        Audience::Server,
        "--overwrite-client-executables",
        "replace an existing file of a stub's name",
    ),
    in_header(
        Id::PidFile,
        Some(b'p'),
        Some(Kind::Path),
        Audience::Server,
        "--pidfile FILE",
        "a daemon's PID file, which must not exist yet; default: /run/k8pshd.pid",
    ),
    in_header(
        Id::Plain,
        None,
        Some(Kind::YesNo),
        Audience::Server,
        "--plain YES|NO",
        "whether a trigger with a token serves plain TCP clients (yes, the default) or stubs alone",
    ),
    on_command_line(Id::Server, Some(b's'), None, "--server", "no effect"),
    in_header(
        Id::ServerUid,
        None,
        Some(Kind::Uid),
        Audience::Stub,
        "--server-uid UID",
        "the user that the server has to be, which the direct transport alone shows",
    ),
    in_header(
        Id::SessionTimeout,
        None,
        Some(Kind::TimeLimit),
        Audience::Server,
        "--session-timeout MS",
        "end commands that run longer, in milliseconds; -1: none (default)",
    ),
    in_header(
        Id::Timeout,
        Some(b't'),
        Some(Kind::Limit),
        Audience::Server,
        "--timeout MS",
        "exit after so many milliseconds; 0: at once; -1: never (default)",
    ),
    in_header(
        Id::TokenEnv,
        None,
        Some(Kind::VariableName),
        Audience::Both,
        "--token-env NAME",
        "the variable with the token that both ends must have",
    ),
    in_header(
        Id::TokenFile,
        None,
        Some(Kind::AbsolutePath),
        Audience::Both,
        "--token-file PATH",
        "the file with that token, read for each connection",
    ),
    in_header(
        Id::Transport,
        None,
        Some(Kind::Transport),
        Audience::Both,
        "--transport HOW",
        "stubs pass their file descriptors (direct), copy their streams over TCP (relay), or either (auto, the default)",
    ),
    in_header(
        Id::Trigger,
        None,
        Some(Kind::Name),
        Audience::Both,
        "--trigger COMMAND",
        "run it for each connection, whose bytes are its streams",
    ),
    in_header(
        Id::Tty,
        None,
        Some(Kind::Tty),
        Audience::Server,
        "--tty WHEN",
        "give commands a terminal: auto (where stubs have one), always or never",
    ),
    VERSION,
];

/// `k8pshd`.
pub static SERVER: ProgramSpec = ProgramSpec {
    name: "k8pshd",
    usage: "k8pshd [options] [-- program [arguments...]]",
    about: text!(
        "\
Runs the commands of its section for their stubs, and makes the stubs of all other sections. Without commands of its own \
it leaves them there and exits. Then it runs the program, and ends with it."
    ),
    options: &placed::<{ SERVER_OPTIONS.len() }>(SERVER_OPTIONS, length(CLIENT_OPTIONS)),
    notes: text!(
        "\
INT, TERM and HUP end it when the running commands have ended; a second one ends them. A program behind -- gets \
the others instead. HUP has a daemon, or a server with a program, read its configuration again."
    ),
};

/// The texts of all options, the client's first: of each one line that begins with its name, and one of what it does, which
/// is packed. One text, because slices would have an address and a length each.
static TEXTS: [u8; length(CLIENT_OPTIONS) + length(SERVER_OPTIONS)] = {
    let mut texts = [b'\n'; length(CLIENT_OPTIONS) + length(SERVER_OPTIONS)];
    let end = put(CLIENT_OPTIONS, &mut texts, 0);
    put(SERVER_OPTIONS, &mut texts, end);
    texts
};

impl OptionSpec {
    /// Its long name and what stands for its value, as they are written.
    pub fn usage(&self) -> &'static [u8] {
        until(after(&TEXTS, self.start.into()), b'\n')
    }

    /// Its long name.
    pub fn name(&self) -> &'static [u8] {
        until(until(self.usage(), b' '), b'[')
    }

    /// What stands for its value; empty where it takes none.
    pub fn metavar(&self) -> &'static [u8] {
        after(self.usage(), self.name().len() + 1)
    }

    /// What it does.
    pub fn help(&self) -> Text {
        Text::new(until(after(&TEXTS, usize::from(self.start) + self.usage().len() + 1), b'\n'))
    }
}

impl ProgramSpec {
    /// The option of this name, hyphens included: `--long` or `-x`.
    pub fn find(&self, name: &[u8]) -> Option<&'static OptionSpec> {
        self.options.iter().find(|option| match name {
            [b'-', letter] => option.letter == Some(*letter),
            _ => option.name() == name,
        })
    }
}

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
