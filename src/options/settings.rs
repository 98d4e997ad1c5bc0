//! The options of a section, as one typed value.

use super::names::{Format, Http, Named, Transport, Tty};
use super::table::{Id, SERVER};
use super::value;
use super::words::contains;
use crate::config::Server;
use crate::limits;
use crate::text::address;
use core::ffi::CStr;
use core::net::IpAddr;

/// Where a section's token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenSource<'g> {
    /// The first line of the file at this path, which may change at any time.
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
    /// At an address that this container does not know, such as that of a Service that is younger than its Pod.
    Unknown,
}

/// The values of options. Those that were not given have their defaults.
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
    /// A trigger's plain clients speak HTTP, and are answered in this way; `None`: the connection itself is the streams.
    pub http: Option<Http>,
    /// Only warn of an unknown option.
    pub ignore_invalid: bool,
    /// Leave the stubs on exit.
    pub keep_stubs: bool,
    /// Make stubs for the server's own commands too.
    pub local_stubs: bool,
    /// Where the server listens.
    pub listen: IpAddr,
    /// How sessions are logged; `None`: the default, which [`Settings::log`] knows.
    log: Option<Format>,
    /// Log the arguments of commands too.
    pub log_arguments: bool,
    /// Connections after which the server ends; `None`: no limit.
    pub max_connections: Option<u64>,
    /// Commands that run at once at the most.
    pub max_sessions: usize,
    /// Every client that reaches the port may run the commands.
    pub(super) no_token: bool,
    /// Do not wait for running commands on exit.
    pub no_wait: bool,
    /// Replace an existing file of a stub's name.
    pub overwrite_files: bool,
    /// A daemon's PID file.
    pub pid_file: &'g CStr,
    /// Whether a trigger serves plain clients; `None`: it does.
    pub(super) plain: Option<bool>,
    /// The user that the server has to be, which the direct transport alone shows; `None`: any.
    pub server_uid: Option<u32>,
    /// Milliseconds that a command may run; `None`: no limit.
    pub session_timeout: Option<u64>,
    /// Milliseconds after which the server ends; `None`: no limit.
    pub timeout: Option<u64>,
    /// The variable that has the token.
    token_env: Option<&'g CStr>,
    /// The file that has the token.
    token_file: Option<&'g CStr>,
    /// Which transports lead to the server.
    pub transport: Transport,
    /// The command that a connection alone starts; `None`: stubs ask for one.
    pub trigger: Option<&'g CStr>,
    /// Which commands get a terminal.
    pub tty: Tty,
}

impl Settings<'static> {
    /// Every option's default.
    pub(super) const DEFAULTS: Settings<'static> = Settings {
        allow_uids: None,
        background: false,
        connect: Connect::Here,
        detach_on_close: false,
        disable_stubs: false,
        executable_directory: c".",
        http: None,
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
        plain: None,
        server_uid: None,
        session_timeout: None,
        timeout: None,
        token_env: None,
        token_file: None,
        transport: Transport::Auto,
        trigger: None,
        tty: Tty::Auto,
    };
}

/// Whether a section is a trigger, whatever else is in its header: then its commands have no stubs.
pub fn is_trigger(server: Server<'_>) -> bool {
    contains(&SERVER, &mut header(server), Id::Trigger)
}

/// What a stub is told if it calls a trigger without proving the token, because it is left over or has another
/// configuration. Takes the section's name and its port.
pub const NOT_FOR_STUBS: &str = "section {} is a trigger: any client but a stub may connect to port {}";

/// What a stub is told if it asks a trigger for something else. Takes the section's name and its command.
pub const ONE_COMMAND: &str = "section {} is a trigger: it runs {} alone, and without arguments";

impl<'g> Settings<'g> {
    /// Sets an option whose value has been checked.
    pub(super) fn set(&mut self, id: Id, value: &'g CStr) {
        let bytes = value.to_bytes();
        match id {
            Id::AllowUid => self.allow_uids = Some(value),
            Id::Background => self.background = true,
            Id::Connect => self.connect = value::ip_address(value).map_or(Connect::Unknown, Connect::At),
            Id::DetachOnClose => self.detach_on_close = true,
            Id::DisableStubs => self.disable_stubs = true,
            Id::ExecutableDirectory => self.executable_directory = value,
            Id::Http => self.http = Http::named(bytes),
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
            Id::Plain => self.plain = bool::named(bytes),
            Id::ServerUid => self.server_uid = value::uid(bytes),
            Id::SessionTimeout => self.session_timeout = value::limit(bytes).flatten(),
            Id::Timeout => self.timeout = value::limit(bytes).flatten(),
            Id::TokenEnv => self.token_env = Some(value),
            Id::TokenFile => self.token_file = Some(value),
            Id::Transport => self.transport = Transport::named(bytes).unwrap_or_default(),
            Id::Trigger => self.trigger = Some(value),
            Id::Tty => self.tty = Tty::named(bytes).unwrap_or_default(),
            Id::Check | Id::Config | Id::Help | Id::Install | Id::Json | Id::List | Id::Name | Id::Probe => {}
            Id::Server | Id::Status | Id::Version => {}
        }
    }

    /// The variable that has the token, which commands must not get.
    pub fn token_variable(&self) -> Option<&'g CStr> {
        self.token_env
    }

    /// Where the token is, if there is one.
    pub fn token(&self) -> Option<TokenSource<'g>> {
        let variable = || self.token_env.map(TokenSource::Variable);
        self.token_file.map(TokenSource::File).or_else(variable)
    }

    /// The command that a plain connection starts; `None` if the section serves no plain clients.
    pub fn plain_trigger(&self) -> Option<&'g CStr> {
        self.trigger.filter(|_| self.plain != Some(false))
    }

    /// How sessions are logged. Any client may set off a trigger, so its sessions are logged unless the section says
    /// otherwise.
    pub fn log(&self) -> Format {
        self.log.unwrap_or(if self.trigger.is_some() { Format::Text } else { Format::None })
    }

    /// The transports by which the server listens. Clients of a trigger have no descriptors to pass, and the direct
    /// transport would bypass the token.
    pub fn server_transport(&self) -> Transport {
        if self.trigger.is_some() || self.token().is_some() { Transport::Relay } else { self.transport }
    }

    /// Whether more than one option says where the token is, or that there is none.
    pub(super) fn has_several_tokens(&self) -> bool {
        let given = [self.token_file.is_some(), self.token_env.is_some(), self.no_token];
        given.into_iter().filter(|is_given| *is_given).count() > 1
    }
}

/// The words of a section's header that are options.
pub(super) fn header(server: Server<'_>) -> impl Iterator<Item = &CStr> {
    server.options().map(|word| word.text)
}
