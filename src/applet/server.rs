//! `k8pshd`: reads its options and the configuration, makes the stubs, and serves.

use super::configuration::{self, Loaded};
use super::listener::{self, Listener};
use super::options::{Misuse, Spec, Word, next, number};
use super::print;
use super::stubs::{Stubs, Wish};
use crate::config::Server;
use crate::diag::{Line, Show, Told};
use crate::sys::descriptor;
use crate::sys::process::{self, exit};
use crate::sys::program::{Environment, Program, Strings};
use crate::sys::signal;
use crate::{diag, exit, fail, limits, report, told};
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

/// The options. The ones with a value come first: their numbers are the places of their values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Id {
    Config,
    Directory,
    MaxConnections,
    MaxSessions,
    Name,
    PidFile,
    Timeout,
    Background,
    Disable,
    Help,
    IgnoreInvalid,
    Keep,
    Local,
    NoWait,
    Overwrite,
    Server,
    Version,
}

/// How many of them have a value.
const VALUES: usize = Id::Timeout as usize + 1;

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
    /// The options without a value that are given, each the bit of its number.
    flags: u32,
    values: [Option<&'static CStr>; VALUES],
}

/// Where a list of options stands: what is allowed there differs, and so does how to find a mistake.
enum Source {
    CommandLine,
    /// A section's header, and where in the file the last word stands.
    Section(Loaded, Cell<usize>),
}

impl Show for Source {
    fn show(&self, line: &mut Line) {
        if let Source::Section(loaded, at) = self {
            loaded.spot(at.get()).show(line);
        }
    }
}

/// Plays the role.
pub(super) fn main(program: &Program, arguments: Strings) -> ! {
    diag::set_name(diag::SERVER);
    let mut options = Options::default();
    if { arguments }.any(|word| word == c"-i" || word == c"--ignore-invalid-arguments") {
        options.set(Id::IgnoreInvalid, c"");
    }
    let mut words = arguments;
    let told = options.take(&Source::CommandLine, &mut words);
    let loaded = told.and_then(|()| configuration::load(options.value(Id::Config), &program.environment));
    let Ok(loaded) = loaded else { exit(exit::FAILURE) };
    // Only now: the configuration may have been given as one of them.
    descriptor::close_inherited();
    let name = server_name(&options, &program.environment);
    let server = loaded.config.server(&name);
    let below = server.map_or(Ok(Options::default()), |server| section_options(server, loaded, &options));
    let Ok(below) = below else { exit(exit::FAILURE) };
    serve(program, &options.over(&below), loaded, server)
}

/// The options of a section's header.
fn section_options(server: Server<'static>, loaded: Loaded, given: &Options) -> Result<Options, Told> {
    let mut options = Options { flags: given.flags & bit(Id::IgnoreInvalid), ..Options::default() };
    let source = Source::Section(loaded, Cell::new(0));
    let Source::Section(_, at) = &source else { return Ok(options) };
    let mut words = server.options().map(|word| {
        at.set(word.at);
        word.text
    });
    options.take(&source, &mut words)?;
    Ok(options)
}

/// The bit of an option without a value.
fn bit(id: Id) -> u32 {
    1 << id as u32
}

impl Options {
    /// These options, and where they say nothing, those.
    fn over(mut self, below: &Options) -> Options {
        self.flags |= below.flags;
        for (value, other) in self.values.iter_mut().zip(below.values) {
            *value = value.or(other);
        }
        self
    }

    /// Whether an option without a value is given.
    fn has(&self, id: Id) -> bool {
        self.flags & bit(id) != 0
    }

    /// The value of an option.
    fn value(&self, id: Id) -> Option<&'static CStr> {
        self.values.get(id as usize).copied().flatten()
    }

    /// The number that is an option's value; nothing for a negative one, by which no limit is meant.
    fn number(&self, id: Id) -> Option<u64> {
        u64::try_from(number(self.value(id)?)?).ok()
    }

    fn set(&mut self, id: Id, value: &'static CStr) {
        match self.values.get_mut(id as usize) {
            Some(place) => *place = Some(value),
            None => self.flags |= bit(id),
        }
    }

    /// Takes a list of options.
    fn take(&mut self, source: &Source, words: &mut dyn Iterator<Item = &'static CStr>) -> Result<(), Told> {
        while let Some(word) = next(&OPTIONS, words) {
            let problem = match word {
                Ok(Word::Given(id, value)) => {
                    check(source, id, value)?;
                    self.set(id, value);
                    continue;
                }
                Ok(Word::Plain(word)) => Misuse::Unexpected(word),
                Err(misuse) => misuse,
            };
            if !self.has(Id::IgnoreInvalid) || !problem.can_be_ignored() {
                return Err(told!("{}{}; see k8pshd --help", source, problem));
            }
            report!("{}warning: {}: ignored", source, problem);
        }
        Ok(())
    }
}

