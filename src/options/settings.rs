//! What the options of a section say, as one typed value. It is read in one way by whoever needs it: the server, which
//! adds those of its command line, the section's stubs, the probe and `--check`.

use super::command_line::{ignores_invalid, report_error};
use super::names::{Format, Named, Transport, Tty};
use super::table::{Id, SERVER, Scope};
use super::value;
use super::words::{UsageError, Word, contains, next};
use crate::config::Server;
use crate::config::file::Loaded;
use crate::diag::Reported;
use crate::limits;
use crate::sys::program::Strings;
use crate::text::address;
use crate::text::line::{Part, Show};
use core::cell::Cell;
use core::ffi::CStr;
use core::net::IpAddr;

/// Where a section's token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenSource<'g> {
    /// The first line of the file at this path, which may get another one at any time.
    File(&'g CStr),
    /// A variable of this process's own environment.
    Variable(&'g CStr),
}

/// Where stubs find the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connect {
    /// In this Pod.
    Here,
    /// At this address, by TCP alone.
    At(IpAddr),
    /// At an address that is not known in this container, as that of a Service that is younger than its Pod.
    Unknown,
}

/// What options say. Those that were not given have their defaults.
#[derive(Clone, Debug)]
pub struct Settings<'g> {
    /// The users whose stubs may come by the direct transport, as [`value::uids`] reads it; `None`: all.
    pub allow_uids: Option<&'g CStr>,
    /// Become a daemon.
    pub background: bool,
    /// Where stubs find the server.
    pub connect: Connect,
    /// A trigger's command outlives its connection.
    pub detach_on_close: bool,
    /// Make no stubs, and remove those that are there.
    pub disable_stubs: bool,
    /// Where stubs are made.
    pub executable_directory: &'g CStr,
    /// Only warn of an unknown option.
    pub ignore_invalid: bool,
    /// Leave the stubs on exit.
    pub keep_stubs: bool,
    /// Make stubs for the server's own commands too.
    pub local_stubs: bool,
    /// Where the server listens.
    pub listen: IpAddr,
    /// How sessions are logged; `None`: as is usual for the section.
    log: Option<Format>,
    /// Log the arguments of commands too.
    pub log_arguments: bool,
    /// Connections after which the server ends; `None`: no limit.
    pub max_connections: Option<u64>,
    /// Commands that run at once at the most.
    pub max_sessions: usize,
    /// Whoever reaches the port may run the commands.
    no_token: bool,
    /// Do not wait for running commands on exit.
    pub no_wait: bool,
    /// Replace an existing file of a stub's name.
    pub overwrite_files: bool,
    /// A daemon's PID file.
    pub pid_file: &'g CStr,
    /// The user that a server has to be for stubs to use the direct transport; `None`: any.
    pub server_uid: Option<u32>,
    /// Milliseconds that a command may run; `None`: no limit.
    pub session_timeout: Option<u64>,
    /// Milliseconds after which the server ends; `None`: no limit.
    pub timeout: Option<u64>,
    token_env: Option<&'g CStr>,
    token_file: Option<&'g CStr>,
    /// Which transports lead to the server.
    pub transport: Transport,
    /// The command that a connection alone starts; `None`: stubs ask for one.
    pub trigger: Option<&'g CStr>,
    /// Which commands get a terminal.
    pub tty: Tty,
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Settings {
            allow_uids: None,
            background: false,
            connect: Connect::Here,
            detach_on_close: false,
            disable_stubs: false,
            executable_directory: c".",
            ignore_invalid: false,
            keep_stubs: false,
            local_stubs: false,
            listen: address::LOOPBACK,
            log: None,
            log_arguments: false,
            max_connections: None,
            max_sessions: limits::SESSIONS,
            no_token: false,
            no_wait: false,
            overwrite_files: false,
            pid_file: c"/run/k8pshd.pid",
            server_uid: None,
            session_timeout: None,
            timeout: None,
            token_env: None,
            token_file: None,
            transport: Transport::default(),
            trigger: None,
            tty: Tty::default(),
        }
    }
}

/// Whether a section is a trigger, whatever else is in its header: then its commands have no stubs.
pub fn is_trigger(server: Server<'_>) -> bool {
    contains(&SERVER, &mut header(server), Id::Trigger)
}

/// What a stub is told that is left over, or has another configuration: the section's name, and its port.
pub const NOT_FOR_STUBS: &str = "section {} is a trigger: any client but a stub may connect to port {}";

