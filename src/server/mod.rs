//! `k8pshd`: reads its options and the configuration, makes the stubs, serves, and runs the program behind `--`.

mod daemon;
mod listener;
mod pool;
mod sockets;
mod stubs;
mod supervise;
mod worker;

use self::listener::Listener;
use self::sockets::Sockets;
use self::stubs::{Made, Spot, Stubs, Wish};
use self::supervise::Supervised;
use crate::auth::proof::Key;
use crate::auth::token::Source as Token;
use crate::config::Server;
use crate::config::file::{self as configuration, Loaded};
use crate::diag::Reported;
use crate::diag::print_and_exit as print;
use crate::options::value::Format;
use crate::options::value::Tty;
use crate::options::value::{Transport, users};
use crate::options::words::{self as options, END, Spec, UsageError, Word, choice, next};
use crate::session::service::Log;
use crate::session::service::Service;
use crate::sys::fd;
use crate::sys::process::{self, exit};
use crate::sys::program::{Program, Strings};
use crate::sys::signal;
use crate::sys::statics::StaticCell;
use crate::text::address::Address;
use crate::text::line::{Part, Show};
use crate::text::number::{parse, parse_signed};
use crate::{debug, diag, exit, fail, limits, report, told};
use core::cell::Cell;
use core::ffi::CStr;
use rustix::io::Errno;

/// What `--help` prints.
const USAGE: &str = "\
Usage: k8pshd [options] [-- program [arguments...]]

Runs the commands of its section for their stubs, and makes the stubs of all
other sections. Without commands of its own it leaves them there and exits.
Then it runs the program, and ends with it.

Options, also in the section's header; the command line wins:
      --allow-uid UID,...  the users whose stubs may come by direct transport
  -b, --background  become a daemon once the port is bound and the stubs exist
      --connect ADDRESS  where stubs find it, by TCP alone; default: 127.0.0.1
      --detach-on-close  a trigger's command outlives its connection
  -d, --disable-client-executables  make no stubs, remove those that are there
  -e, --executable-directory DIR  where stubs are made, instead of here
  -i, --ignore-invalid-arguments  only warn of an unknown option
  -k, --keep-client-executables  leave the stubs on exit
  -l, --generate-local-executables  make stubs for this server's commands too
      --listen ADDRESS  default: 127.0.0.1; 0.0.0.0 or :: is all; not beyond
      loopback without a token or --no-token
      --log HOW  tell of each session: text (default of triggers), json, none
      --log-arguments  with its arguments
  -m, --max-connections N  exit after N connections; -1: no limit (default)
      --max-sessions N  run at most N commands at once; default: 512
      --no-token  whoever reaches the port may run the commands
  -o, --overwrite-client-executables  replace an existing file of a stub's name
  -p, --pidfile FILE  a daemon's, a new file; default: /run/k8pshd.pid
      --server-uid UID  the user whose direct transport stubs trust
      --session-timeout MS  end commands that run longer; -1: none (default)
  -t, --timeout MS  exit after so many milliseconds; -1: never (default)
      --token-env NAME  the variable with the token that both ends have to have
      --token-file PATH  the file with it, read for each connection
      --transport HOW  stubs hand over their descriptors (direct), copy their
      streams over TCP (relay), or either (auto, the default)
      --trigger COMMAND  run it for each connection, whose bytes are its streams
      --tty WHEN  give commands a terminal: auto (where stubs have one), always
      or never
  -w, --no-wait  on exit, do not wait for running commands

Options of the command line alone:
  -c, --config FILE  the configuration file; default: $K8PSH_CONFIG, else
      k8psh.conf in the working directory
  -h, --help  print this
  -n, --name NAME  which section is this server's; default: $K8PSH_NAME, else
      the host name
  -s, --server  no effect
  -v, --version  print the version

INT, TERM and HUP end it when the running commands have ended; a second one
ends them. A program behind -- gets all signals instead. HUP has a daemon, or a
server with a program, read its configuration anew.
";

