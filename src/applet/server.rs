//! `k8pshd`: reads its options and the configuration, makes the stubs, and serves.

use super::configuration::{self, Loaded};
use super::listener::{self, Listener};
use super::options::{Misuse, Spec, Word, next, number};
use super::print;
use super::stubs::{Stubs, Wish};
use crate::config::Server;
use crate::diag::Line;
use crate::sys::process::{self, exit};
use crate::sys::program::{Environment, Program, Strings};
use crate::sys::signal;
use crate::{diag, exit, fail, limits, line, report};
use core::cell::Cell;
use core::ffi::CStr;

/// What `--help` prints.
const USAGE: &str = "\
Usage: k8pshd [options]

Runs the commands that the configuration lists for this server whenever a stub
asks for one, and makes the stubs of all other servers' commands. Without
commands of its own it makes the stubs, leaves them there and exits.

Options, also in the header of the server's section; the command line wins:
  -b, --background    become a daemon once the port is bound and the stubs exist
  -d, --disable-client-executables
                      make no stubs, and remove those that are there
  -e, --executable-directory DIR
                      where stubs are made; default: the working directory
  -i, --ignore-invalid-arguments
                      warn of an unknown option instead of failing
  -k, --keep-client-executables
                      leave the stubs behind on exit
  -l, --generate-local-executables
                      make stubs for this server's own commands too
  -m, --max-connections N
                      exit after N connections; -1: no limit (default)
      --max-sessions N
                      run at most N commands at once, further ones wait;
                      default 512
  -o, --overwrite-client-executables
                      replace an existing file of a stub's name
  -p, --pidfile FILE  where a daemon writes its process number; it must not
                      exist; default /run/k8pshd.pid
  -t, --timeout MS    exit after so many milliseconds; -1: never (default)
  -w, --no-wait       on exit, do not wait for running commands

Options of the command line alone:
  -c, --config FILE   the configuration file; default: $K8PSH_CONFIG, else
                      k8psh.conf in the working directory
  -h, --help          print this and exit
  -n, --name NAME     which section is this server's; default: $K8PSH_NAME, else
                      the host name
  -s, --server        no effect
  -v, --version       print the version and exit

INT, TERM and HUP end the server when the running commands have ended; a second
one ends them. A daemon takes no notice of HUP.
";

/// The options.
#[derive(Clone, Copy)]
enum Id {
    Background,
    Config,
    Directory,
    Disable,
    Help,
    IgnoreInvalid,
    Keep,
    Local,
    MaxConnections,
    MaxSessions,
    Name,
    NoWait,
    Overwrite,
    PidFile,
    Server,
    Timeout,
    Version,
}

static OPTIONS: [Spec<Id>; 17] = [
    Spec::flag(b'b', "background", Id::Background),
    Spec::value(b'c', "config", Id::Config),
    Spec::flag(b'd', "disable-client-executables", Id::Disable),
    Spec::value(b'e', "executable-directory", Id::Directory),
    Spec::flag(b'h', "help", Id::Help),
    Spec::flag(b'i', "ignore-invalid-arguments", Id::IgnoreInvalid),
    Spec::flag(b'k', "keep-client-executables", Id::Keep),
    Spec::flag(b'l', "generate-local-executables", Id::Local),
    Spec::value(b'm', "max-connections", Id::MaxConnections),
    Spec::value(0, "max-sessions", Id::MaxSessions),
    Spec::value(b'n', "name", Id::Name),
    Spec::flag(b'o', "overwrite-client-executables", Id::Overwrite),
    Spec::value(b'p', "pidfile", Id::PidFile),
    Spec::flag(b's', "server", Id::Server),
    Spec::value(b't', "timeout", Id::Timeout),
    Spec::flag(b'v', "version", Id::Version),
    Spec::flag(b'w', "no-wait", Id::NoWait),
];