/// Who reads a section's header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// The server, or `--check`: the one that warns of unknown options where the section wants no more.
    Server,
    /// The server once more: it has warned already.
    ServerAgain,
    /// A stub, or the probe, which leave the warning to the server.
    Stub,
}

/// Options of a section that do not go together.
#[derive(Debug, PartialEq, Eq)]
enum Disagreement<'g> {
    NoSuchCommand(&'g CStr),
    TriggerStreams(&'g CStr),
    OpenPort(IpAddr),
    SeveralTokens,
}

impl<'g> Settings<'g> {
    /// What a section's header says to its stubs and to the probe. Whatever is wrong with it is reported, and then nothing of
    /// it is used. What goes with the options of the server's command line only the server knows.
    pub fn of_section(server: Server<'g>, loaded: Loaded<'g>) -> Result<Settings<'g>, Reported> {
        let mut settings = Settings::default();
        settings.read_header(server, loaded, Reader::Stub)?;
        if settings.has_several_tokens() {
            return Err(Disagreement::SeveralTokens.report(server, loaded));
        }
        Ok(settings)
    }

    /// What a section's header says by itself, for `--check`.
    pub fn checked(server: Server<'g>, loaded: Loaded<'g>) -> Result<Settings<'g>, Reported> {
        let mut settings = Settings::default();
        settings.read_header(server, loaded, Reader::Server)?;
        settings.check_agreement(server, loaded)?;
        Ok(settings)
    }

    /// What a server's section says, if it has one, and then its command line, which wins and was checked before.
    pub fn of_server(
        server: Option<Server<'g>>,
        loaded: Loaded<'g>,
        command_line: Strings,
        reader: Reader,
    ) -> Result<Settings<'g>, Reported> {
        let mut settings = Settings { ignore_invalid: ignores_invalid(&mut { command_line }), ..Settings::default() };
        if let Some(server) = server {
            settings.read_header(server, loaded, reader)?;
        }
        let mut words = command_line;
        while let Some(Ok(Word::Option(option, value))) = next_option(&mut words) {
            settings.set(option.id, value);
        }
        if let Some(server) = server {
            settings.check_agreement(server, loaded)?;
        }
        Ok(settings)
    }

    /// Takes the options of all headers of the section.
    fn read_header(&mut self, server: Server<'g>, loaded: Loaded<'g>, reader: Reader) -> Result<(), Reported> {
        self.ignore_invalid |= ignores_invalid(&mut header(server));
        let mut outcome = Ok(());
        // Where the word stands that was taken last.
        let at = Cell::new(server.at());
        let mut words = server.options().map(|word| {
            at.set(word.at);
            word.text
        });
        while let Some(word) = next(&SERVER, &mut words) {
            let error = match word {
                Ok(Word::Option(option, _)) if option.scope == Scope::CommandLine => UsageError::NotInHeader(option),
                Ok(Word::Option(option, value)) => {
                    self.set(option.id, value);
                    continue;
                }
                Ok(Word::Plain(word)) => UsageError::Unexpected(word),
                Ok(Word::End) => UsageError::Unknown(c"--"),
                Err(error) => error,
            };
            if reader != Reader::Server && self.ignore_invalid && error.can_be_ignored() {
                continue;
            }
            let tell = &mut |text: &str, parts: &[Part<'_>]| loaded.tell(at.get(), text, parts);
            outcome = report_error(&error, self.ignore_invalid, tell).and(outcome);
        }
        outcome
    }

    /// Takes an option whose value was checked.
    fn set(&mut self, id: Id, value: &'g CStr) {
        let bytes = value.to_bytes();
        match id {
            Id::AllowUid => self.allow_uids = Some(value),
            Id::Background => self.background = true,
            Id::Connect => self.connect = value::ip_address(value).map_or(Connect::Unknown, Connect::At),
            Id::DetachOnClose => self.detach_on_close = true,
            Id::DisableStubs => self.disable_stubs = true,
            Id::ExecutableDirectory => self.executable_directory = value,
            Id::IgnoreInvalid => self.ignore_invalid = true,
            Id::KeepStubs => self.keep_stubs = true,
            Id::LocalStubs => self.local_stubs = true,
            Id::Listen => self.listen = value::ip_address(value).unwrap_or(self.listen),
            Id::Log => self.log = Format::named(bytes),
            Id::LogArguments => self.log_arguments = true,
            Id::MaxConnections => self.max_connections = value::limit(bytes).flatten(),
            Id::MaxSessions => self.max_sessions = value::sessions(bytes).unwrap_or(self.max_sessions),
            Id::NoToken => self.no_token = true,
            Id::NoWait => self.no_wait = true,
            Id::OverwriteFiles => self.overwrite_files = true,
            Id::PidFile => self.pid_file = value,
            Id::ServerUid => self.server_uid = value::uid(bytes),
            Id::SessionTimeout => self.session_timeout = value::limit(bytes).flatten(),
            Id::Timeout => self.timeout = value::limit(bytes).flatten(),
            Id::TokenEnv => self.token_env = Some(value),
            Id::TokenFile => self.token_file = Some(value),
            Id::Transport => self.transport = Transport::named(bytes).unwrap_or_default(),
            Id::Trigger => self.trigger = Some(value),
            Id::Tty => self.tty = Tty::named(bytes).unwrap_or_default(),
            Id::Check
            | Id::Config
            | Id::Help
            | Id::Install
            | Id::Json
            | Id::List
            | Id::Name
            | Id::Probe
            | Id::Status => {}
            Id::Server | Id::Version => {}
        }
    }

    /// The variable that the token is in, which is for nobody else.
    pub fn token_variable(&self) -> Option<&'g CStr> {
        self.token_env
    }

    /// Where the token is, if there is one.
    pub fn token(&self) -> Option<TokenSource<'g>> {
        let variable = || self.token_env.map(TokenSource::Variable);
        self.token_file.map(TokenSource::File).or_else(variable)
    }

    /// How sessions are logged. Who sets off a trigger may be anybody, so that is logged unless the section says otherwise.
    pub fn log(&self) -> Format {
        self.log.unwrap_or(if self.trigger.is_some() { Format::Text } else { Format::None })
    }

    /// The transports by which the server listens. Who comes to a trigger has no descriptors to pass, and by the direct
    /// transport a client would pass the token by.
    pub fn server_transport(&self) -> Transport {
        if self.trigger.is_some() || self.token().is_some() { Transport::Relay } else { self.transport }
    }

    /// Checks whether the options go together: a trigger has its command, and nobody reaches a server from beyond its Pod
    /// without a token, unless the section says so.
    fn check_agreement(&self, server: Server<'g>, loaded: Loaded<'g>) -> Result<(), Reported> {
        self.disagreement(server).map_or(Ok(()), |disagreement| Err(disagreement.report(server, loaded)))
    }

    fn disagreement(&self, server: Server<'g>) -> Option<Disagreement<'g>> {
        match self.trigger {
            Some(command) if server.command(command.to_bytes()).is_none() => Some(Disagreement::NoSuchCommand(command)),
            Some(command) if self.transport == Transport::Direct || self.tty == Tty::Always => {
                Some(Disagreement::TriggerStreams(command))
            }
            _ if self.has_several_tokens() => Some(Disagreement::SeveralTokens),
            _ if self.token().is_none() && !self.no_token && !self.listen.is_loopback() => {
                Some(Disagreement::OpenPort(self.listen))
            }
            _ => None,
        }
    }

    /// Whether more than one option says where the token is, or that there is none.
    fn has_several_tokens(&self) -> bool {
        let given = [self.token_file.is_some(), self.token_env.is_some(), self.no_token];
        given.into_iter().filter(|is_given| *is_given).count() > 1
    }
}