/// The options, numbered as [`USAGE`] lists them.
mod option {
    pub(super) const ALLOW_UID: usize = 0;
    pub(super) const BACKGROUND: usize = 1;
    pub(super) const CONNECT: usize = 2;
    pub(super) const DETACH: usize = 3;
    pub(super) const DISABLE: usize = 4;
    pub(super) const DIRECTORY: usize = 5;
    pub(super) const IGNORE_INVALID: usize = 6;
    pub(super) const KEEP: usize = 7;
    pub(super) const LOCAL: usize = 8;
    pub(super) const LISTEN: usize = 9;
    pub(super) const LOG: usize = 10;
    pub(super) const LOG_ARGUMENTS: usize = 11;
    pub(super) const MAX_CONNECTIONS: usize = 12;
    pub(super) const MAX_SESSIONS: usize = 13;
    pub(super) const NO_TOKEN: usize = 14;
    pub(super) const OVERWRITE: usize = 15;
    pub(super) const PID_FILE: usize = 16;
    pub(super) const SERVER_UID: usize = 17;
    pub(super) const SESSION_TIMEOUT: usize = 18;
    pub(super) const TIMEOUT: usize = 19;
    pub(super) const TOKEN_ENV: usize = 20;
    pub(super) const TOKEN_FILE: usize = 21;
    pub(super) const TRANSPORT: usize = 22;
    pub(super) const TRIGGER: usize = 23;
    pub(super) const TTY: usize = 24;
    pub(super) const NO_WAIT: usize = 25;
    pub(super) const CONFIG: usize = 26;
    pub(super) const HELP: usize = 27;
    pub(super) const NAME: usize = 28;
    pub(super) const VERSION: usize = 30;
}

/// What the options say. The command line wins. They are looked for where they stand, each time: that is seldom.
#[derive(Clone, Copy)]
struct Options<'g> {
    command_line: Strings,
    /// Whose sections' headers have others, once that is known.
    server: Option<Server<'g>>,
}

/// Where a list of options stands: what is allowed there differs, and so does how to find a mistake.
enum Source<'g> {
    CommandLine,
    /// A section's header, and where in the file the last word stands.
    Section(Loaded<'g>, &'g Cell<usize>),
}

impl Source<'_> {
    fn is_section(&self) -> bool {
        matches!(self, Source::Section(..))
    }

    /// Tells of the word that was taken last.
    fn tell(&self, text: &str, parts: &[Part<'_>]) {
        match self {
            Source::CommandLine => diag::report(text, parts),
            Source::Section(loaded, at) => loaded.tell(at.get(), text, parts),
        }
    }
}

/// A configuration and the stubs that were made by it. There are two: one is in force, and the next is put together in the
/// other. Large, so they are made as a static.
struct Generation {
    file: configuration::File,
    stubs: Stubs,
}

/// What no reload changes.
struct Setup<'p> {
    program: &'p Program,
    /// What the command line says.
    options: Options<'static>,
    /// The configuration's path.
    file: &'static CStr,
    /// The program behind `--`, if there is one.
    words: Option<Strings>,
    /// The signals that this server was started to ignore.
    ignored: signal::Set,
    /// Where stubs are, once that is known.
    spot: Option<Spot>,
}

/// Plays the role.
pub(super) fn main(program: &Program, arguments: Strings) -> ! {
    diag::set_name(diag::SERVER);
    static GENERATIONS: StaticCell<[Generation; 2]> =
        StaticCell::new([const { Generation { file: configuration::File::EMPTY, stubs: Stubs::NONE } }; 2]);
    let options = Options { command_line: arguments, server: None };
    let mut words = arguments;
    let Ok(has_program) = check_words(&options, &Source::CommandLine, &mut words) else { exit(exit::FAILURE) };
    if has_program && words.clone().next().is_none() {
        fail!(exit::FAILURE, "-- needs a program; see k8pshd --help");
    }
    let mut setup = Setup {
        program,
        options,
        file: configuration::path(options.value(option::CONFIG), &program.environment),
        words: has_program.then_some(words),
        ignored: signal::ignored(),
        spot: None,
    };
    let [mut current, mut next] = GENERATIONS.take().each_mut();
    let mut listener = None;
    // The first one follows one in which there is nothing.
    let Ok(()) = advance(&mut setup, &mut listener, (&current.stubs, &current.file), next) else { exit(exit::FAILURE) };
    loop {
        core::mem::swap(&mut current, &mut next);
        serve(&mut setup, &mut listener, current, next);
    }
}

