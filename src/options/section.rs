//! What a section says. All its readers use the same code: the server, which adds the options of its command line,
//! the section's stubs, the probe and `--check`.

use super::disagreement::{check, check_for_stubs};
use super::reader::{Reader, ignores_invalid};
use super::settings::{Settings, header};
use super::table::Scope;
use crate::config::Server;
use crate::config::file::Loaded;
use crate::diag::{self, Reported};
use crate::sys::program::Strings;
use core::cell::Cell;

/// The end that reads a section's header, which decides about warnings.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The server, or `--check`, which warn of unknown options that the section ignores.
    Server,
    /// The server once more, which has warned already.
    ServerAgain,
    /// A stub, or the probe, which leave the warning to the server.
    Stub,
}

impl<'g> Settings<'g> {
    /// What a section's header says to its stubs and to the probe. Whatever is wrong with it is reported, and then
    /// nothing of it is used. Whether it agrees with the server's command line, only the server can check.
    pub fn of_section(server: Server<'g>, loaded: Loaded<'g>) -> Result<Settings<'g>, Reported> {
        let mut settings = Settings::DEFAULTS;
        settings.read_header(server, loaded, End::Stub)?;
        check_for_stubs(&settings, server, &mut |text, parts| loaded.tell(server.at(), text, parts))?;
        Ok(settings)
    }

    /// What a section's header says by itself, for `--check`.
    pub fn checked(server: Server<'g>, loaded: Loaded<'g>) -> Result<Settings<'g>, Reported> {
        let mut settings = Settings::DEFAULTS;
        settings.read_header(server, loaded, End::Server)?;
        check(&settings, server, &mut |text, parts| loaded.tell(server.at(), text, parts))?;
        Ok(settings)
    }

    /// What a server's section says, if it has one, and then its command line, which wins and was checked before.
    pub fn of_server(
        server: Option<Server<'g>>,
        loaded: Loaded<'g>,
        command_line: Strings,
        end: End,
    ) -> Result<Settings<'g>, Reported> {
        let ignores = ignores_invalid(&mut { command_line });
        let mut settings = Settings::DEFAULTS;
        settings.ignore_invalid = ignores;
        // What is wrong with the header by itself.
        let mut of_header = None;
        if let Some(server) = server {
            settings.read_header(server, loaded, end)?;
            let _ = check(&settings, server, &mut |text, _| of_header = Some(text));
        }
        let reader = Reader { place: Scope::CommandLine, ignores, warns: false };
        let mut take = |id, value| {
            settings.set(id, value);
            true
        };
        reader.read(&mut { command_line }, &mut take, &mut |_, _| {})?;
        if let Some(server) = server {
            check(&settings, server, &mut |text, parts| {
                // What the command line has brought about is not the file's fault.
                if Some(text) == of_header { loaded.tell(server.at(), text, parts) } else { diag::report(text, parts) }
            })?;
        }
        Ok(settings)
    }

    /// Takes the options of all headers of the section.
    fn read_header(&mut self, server: Server<'g>, loaded: Loaded<'g>, end: End) -> Result<(), Reported> {
        self.ignore_invalid |= ignores_invalid(&mut header(server));
        // The position of the last word that was taken.
        let at = Cell::new(server.at());
        let mut words = server.options().map(|word| {
            at.set(word.at);
            word.text
        });
        let reader = Reader { place: Scope::Header, ignores: self.ignore_invalid, warns: end == End::Server };
        let mut take = |id, value| {
            self.set(id, value);
            true
        };
        reader.read(&mut words, &mut take, &mut |text, parts| loaded.tell(at.get(), text, parts)).map(drop)
    }
}
