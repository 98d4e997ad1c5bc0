//! Options of a section that do not go together, or have no effect beside the others. An option that is there to protect
//! must not be without effect in silence.

use super::names::{Format, Transport, Tty};
use super::settings::{Connect, Settings};
use crate::config::Server;
use crate::diag::Reported;
use crate::text;
use crate::text::line::{Part, Show};
use crate::text::packed::Text;

/// Reports what does not go together: a text and its parts.
type Tell<'t> = &'t mut dyn FnMut(Text, &[Part<'_>]);

/// Checks what a server can say against its settings.
pub(super) fn check(settings: &Settings<'_>, server: Server<'_>, tell: Tell<'_>) -> Result<(), Reported> {
    if let Some(text) = wrong_trigger(settings, server) {
        let trigger = settings.trigger.unwrap_or_default();
        tell(text, &[trigger.part(), server.name().part()]);
        return Err(Reported);
    }
    check_for_stubs(settings, server, tell)?;
    if settings.token().is_none() && !settings.no_token && !settings.listen.is_loopback() {
        tell(text!("--listen {}: needs --token-file, --token-env or --no-token"), &[settings.listen.part()]);
    } else if settings.log_arguments && settings.log() == Format::None {
        tell(text!("--log-arguments has no effect without --log"), &[]);
    } else {
        return Ok(());
    }
    Err(Reported)
}

/// What is wrong with a trigger, or with an option that only a trigger may have. Takes the trigger's command and the
/// section's name.
fn wrong_trigger(settings: &Settings<'_>, server: Server<'_>) -> Option<Text> {
    if let Some(command) = settings.trigger {
        if server.command(command.to_bytes()).is_none() {
            return Some(text!("--trigger {}: section {} has no such command"));
        }
        if settings.transport == Transport::Direct || settings.tty == Tty::Always {
            return Some(text!("--trigger {}: its streams are a TCP connection: no --transport, no --tty"));
        }
    } else if settings.detach_on_close {
        return Some(text!("--detach-on-close has no effect without --trigger"));
    }
    if settings.plain.is_some() && (settings.trigger.is_none() || settings.token().is_none()) {
        return Some(text!("--plain: needs --trigger, and --token-file or --token-env"));
    }
    let http_is_needless = settings.http.is_some() && settings.plain_trigger().is_none();
    http_is_needless.then_some(text!("--http: needs --trigger, and no --plain=no"))
}

/// Checks what a stub can say against a header. The rest its server's command line may make good.
pub(super) fn check_for_stubs(settings: &Settings<'_>, server: Server<'_>, tell: Tell<'_>) -> Result<(), Reported> {
    if settings.has_several_tokens() {
        tell(text!("there is more than one of --token-file, --token-env and --no-token"), &[]);
    } else if let Some((option, cause)) = not_direct(settings) {
        tell(text!("{} is for the direct transport, which {} turns off"), &[option.part(), cause.part()]);
    } else if server.port() == 0 && server.has_commands() && settings.transport != Transport::Direct {
        tell(text!("port 0 is for --transport=direct alone: no stub knows the port that the kernel chooses"), &[]);
    } else {
        return Ok(());
    }
    Err(Reported)
}

/// An option for the direct transport, and what turns that off for the section or its stubs.
fn not_direct(settings: &Settings<'_>) -> Option<(&'static str, &'static str)> {
    let is_for_stubs = settings.server_uid.is_some() || settings.transport == Transport::Direct;
    let option = if settings.server_uid.is_some() {
        "--server-uid"
    } else if settings.transport == Transport::Direct {
        "--transport=direct"
    } else if settings.allow_uids.is_some() {
        "--allow-uid"
    } else {
        return None;
    };
    let cause = if settings.trigger.is_some() {
        "--trigger"
    } else if settings.token().is_some() {
        "a token"
    } else if settings.transport == Transport::Relay {
        "--transport=relay"
    } else if is_for_stubs && settings.connect != Connect::Here {
        "--connect"
    } else {
        return None;
    };
    Some((option, cause))
}