/// Checks what the headers of a server's sections say, and tells of every mistake.
pub(super) fn check_section<'g>(server: Server<'g>, loaded: Loaded<'g>) -> Result<(), Reported> {
    check_options(&Options { command_line: Strings::NONE, server: Some(server) }, loaded)
}

impl<'g> Options<'g> {
    /// Whether an option is given.
    fn has(&self, option: usize) -> bool {
        self.value(option).is_some()
    }

    /// The value of an option, empty for one that takes none.
    #[inline(never)]
    fn value(&self, option: usize) -> Option<&'g CStr> {
        options::value(USAGE, &mut self.command_line.clone(), option)
            .or_else(|| options::value(USAGE, &mut self.server?.options().map(|word| word.text), option))
    }

    /// The value of an option, without its NUL.
    fn bytes(&self, option: usize) -> Option<&'g [u8]> {
        self.value(option).map(CStr::to_bytes)
    }

    /// The number that is an option's value; [`u64::MAX`] for none and for a negative one, by which no limit is meant.
    fn number(&self, option: usize) -> u64 {
        let number = self.bytes(option).and_then(parse_signed);
        number.and_then(|number| u64::try_from(number).ok()).unwrap_or(u64::MAX)
    }

    fn transport(&self) -> Transport {
        self.bytes(option::TRANSPORT).and_then(Transport::named).unwrap_or_default()
    }

    fn tty(&self) -> Tty {
        self.bytes(option::TTY).and_then(Tty::named).unwrap_or_default()
    }

    /// Where the server listens.
    fn host(&self) -> Address {
        self.bytes(option::LISTEN).and_then(Address::parse).unwrap_or(Address::LOOPBACK)
    }

    fn token(&self) -> Option<Token<'g>> {
        Token::of(self.value(option::TOKEN_FILE), self.value(option::TOKEN_ENV))
    }
}

/// Checks the options in the headers of a server's sections, also with those of the command line.
fn check_options<'g>(options: &Options<'g>, loaded: Loaded<'g>) -> Result<(), Reported> {
    let Some(server) = options.server else { return Ok(()) };
    let at = Cell::new(0);
    let source = Source::Section(loaded, &at);
    let mut words = server.options().map(|word| {
        at.set(word.at);
        word.text
    });
    check_words(options, &source, &mut words)?;
    at.set(server.at());
    check_agreement(options, server, &source)
}

/// Checks whether the options of a server go together: a trigger has its command, and nobody reaches a server from beyond
/// its Pod without a token, unless it is said so.
fn check_agreement(options: &Options<'_>, server: Server<'_>, source: &Source<'_>) -> Result<(), Reported> {
    let host = options.host();
    let (trigger, is_direct) = (options.value(option::TRIGGER), options.transport() == Transport::Direct);
    let tokens = [option::TOKEN_FILE, option::TOKEN_ENV, option::NO_TOKEN].into_iter();
    let (text, concerned) = match (tokens.filter(|option| options.has(*option)).count(), trigger) {
        (_, Some(name)) if server.command(name.to_bytes()).is_none() => {
            ("--trigger {}: section {} has no such command", Part::String(name))
        }
        (_, Some(name)) if is_direct || options.tty() == Tty::Always => {
            ("--trigger {}: its streams are a TCP connection: no --transport, no --tty", Part::String(name))
        }
        (0, _) if !host.is_loopback() => ("--listen {}: needs --token-file, --token-env or --no-token", host.part()),
        (2.., _) => ("there is more than one of --token-file, --token-env and --no-token", Part::Number(0)),
        _ => return Ok(()),
    };
    source.tell(text, &[concerned, server.name().part()]);
    Err(Reported)
}