impl Disagreement<'_> {
    /// Reports it where the section begins.
    fn report(&self, server: Server<'_>, loaded: Loaded<'_>) -> Reported {
        let tell = |text: &str, parts: &[Part<'_>]| loaded.tell(server.at(), text, parts);
        match self {
            Disagreement::NoSuchCommand(command) => {
                tell("--trigger {}: section {} has no such command", &[command.part(), server.name().part()]);
            }
            Disagreement::TriggerStreams(command) => {
                tell("--trigger {}: its streams are a TCP connection: no --transport, no --tty", &[command.part()]);
            }
            Disagreement::OpenPort(address) => {
                tell("--listen {}: needs --token-file, --token-env or --no-token", &[address.part()]);
            }
            Disagreement::SeveralTokens => {
                tell("there is more than one of --token-file, --token-env and --no-token", &[]);
            }
        }
        Reported
    }
}

/// The words of a section's header that are options.
fn header(server: Server<'_>) -> impl Iterator<Item = &CStr> {
    server.options().map(|word| word.text)
}

/// The next option, without the words that were warned of.
fn next_option<'w>(words: &mut dyn Iterator<Item = &'w CStr>) -> Option<Result<Word<'w>, UsageError<'w>>> {
    loop {
        match next(&SERVER, words)? {
            Err(error) if error.can_be_ignored() => {}
            Ok(Word::Plain(_)) => {}
            other => return Some(other),
        }
    }
}