/// Whether an option may stand there with this value. Those that ask for a text get it.
fn check(source: &Source, id: Id, value: &CStr) -> Result<(), Told> {
    let is_section = matches!(source, Source::Section(..));
    match id {
        Id::Config | Id::Help | Id::Name | Id::Version if is_section => {
            Err(told!("{}--{} belongs on the command line", source, name_of(id)))
        }
        Id::Help => print(USAGE),
        Id::Version => print(concat!("k8pshd ", env!("CARGO_PKG_VERSION"), "\n")),
        Id::MaxConnections | Id::Timeout if number(value).is_none() => {
            Err(told!("{}--{}: {} is not a number", source, name_of(id), value))
        }
        Id::MaxSessions if !sessions(value).is_some_and(|most| (1..=limits::MAX_SESSIONS).contains(&most)) => {
            Err(told!("{}--{}: {} is not a number from 1 to {}", source, name_of(id), value, limits::MAX_SESSIONS))
        }
        _ => Ok(()),
    }
}

/// A number of sessions.
fn sessions(text: &CStr) -> Option<usize> {
    usize::try_from(number(text)?).ok()
}

/// The long name of an option.
fn name_of(id: Id) -> &'static str {
    OPTIONS.iter().find(|spec| spec.id == id).map_or("", |spec| spec.name)
}

/// The name of this server: given, from the environment, or the host's.
fn server_name(options: &Options, environment: &Environment) -> heapless::Vec<u8, 256> {
    let host = rustix::system::uname();
    let from_environment = || environment.get(b"K8PSH_NAME").filter(|name| !name.is_empty());
    let name =
        options.value(Id::Name).map(CStr::to_bytes).or_else(from_environment).unwrap_or(host.nodename().to_bytes());
    // A longer one is no section's: their words are file names' length at most.
    heapless::Vec::from_slice(name).unwrap_or_default()
}

/// Makes the stubs, and serves where there are commands.
fn serve(program: &Program, options: &Options, loaded: Loaded, server: Option<Server<'static>>) -> ! {
    // From here on a signal waits until what is made can be removed again. A caller that ignores CHLD would leave that to
    // this process, and the kernel would reap in its place.
    signal::block(signal::Set::ALL);
    signal::set_action(signal::name::CHLD, false);
    // The port first: where another server has it, its stubs stay as they are.
    let socket = server.filter(|server| server.has_commands()).map(|server| {
        listener::bind(server.port()).unwrap_or_else(|errno| {
            fail!(exit::FAILURE, "port {} of server {}: {}", server.port(), server.name(), errno)
        })
    });
    let Ok(stubs) = stubs(program, options, loaded, server) else { exit(exit::FAILURE) };
    let (Some(server), Some(socket)) = (server, socket) else { exit(exit::SUCCESS) };
    let limits = listener::Limits {
        connections: options.number(Id::MaxConnections),
        sessions: options.value(Id::MaxSessions).and_then(sessions).unwrap_or(limits::SESSIONS),
        milliseconds: options.number(Id::Timeout),
        wait: !options.has(Id::NoWait),
    };
    let stubs = stubs.filter(|_| !options.has(Id::Keep));
    let daemon = options.has(Id::Background).then(|| options.value(Id::PidFile).unwrap_or(c"/run/k8pshd.pid"));
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
) -> Result<Option<Stubs>, Told> {
    let wish = Wish {
        directory: options.value(Id::Directory).unwrap_or(c"."),
        overwrite: options.has(Id::Overwrite),
        local: options.has(Id::Local),
        server,
    };
    if options.has(Id::Disable) {
        return Stubs::remove_all(&wish, loaded, program).map(|()| None);
    }
    Stubs::make(&wish, loaded, program).map(Some)
}