/// Checks a list of options, and tells of every mistake in it. Whether a program follows.
fn check_words(
    options: &Options<'_>,
    source: &Source<'_>,
    words: &mut dyn Iterator<Item = &CStr>,
) -> Result<bool, Reported> {
    let mut outcome = Ok(false);
    while let Some(word) = next(USAGE, words) {
        let problem = match word {
            Ok(Word::Given(option, value)) => {
                outcome = check(source, option, value).and(outcome);
                continue;
            }
            Ok(Word::Plain(word)) => UsageError::Unexpected(word.to_bytes()),
            Err(UsageError::Unknown(END)) if !source.is_section() => return outcome.map(|_| true),
            Err(misuse) => misuse,
        };
        let may_ignore = problem.can_be_ignored() && options.has(option::IGNORE_INVALID);
        if !may_ignore {
            outcome = Err(Reported);
        }
        source.tell(if may_ignore { "warning: {}: ignored" } else { "{}; see k8pshd --help" }, &[problem.part()]);
    }
    outcome
}

/// Whether an option may stand there with this value. Those that ask for a text get it.
fn check(source: &Source<'_>, given: Spec, value: &CStr) -> Result<(), Reported> {
    // What a value has to be one of.
    let names = match given.number {
        option::LOG => Format::NAMES,
        option::TTY => Tty::NAMES,
        option::TRANSPORT => Transport::NAMES,
        _ => "",
    };
    let problem = match given.number {
        option::CONFIG | option::HELP | option::NAME | option::VERSION if source.is_section() => {
            "{} belongs on the command line"
        }
        option::HELP => print(USAGE),
        option::VERSION => print(concat!("k8pshd ", env!("CARGO_PKG_VERSION"), "\n")),
        option::MAX_CONNECTIONS | option::TIMEOUT | option::SESSION_TIMEOUT
            if parse_signed(value.to_bytes()).is_none() =>
        {
            "{}: {} is not a number"
        }
        option::MAX_SESSIONS if !sessions(value).is_some_and(|most| (1..=limits::MAX_SESSIONS).contains(&most)) => {
            "{}: {} is not a number from 1 to 4096"
        }
        // That of a Service which is younger than this Pod. Its stubs are others'.
        option::CONNECT if value.is_empty() => return Ok(()),
        option::CONNECT | option::LISTEN if Address::parse(value.to_bytes()).is_none() => "{}: {} is no address",
        // It is read for each connection, by a daemon from another working directory.
        option::TOKEN_FILE if !value.to_bytes().starts_with(b"/") => "{}: {} is no absolute path",
        option::ALLOW_UID | option::SERVER_UID if !users(value.to_bytes()).all(|user| user.is_some()) => {
            "{}: {} is no user's number"
        }
        _ if !names.is_empty() && choice(names, value.to_bytes()).is_none() => "{}: {} is none of {}",
        _ => return Ok(()),
    };
    source.tell(problem, &[given.name.part(), value.part(), names.part()]);
    Err(Reported)
}

const _: () = assert!(limits::MAX_SESSIONS == 4096, "a message says so");

/// A number of sessions.
fn sessions(text: &CStr) -> Option<usize> {
    usize::try_from(parse(text.to_bytes(), 10)?).ok()
}

/// This server in the configuration, by its name: given, from the environment, or the host's.
fn find_server<'g>(setup: &Setup<'_>, loaded: Loaded<'g>) -> Option<Server<'g>> {
    let host = rustix::system::uname();
    let from_environment = || setup.program.environment.get(b"K8PSH_NAME").filter(|name| !name.is_empty());
    let name = setup.options.bytes(option::NAME).or_else(from_environment).unwrap_or(host.nodename().to_bytes());
    loaded.config.server(name)
}

