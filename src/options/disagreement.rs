//! Options of a section that do not go together, or have no effect beside the others. An option that is there to protect
//! must not be without effect in silence.

use super::names::{Format, Transport, Tty};
use super::settings::{Connect, Settings};
use crate::add;
use crate::config::Server;
use crate::config::file::{Loaded, tell};
use crate::diag::Reported;
use crate::text::line::{Line, Show};
use core::ffi::CStr;
use core::net::IpAddr;

/// Options of a section that do not agree.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Disagreement<'g> {
    /// `--trigger` names this command, which the section, by its name, does not have.
    NoSuchCommand(&'g CStr, &'g CStr),
    /// The trigger of this command has options for streams that a TCP connection is not.
    TriggerStreams(&'g CStr),
    /// It listens on this address, beyond loopback, without a token or `--no-token`.
    OpenPort(IpAddr),
    /// It has more than one of the options that say where the token is, or that there is none.
    SeveralTokens,
    /// An option is for the direct transport, and another thing turns that off.
    NotDirect(&'static str, &'static str),
    /// It has the port 0, which means any.
    NoPort,
    /// An option has no effect without another one.
    NoEffect(&'static str, &'static str),
}

impl<'g> Disagreement<'g> {
    /// What a server has to say against its settings.
    pub(super) fn of(settings: &Settings<'g>, server: Server<'g>) -> Option<Disagreement<'g>> {
        of_trigger(settings, server)
            .or_else(|| Disagreement::for_stubs(settings, server))
            .or_else(|| open_port(settings))
            .or_else(|| without_effect(settings))
    }

    /// What a stub has to say against a header. The rest its server's command line may make good.
    pub(super) fn for_stubs(settings: &Settings<'g>, server: Server<'g>) -> Option<Disagreement<'g>> {
        if settings.has_several_tokens() {
            return Some(Disagreement::SeveralTokens);
        }
        let is_unknown = server.port() == 0 && server.has_commands() && settings.transport != Transport::Direct;
        not_direct(settings).or(is_unknown.then_some(Disagreement::NoPort))
    }

    /// Tells it where the section begins.
    pub(super) fn tell_at(&self, server: Server<'_>, loaded: Loaded<'_>) -> Reported {
        tell!(loaded, server.at(), "{}", *self);
        Reported
    }
}

/// A trigger has its command, and streams that are a TCP connection.
fn of_trigger<'g>(settings: &Settings<'g>, server: Server<'g>) -> Option<Disagreement<'g>> {
    let command = settings.trigger?;
    if server.command(command.to_bytes()).is_none() {
        return Some(Disagreement::NoSuchCommand(command, server.name()));
    }
    let has_streams = settings.transport == Transport::Direct || settings.tty == Tty::Always;
    has_streams.then_some(Disagreement::TriggerStreams(command))
}

/// A server that can be reached from beyond its Pod has a token, unless the section has `--no-token`.
fn open_port<'g>(settings: &Settings<'g>) -> Option<Disagreement<'g>> {
    let is_open = settings.token().is_none() && !settings.no_token && !settings.listen.is_loopback();
    is_open.then_some(Disagreement::OpenPort(settings.listen))
}

/// An option for the direct transport that the section or its stubs do not use.
fn not_direct<'g>(settings: &Settings<'g>) -> Option<Disagreement<'g>> {
    let by_server = if settings.trigger.is_some() {
        Some("--trigger")
    } else if settings.token().is_some() {
        Some("a token")
    } else {
        (settings.transport == Transport::Relay).then_some("--transport=relay")
    };
    let by_stubs = by_server.or((settings.connect != Connect::Here).then_some("--connect"));
    let (option, cause) = if settings.server_uid.is_some() {
        ("--server-uid", by_stubs)
    } else if settings.transport == Transport::Direct {
        ("--transport=direct", by_stubs)
    } else {
        ("--allow-uid", by_server.filter(|_| settings.allow_uids.is_some()))
    };
    cause.map(|cause| Disagreement::NotDirect(option, cause))
}

/// An option that has no effect without another one.
fn without_effect<'g>(settings: &Settings<'g>) -> Option<Disagreement<'g>> {
    if settings.detach_on_close && settings.trigger.is_none() {
        return Some(Disagreement::NoEffect("--detach-on-close", "--trigger"));
    }
    let is_lost = settings.log_arguments && settings.log() == Format::None;
    is_lost.then_some(Disagreement::NoEffect("--log-arguments", "--log"))
}

impl Show for Disagreement<'_> {
    fn show(&self, line: &mut Line) {
        match *self {
            Disagreement::NoSuchCommand(command, section) => {
                add!(line, "--trigger {}: section {} has no such command", command, section);
            }
            Disagreement::TriggerStreams(command) => {
                add!(line, "--trigger {}: its streams are a TCP connection: no --transport, no --tty", command);
            }
            Disagreement::OpenPort(address) => {
                add!(line, "--listen {}: needs --token-file, --token-env or --no-token", address);
            }
            Disagreement::SeveralTokens => {
                add!(line, "there is more than one of --token-file, --token-env and --no-token");
            }
            Disagreement::NotDirect(option, cause) => {
                add!(line, "{} is for the direct transport, which {} turns off", option, cause);
            }
            Disagreement::NoPort => {
                add!(line, "port 0 is for --transport=direct alone: no stub knows the port that the kernel chooses");
            }
            Disagreement::NoEffect(option, needed) => add!(line, "{} has no effect without {}", option, needed),
        }
    }
}
