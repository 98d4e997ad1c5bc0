//! The environment that a command gets: the variables that the configuration lists for it, and no other.

use super::refusal::{Refused, unavailable};
use crate::config::expansion::{self, Piece};
use crate::config::{Command, Kind, Variable};
use crate::limits;
use crate::protocol::request::Request;
use crate::sys::process::Vector;
use crate::sys::program::Environment;
use crate::text::bytes::{c_str, until, value_of};
use crate::text::line::Line;
use core::ffi::CStr;

/// The variable that says what a terminal understands, and an entry of it.
const TERM: &[u8] = b"TERM";
const TERM_ENTRY: &CStr = c"TERM=";

/// The environment of a command, as far as its variables are resolved.
pub(super) struct ResolvedEnvironment<'w> {
    server: &'w Environment<'w>,
    /// What is set, `NAME=value`.
    pub(super) entries: Vector<'w>,
    /// What is left of the memory for entries that are put together here.
    free: &'w mut [u8],
    /// How much of it the one that is being put together takes.
    length: usize,
}

impl<'w> ResolvedEnvironment<'w> {
    /// One without variables yet. `free` is for entries that have to be put together.
    pub(super) fn new(server: &'w Environment<'w>, entries: Vector<'w>, free: &'w mut [u8]) -> Self {
        ResolvedEnvironment { server, entries, free, length: 0 }
    }

    /// Resolves what patterns match, then the variables that the configuration lists for the command, in their order, then
    /// `TERM`, which stubs send unlisted where they have a terminal.
    pub(super) fn resolve(
        &mut self,
        command: Command<'w>,
        request: &Request<'w>,
        reason: &mut Line,
    ) -> Result<(), Refused> {
        let too_many = |reason| unavailable!(reason, "more variables than {}", limits::VARIABLES);
        if !self.set_matching(command, request) {
            return Err(too_many(reason));
        }
        let mut sent = Sent::NONE;
        for (index, variable) in command.environment().enumerate() {
            if index % BATCH == 0 {
                sent.read(command.environment().skip(index).take(BATCH), request);
            }
            if variable.stem().is_some() {
                continue;
            }
            let entry = self.entry_for(&variable, sent.entry(&variable)).ok_or_else(|| {
                const TEXT: &str = "{}: its value needs more than {} bytes";
                unavailable!(reason, TEXT, variable.name, limits::EXPANSION)
            })?;
            if !self.set(variable.name, entry) {
                return Err(too_many(reason));
            }
        }
        let is_listed =
            command.pattern_for(TERM_ENTRY).is_some() || command.environment().any(|variable| variable.name == TERM);
        if is_listed || self.set(TERM, request.variable(TERM)) { Ok(()) } else { Err(too_many(reason)) }
    }

    /// Sets the variables that patterns match: the server's own, then those that the client has sent in their place. False
    /// where there are too many.
    fn set_matching(&mut self, command: Command<'w>, request: &Request<'w>) -> bool {
        if !command.has_patterns() {
            return true;
        }
        let (server, kind) = (self.server, |entry: &CStr| command.pattern_for(entry));
        let mut own = server.entries().filter(|entry| matches!(kind(entry), Some(Kind::Optional | Kind::Fixed)));
        let mut sent = request.variables().filter(|entry| matches!(kind(entry), Some(Kind::Sent | Kind::Optional)));
        let mut set = |entry: &'w CStr| self.set(until(entry.to_bytes(), b'='), Some(entry));
        #[allow(clippy::redundant_closure, reason = "the two have items of different lifetimes")]
        let fits = own.all(|entry| set(entry)) && sent.all(set);
        fits
    }