/// What the options say with those of this server's section, and looks whether they go together.
#[inline(never)]
fn settle<'g>(setup: &Setup<'_>, loaded: Loaded<'g>) -> Result<Options<'g>, Reported> {
    let options = Options { server: find_server(setup, loaded), ..setup.options };
    check_options(&options, loaded)?;
    if options.server.is_some() && setup.words.is_some() && options.has(option::BACKGROUND) {
        return Err(told!("--background does not go with a program behind --"));
    }
    Ok(options)
}

/// Whether the section has a token. If so, there is one.
#[inline(never)]
fn has_token(setup: &Setup<'_>, options: &Options<'_>) -> Result<bool, Reported> {
    let token = options.token();
    if let Some(token) = token {
        // Whether there is one is told at once, and not only to the first who connects.
        let mut key = Key::NONE;
        token.key(&setup.program.environment, &mut key)?;
    }
    Ok(token.is_some())
}

/// Puts the next configuration together and into force, or leaves everything as it is. The first one makes the listener;
/// where that has nothing to serve, this process ends there or becomes the program.
#[inline(never)]
fn advance(
    setup: &mut Setup<'_>,
    listener: &mut Option<Listener>,
    before: Made<'_>,
    Generation { file, stubs }: &mut Generation,
) -> Result<(), Reported> {
    let environment = &setup.program.environment;
    file.load(setup.file, environment)?;
    let loaded = file.sound()?;
    let options = settle(setup, loaded)?;
    let server = options.server.filter(|server| server.has_commands());
    let mut mask = signal::Set::default();
    let is_first = listener.is_none();
    if is_first {
        if server.is_some() {
            *listener = Some(begin(setup).map_err(|errno| told!("cannot start: {}", errno))?);
        }
        // From here on a signal waits until what is made can be removed again.
        mask = signal::block(signal::Set::ALL);
    } else if server.is_none() {
        return Err(told!("{}: there are no commands for this server", setup.file));
    }
    let is_trigger = options.has(option::TRIGGER);
    let wish = Wish {
        directory: options.value(option::DIRECTORY).unwrap_or(c"."),
        overwrite: options.has(option::OVERWRITE),
        local: options.has(option::LOCAL) && !is_trigger,
        server,
    };
    if is_first {
        setup.spot = Some(Spot::open(wish.directory, setup.program)?);
    }
    let (mut sockets, mut gate) = (None, None);
    // The port first: where another server has it, its stubs stay as they are.
    if let (Some(server), Some(listener)) = (server, listener.as_mut()) {
        let host = options.host();
        let mut transport = options.transport();
        let has_token = has_token(setup, &options)?;
        if has_token {
            gate = Some(is_trigger);
            listener.prepare_gate(setup.program.environment).map_err(|errno| told!("cannot keep a gate: {}", errno))?;
        }
        if has_token || is_trigger {
            // Who comes to a trigger has nothing to hand over, and by the direct transport one would pass the gate by.
            transport = Transport::Relay;
        }
        sockets = Some(Sockets::bind(&host, server.port(), transport, listener.sockets())?);
    }
    if let Some(spot) = &setup.spot {
        if options.has(option::DISABLE) {
            spot.clear(loaded);
        } else {
            stubs.make(spot, &wish, loaded, before)?;
        }
    }
    if let (Some(listener), Some(sockets)) = (listener, sockets) {
        listener.renew(sockets, gate);
        return Ok(());
    }
    let Some(words) = setup.words else { exit(exit::SUCCESS) };
    signal::block(mask);
    supervise::replace(environment, words)
}

/// Makes the listener, and the process for the program.
fn begin(setup: &Setup<'_>) -> Result<Listener, Errno> {
    let mut program = 0;
    if let Some(words) = setup.words {
        program = Supervised::prepare(&setup.program.environment, words)?;
    }
    // Only now: the configuration may have been given as one of them, and the program has its own.
    fd::close_inherited();
    // A caller that ignores it would leave that to this process, and the kernel would reap in its place.
    signal::set_action(signal::name::CHLD, false);
    Listener::new(Supervised::of(program))
}

