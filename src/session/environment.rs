//! The environment that a command gets: the variables that the configuration lists for it, and no other.

use super::launch::{Refused, unavailable};
use crate::config::expansion::{self, Piece};
use crate::config::{Command, Kind, Variable};
use crate::limits;
use crate::protocol::request::Request;
use crate::sys::process::Vector;
use crate::sys::program::Environment;
use crate::text::bytes::value_of;
use crate::text::line::Line;
use core::ffi::CStr;

/// The environment of a command, as far as its variables are settled.
pub(super) struct ResolvedEnvironment<'w> {
    pub(super) server: &'w Environment<'w>,
    /// What is set, `NAME=value`.
    pub(super) entries: Vector<'w>,
    /// What is left of the room for entries that are put together here.
    pub(super) room: &'w mut [u8],
    /// How much of it the one that is being put together takes.
    pub(super) length: usize,
}

impl<'w> ResolvedEnvironment<'w> {
    /// The environment that a command gets: the variables that the configuration lists for it, and no other.
    pub(super) fn settle(
        &mut self,
        command: Command<'w>,
        request: &Request<'w>,
        reason: &mut Line,
    ) -> Result<(), Refused> {
        for variable in command.environment() {
            let mut entry = if variable.kind == Kind::Fixed { None } else { request.variable(variable.name) };
            if entry.is_none() && variable.value.is_empty() && variable.kind != Kind::Sent {
                entry = if variable.kind == Kind::Optional { self.entry(variable.name) } else { None };
                entry = entry.or_else(|| self.server.entry(variable.name));
            } else if entry.is_none() {
                entry = if variable.deferred { self.expand(&variable) } else { Some(variable.word) };
                if entry.is_none() {
                    let text = "{}: its value needs more than {} bytes";
                    return Err(unavailable!(reason, text, variable.name, limits::EXPANSION));
                }
            }
            if !self.set(variable.name, entry) {
                return Err(unavailable!(reason, "more variables than {}", limits::VARIABLES));
            }
        }
        Ok(())
    }

    /// The entry of a variable whose value has references that were kept until now; `None`: there is no room for it.
    #[inline(never)]
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
        let (entry, rest) = core::mem::take(&mut self.room).split_at_mut_checked(self.length)?;
        self.room = rest;
        crate::text::bytes::c_str(entry)
    }

    #[inline(never)]
    fn append(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.length + bytes.len();
        self.room.get_mut(self.length..end)?.copy_from_slice(bytes);
        self.length = end;
        Some(())
    }

    /// What a reference means: a variable that is settled already, or one of the server's own.
    fn look_up(&self, name: &[u8]) -> Option<&'w [u8]> {
        self.get(name).or_else(|| self.server.get(name))
    }

    /// Settles a variable, anew where it was; `None`: it is to be unset. False where there are too many.
    #[inline(never)]
    pub(super) fn set(&mut self, name: &[u8], entry: Option<&'w CStr>) -> bool {
        if let Some(index) = self.position(name) {
            self.entries.remove(index);
        }
        entry.is_none_or(|entry| self.entries.len() < limits::VARIABLES && self.entries.push(entry))
    }

    #[inline(never)]
    fn position(&self, name: &[u8]) -> Option<usize> {
        (0..self.entries.len())
            .find(|index| self.entries.get(*index).is_some_and(|entry| value_of(entry, name).is_some()))
    }

    pub(super) fn entry(&self, name: &[u8]) -> Option<&'w CStr> {
        self.position(name).and_then(|index| self.entries.get(index))
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&'w [u8]> {
        value_of(self.entry(name)?, name)
    }
}