/// What the options say.
#[derive(Clone, Copy, Default)]
struct Options {
    background: bool,
    config: Option<&'static CStr>,
    directory: Option<&'static CStr>,
    disable: bool,
    ignore_invalid: bool,
    keep: bool,
    local: bool,
    max_connections: Option<i64>,
    max_sessions: Option<usize>,
    name: Option<&'static CStr>,
    no_wait: bool,
    overwrite: bool,
    pid_file: Option<&'static CStr>,
    timeout: Option<i64>,
}

/// Where a list of options stands: what is allowed there differs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    CommandLine,
    Section,
}

/// Plays the role.
pub(super) fn main(program: &Program, arguments: Strings) -> ! {
    diag::set_name(diag::SERVER);
    let mut options = Options::default();
    options.ignore_invalid = { arguments }.any(|word| word == c"-i" || word == c"--ignore-invalid-arguments");
    let explain = |reason: Line| line!(reason, "; see k8pshd --help");
    let mut words = arguments;
    if let Err(reason) = options.take(Source::CommandLine, &mut words, &explain) {
        fail!(exit::FAILURE, reason);
    }
    let loaded =
        configuration::load(options.config, &program.environment).unwrap_or_else(|reason| fail!(exit::FAILURE, reason));
    let name = server_name(&options, &program.environment);
    let server = loaded.config.server(&name).filter(|server| server.has_commands());
    if let Some(server) = server {
        options = options.over(&section_options(server, loaded, options.ignore_invalid));
    }
    serve(program, &options, loaded, server)
}

/// The options of a section's header.
fn section_options(server: Server<'static>, loaded: Loaded, ignore_invalid: bool) -> Options {
    let mut options = Options { ignore_invalid, ..Options::default() };
    let at = Cell::new(0);
    let explain = |reason: Line| line!(loaded.place(at.get()), ": ", reason);
    let mut words = server.options().map(|word| {
        at.set(word.at);
        word.text
    });
    if let Err(reason) = options.take(Source::Section, &mut words, &explain) {
        fail!(exit::FAILURE, reason);
    }
    options
}

impl Options {
    /// These options, and where they say nothing, those.
    fn over(self, below: &Options) -> Options {
        Options {
            background: self.background || below.background,
            config: self.config,
            directory: self.directory.or(below.directory),
            disable: self.disable || below.disable,
            ignore_invalid: self.ignore_invalid || below.ignore_invalid,
            keep: self.keep || below.keep,
            local: self.local || below.local,
            max_connections: self.max_connections.or(below.max_connections),
            max_sessions: self.max_sessions.or(below.max_sessions),
            name: self.name,
            no_wait: self.no_wait || below.no_wait,
            overwrite: self.overwrite || below.overwrite,
            pid_file: self.pid_file.or(below.pid_file),
            timeout: self.timeout.or(below.timeout),
        }
    }

    /// Takes a list of options. `explain` adds to a problem where it is.
    fn take(
        &mut self,
        source: Source,
        words: &mut dyn Iterator<Item = &'static CStr>,
        explain: &dyn Fn(Line) -> Line,
    ) -> Result<(), Line> {
        while let Some(word) = next(&OPTIONS, words) {
            let problem = match word {
                Ok(Word::Given(id, value)) => {
                    self.set(source, id, value).map_err(explain)?;
                    continue;
                }
                Ok(Word::Plain(word)) => line!("unexpected argument ", word),
                Err(misuse @ Misuse::Unknown(_)) => line!(misuse),
                Err(misuse) => return Err(explain(line!(misuse))),
            };
            if !self.ignore_invalid {
                return Err(explain(problem));
            }
            report!(explain(problem), ": ignored");
        }
        Ok(())
    }