/// Serves by the current configuration, until the next one is in force.
#[inline(never)]
fn serve(
    setup: &mut Setup<'_>,
    place: &mut Option<Listener>,
    Generation { file: loaded, stubs }: &mut Generation,
    next: &mut Generation,
) {
    let loaded = &*loaded;
    let options = Options { server: find_server(setup, loaded), ..setup.options };
    let (Some(server), Some(listener)) = (options.server, place.as_mut()) else { exit(exit::FAILURE) };
    let limits = listener::Limits {
        connections: options.number(option::MAX_CONNECTIONS),
        milliseconds: options.number(option::TIMEOUT),
        wait: !options.has(option::NO_WAIT),
    };
    listener.set_limits(limits, options.value(option::MAX_SESSIONS).and_then(sessions).unwrap_or(limits::SESSIONS));
    let daemon = options.has(option::BACKGROUND).then(|| options.value(option::PID_FILE).unwrap_or(c"/run/k8pshd.pid"));
    let trigger = options.value(option::TRIGGER);
    let work = Service {
        loaded,
        server,
        environment: setup.program.environment.without(options.value(option::TOKEN_ENV)),
        umask: process::umask(),
        ignored: setup.ignored,
        users: options.value(option::ALLOW_UID),
        tty: options.tty(),
        token: options.token(),
        trigger,
        detaches: options.has(option::DETACH),
        session_ms: options.number(option::SESSION_TIMEOUT),
        log: Log {
            format: options.bytes(option::LOG).and_then(Format::named).unwrap_or(Format::of_trigger(trigger.is_some())),
            has_arguments: options.has(option::LOG_ARGUMENTS),
        },
    };
    debug!(Applet, "server {} listens on port {}", server.name(), server.port());
    loop {
        let Some(listener) = place else { exit(exit::FAILURE) };
        let end = listener.serve(&work, daemon);
        if end.is_none() && advance(setup, place, (stubs, loaded), next).is_err() {
            report!("the configuration stays as it was");
            continue;
        }
        if let Some(spot) = setup.spot.as_ref().filter(|_| end.is_none() || !options.has(option::KEEP)) {
            // Nothing is in the next one unless it is in force.
            stubs.remove(spot, loaded, (&next.stubs, &next.file));
        }
        match (end, place) {
            (Some(end), Some(listener)) => listener.finish(end),
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{USAGE, option};
    use crate::options::words::find;

    #[test]
    fn the_numbers_are_those_of_the_usage() {
        for (number, name) in [
            (option::ALLOW_UID, "--allow-uid"),
            (option::BACKGROUND, "-b"),
            (option::CONNECT, "--connect"),
            (option::DETACH, "--detach-on-close"),
            (option::DISABLE, "-d"),
            (option::DIRECTORY, "-e"),
            (option::IGNORE_INVALID, "-i"),
            (option::KEEP, "-k"),
            (option::LISTEN, "--listen"),
            (option::LOCAL, "-l"),
            (option::LOG, "--log"),
            (option::LOG_ARGUMENTS, "--log-arguments"),
            (option::MAX_CONNECTIONS, "-m"),
            (option::MAX_SESSIONS, "--max-sessions"),
            (option::NO_TOKEN, "--no-token"),
            (option::OVERWRITE, "-o"),
            (option::PID_FILE, "-p"),
            (option::SERVER_UID, "--server-uid"),
            (option::SESSION_TIMEOUT, "--session-timeout"),
            (option::TIMEOUT, "-t"),
            (option::TOKEN_ENV, "--token-env"),
            (option::TOKEN_FILE, "--token-file"),
            (option::TRANSPORT, "--transport"),
            (option::TRIGGER, "--trigger"),
            (option::TTY, "--tty"),
            (option::NO_WAIT, "-w"),
            (option::CONFIG, "-c"),
            (option::HELP, "-h"),
            (option::NAME, "-n"),
            (option::VERSION, "-v"),
        ] {
            assert_eq!(find(USAGE, name.as_bytes()).map(|found| found.number), Some(number), "{name}");
        }
    }
}