    /// The entry of a variable that the client has sent, or not: `Some(None)` where the variable is not set; `None` where
    /// its value does not fit.
    fn entry_for(&mut self, variable: &Variable<'w>, sent: Option<&'w CStr>) -> Option<Option<&'w CStr>> {
        if sent.is_some() {
            return Some(sent);
        }
        if variable.value.is_empty() && variable.kind != Kind::Sent {
            let before = if variable.kind == Kind::Optional { self.entry(variable.name) } else { None };
            return Some(before.or_else(|| self.server.entry(variable.name)));
        }
        if variable.deferred { self.expand(variable).map(Some) } else { Some(Some(variable.word)) }
    }

    /// The entry of a variable whose value has references that were kept until now; `None`: it does not fit.
    fn expand(&mut self, variable: &Variable<'_>) -> Option<&'w CStr> {
        self.length = 0;
        self.append(variable.name)?;
        self.append(b"=")?;
        for piece in expansion::pieces(variable.value) {
            let text = match piece {
                Piece::Text(text) => text,
                Piece::Reference(reference) => self.look_up(reference.name).or(reference.default).unwrap_or_default(),
            };
            self.append(text)?;
        }
        self.append(b"\0")?;
        let (entry, rest) = core::mem::take(&mut self.free).split_at_mut_checked(self.length)?;
        self.free = rest;
        c_str(entry)
    }

    fn append(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.length + bytes.len();
        self.free.get_mut(self.length..end)?.copy_from_slice(bytes);
        self.length = end;
        Some(())
    }

    /// What a reference means: a variable that is resolved already, or one of the server's own.
    fn look_up(&self, name: &[u8]) -> Option<&'w [u8]> {
        self.get(name).or_else(|| self.server.get(name))
    }

    /// Sets a variable, anew where it was set before, or unsets it (`None`). False where there are too many.
    fn set(&mut self, name: &[u8], entry: Option<&'w CStr>) -> bool {
        if let Some(index) = self.position(name) {
            self.entries.remove(index);
        }
        entry.is_none_or(|entry| self.entries.len() < limits::VARIABLES && self.entries.push(entry))
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        (0..self.entries.len())
            .find(|index| self.entries.get(*index).is_some_and(|entry| value_of(entry, name).is_some()))
    }

    fn entry(&self, name: &[u8]) -> Option<&'w CStr> {
        self.position(name).and_then(|index| self.entries.get(index))
    }

    /// The value of a variable that is set.
    pub(super) fn get(&self, name: &[u8]) -> Option<&'w [u8]> {
        value_of(self.entry(name)?, name)
    }
}

/// Variables that are looked for in the request at once: few enough to stand on the stack without another page of it, and
/// more than most commands list.
const BATCH: usize = 64;

/// What the client has sent of a batch of variables that a command lists. A request may have 200,000 variables, so it is
/// gone through once for a batch, not once for each that is listed.
struct Sent<'w> {
    /// The listed names, sorted, with the last entry of each.
    listed: heapless::Vec<(&'w [u8], Option<&'w CStr>), BATCH>,
}

impl<'w> Sent<'w> {
    const NONE: Sent<'static> = Sent { listed: heapless::Vec::new() };

    /// Reads the request for these variables, of which there are no more than [`BATCH`].
    fn read(&mut self, batch: impl Iterator<Item = Variable<'w>>, request: &Request<'w>) {
        self.listed.clear();
        for variable in batch.filter(|variable| variable.kind != Kind::Fixed) {
            if let Err(place) = self.find(variable.name) {
                // As many fit as are in a batch.
                let _ = self.listed.insert(place, (variable.name, None));
            }
        }
        if self.listed.is_empty() {
            return;
        }
        for entry in request.variables() {
            if let Ok(place) = self.find(until(entry.to_bytes(), b'='))
                && let Some((name, last)) = self.listed.get_mut(place)
                && value_of(entry, name).is_some()
            {
                *last = Some(entry);
            }
        }
    }

    /// Where a name stands, or would have to.
    fn find(&self, name: &[u8]) -> Result<usize, usize> {
        self.listed.binary_search_by(|(listed, _)| (*listed).cmp(name))
    }

    /// The entry of this variable, if the configuration lets the client send it and it has.
    fn entry(&self, variable: &Variable<'w>) -> Option<&'w CStr> {
        let place = self.find(variable.name).ok().filter(|_| variable.kind != Kind::Fixed)?;
        self.listed.get(place)?.1
    }
}