    /// Takes one option.
    fn set(&mut self, source: Source, id: Id, value: &'static CStr) -> Result<(), Line> {
        match id {
            Id::Background => self.background = true,
            Id::Directory => self.directory = Some(value),
            Id::Disable => self.disable = true,
            Id::IgnoreInvalid => self.ignore_invalid = true,
            Id::Keep => self.keep = true,
            Id::Local => self.local = true,
            Id::MaxConnections => self.max_connections = Some(whole("--max-connections", value)?),
            Id::MaxSessions => self.max_sessions = Some(sessions(value)?),
            Id::NoWait => self.no_wait = true,
            Id::Overwrite => self.overwrite = true,
            Id::PidFile => self.pid_file = Some(value),
            Id::Server => {}
            Id::Timeout => self.timeout = Some(whole("--timeout", value)?),
            Id::Config | Id::Help | Id::Name | Id::Version if source == Source::Section => {
                return Err(line!("this option belongs on the command line"));
            }
            Id::Config => self.config = Some(value),
            Id::Help => print(USAGE),
            Id::Name => self.name = Some(value),
            Id::Version => print(concat!("k8pshd ", env!("CARGO_PKG_VERSION"), "\n")),
        }
        Ok(())
    }
}

/// An option's number.
fn whole(option: &str, text: &CStr) -> Result<i64, Line> {
    number(text).ok_or_else(|| line!(option, ": ", text, " is not a number"))
}

/// A number of simultaneous sessions.
fn sessions(text: &CStr) -> Result<usize, Line> {
    let number = number(text).and_then(|number| usize::try_from(number).ok());
    number
        .filter(|number| (1..=limits::MAX_SESSIONS).contains(number))
        .ok_or_else(|| line!("--max-sessions: ", text, " is not a number from 1 to ", limits::MAX_SESSIONS))
}

/// The name of this server: given, from the environment, or the host's.
fn server_name(options: &Options, environment: &Environment) -> heapless::Vec<u8, 256> {
    let host = rustix::system::uname();
    let from_environment = || environment.get(b"K8PSH_NAME").filter(|name| !name.is_empty());
    let name = options.name.map(CStr::to_bytes).or_else(from_environment).unwrap_or(host.nodename().to_bytes());
    // A longer one is no section's: their words are file names' length at most.
    heapless::Vec::from_slice(name).unwrap_or_default()
}

/// Makes the stubs, and serves where there are commands.
fn serve(program: &Program, options: &Options, loaded: Loaded, server: Option<Server<'static>>) -> ! {
    // The port first: where another server has it, its stubs stay as they are.
    let socket = server.map(|server| {
        listener::bind(server.port()).unwrap_or_else(|errno| {
            fail!(exit::FAILURE, "port ", server.port(), " of server ", server.name(), ": ", errno)
        })
    });
    let stubs = stubs(program, options, loaded, server).unwrap_or_else(|reason| fail!(exit::FAILURE, reason));
    let (Some(server), Some(socket)) = (server, socket) else { exit(exit::SUCCESS) };
    let limits = listener::Limits {
        // Below 0 there is no limit.
        connections: options.max_connections.and_then(|number| u64::try_from(number).ok()),
        sessions: options.max_sessions.unwrap_or(limits::SESSIONS),
        milliseconds: options.timeout.and_then(|number| u64::try_from(number).ok()),
        wait: !options.no_wait,
    };
    let stubs = stubs.filter(|_| !options.keep);
    let daemon = options.background.then(|| options.pid_file.unwrap_or(c"/run/k8pshd.pid"));
    let work = listener::Work {
        loaded,
        server,
        environment: program.environment,
        umask: process::umask(),
        ignored: signal::ignored(),
    };
    Listener::new(socket, limits, stubs, work).run(daemon)
}

/// The stubs as the options ask for them; `None` where there are to be none.
fn stubs(
    program: &Program,
    options: &Options,
    loaded: Loaded,
    server: Option<Server<'static>>,
) -> Result<Option<Stubs>, Line> {
    let wish = Wish {
        directory: options.directory.unwrap_or(c"."),
        overwrite: options.overwrite,
        local: options.local,
        server,
    };
    if options.disable {
        return Stubs::remove_all(&wish, loaded, program).map(|()| None);
    }
    Stubs::make(&wish, loaded, program).map(Some)
}
