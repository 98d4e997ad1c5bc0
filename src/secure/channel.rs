//! The bytes of a connection on their way between its socket and the end of a protocol: as they are, or as records.
//!
//! ```text
//! seal → unsent → (socket) → sent        what goes out
//! space → (socket) → arrived → next      what comes in
//! ```

use super::error::Error;
use super::handshake::{Confirmation, Unconfirmed};
use super::record::{self, HEADER, Opened, RECORD};
use super::transport::Transport;

/// The memory for a record that is being sent.
pub type Sealed = [u8; RECORD];

/// How a connection's bytes are protected.
enum Protection {
    /// Not at all.
    None,
    /// They will be, once the first record has come. Nothing can be sent before it.
    Unconfirmed(Unconfirmed),
    /// As records.
    Records(Transport),
    /// They never will be: what came first was no record of the other end's.
    Refused,
}

/// Where a content lies in what has come, and how many bytes are done with it.
struct Size {
    start: usize,
    content: usize,
    record: usize,
}

/// One end of a connection, without its socket.
///
/// What has come lies in a buffer of the caller's, of [`RECORD`] bytes at the least, which is the same one each time.
pub struct Channel<'b> {
    protection: Protection,
    /// A record that was not sent completely, and which part of it is left.
    sealed: &'b mut Sealed,
    start: usize,
    end: usize,
    /// Which bytes of what has come were not taken yet.
    taken: usize,
    filled: usize,
}

impl<'b> Channel<'b> {
    fn new(protection: Protection, sealed: &'b mut Sealed) -> Channel<'b> {
        Channel { protection, sealed, start: 0, end: 0, taken: 0, filled: 0 }
    }

    /// The initiator's end, after the handshake if there was one.
    pub fn of_initiator(transport: Option<Transport>, sealed: &'b mut Sealed) -> Channel<'b> {
        Channel::new(transport.map_or(Protection::None, Protection::Records), sealed)
    }

    /// The responder's, likewise. It sends nothing before the first record has shown that the initiator is there now.
    pub fn of_responder(end: Option<Unconfirmed>, sealed: &'b mut Sealed) -> Channel<'b> {
        Channel::new(end.map_or(Protection::None, Protection::Unconfirmed), sealed)
    }

    /// Whether its bytes are not protected.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        matches!(self.protection, Protection::None)
    }

    /// Whether anything can be sent: not before the other end has shown that it is there now.
    #[must_use]
    pub fn may_send(&self) -> bool {
        matches!(self.protection, Protection::None | Protection::Records(_))
    }

    /// Whether there is something to send: `content` is what there is to say.
    #[must_use]
    pub fn has_unsent(&self, content: &[u8]) -> bool {
        self.start < self.end || !content.is_empty() && self.may_send()
    }

    /// Seals as much of the content as fits into a record, where no other one waits, and returns how many bytes these were:
    /// they count as sent. Plain bytes are none of its business.
    pub fn seal(&mut self, content: &[u8]) -> usize {
        let Protection::Records(transport) = &mut self.protection else { return 0 };
        if self.start < self.end || content.is_empty() {
            return 0;
        }
        let content = content.get(..record::CONTENT).unwrap_or(content);
        let count = content.len();
        self.sealed[HEADER..HEADER + count].copy_from_slice(content);
        let sealed = transport.sealer.seal(self.sealed, count, record::padding(count));
        (self.start, self.end) = (0, sealed.expect("the content was cut to fit"));
        count
    }

    /// What is to be written to the socket next: of a sealed record, or of plain content.
    #[must_use]
    pub fn unsent<'c>(&'c self, content: &'c [u8]) -> &'c [u8] {
        match self.protection {
            Protection::None => content,
            _ => &self.sealed[self.start..self.end],
        }
    }

    /// So many bytes were written to the socket. Returns how many of the content these were, as [`Channel::seal`] does.
    pub fn sent(&mut self, count: usize) -> usize {
        if self.is_plain() {
            return count;
        }
        self.start += count;
        0
    }

    /// Where in the buffer the next bytes go.
    pub fn space<'i>(&self, buffer: &'i mut [u8]) -> &'i mut [u8] {
        &mut buffer[self.filled..]
    }

    /// So many bytes have come.
    pub fn arrived(&mut self, count: usize) {
        self.filled += count;
    }

    /// The next content among what has come; `None` once the rest is no whole record.
    ///
    /// # Errors
    /// [`Error::Record`] where it is not what the other end has sealed, and ever after.
    pub fn next<'i>(&mut self, buffer: &'i mut [u8]) -> Result<Option<&'i [u8]>, Error> {
        let arrived = self.taken..self.filled;
        let Some(size) = self.open(&mut buffer[arrived.clone()])? else {
            buffer.copy_within(arrived.clone(), 0);
            (self.taken, self.filled) = (0, arrived.len());
            return Ok(None);
        };
        self.taken += size.record;
        Ok(Some(&buffer[arrived.start + size.start..][..size.content]))
    }

    /// Opens the record that `arrived` begins with in place. `None`: it is not all there.
    fn open(&mut self, arrived: &mut [u8]) -> Result<Option<Size>, Error> {
        let opened = match &mut self.protection {
            Protection::None => {
                let all = Size { start: 0, content: arrived.len(), record: arrived.len() };
                return Ok((!arrived.is_empty()).then_some(all));
            }
            Protection::Records(transport) => transport.opener.open(arrived)?,
            Protection::Unconfirmed(_) => self.confirm(arrived)?,
            Protection::Refused => return Err(Error::Record),
        };
        Ok(match opened {
            Opened::Missing(_) => None,
            Opened::Data(content, record) => Some(Size { start: HEADER, content: content.len(), record }),
        })
    }

    /// Opens the first record.
    fn confirm<'i>(&mut self, arrived: &'i mut [u8]) -> Result<Opened<'i>, Error> {
        let before = core::mem::replace(&mut self.protection, Protection::Refused);
        let Protection::Unconfirmed(end) = before else { return Err(Error::Record) };
        match end.confirm(arrived)? {
            Confirmation::Missing(end, count) => {
                self.protection = Protection::Unconfirmed(end);
                Ok(Opened::Missing(count))
            }
            Confirmation::Confirmed(transport, opened) => {
                self.protection = Protection::Records(transport);
                Ok(opened)
            }
        }
    }
}

#[cfg(test)]
#[path = "tests/channel.rs"]
mod tests;
