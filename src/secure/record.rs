//! Records: what the bytes of a connection are cut into after its handshake.
//!
//! ```text
//! length       2 bytes, big-endian, in the clear: how many follow
//! encrypted    content | mark (1 byte, 1) | padding (zeros)
//! tag          16 bytes
//! ```
//!
//! A record's place in the stream is the nonce of its cipher, so that one that was changed, dropped, repeated or moved does
//! not open, and nothing opens after it. The length needs no encryption, as an onlooker sees the same by the packets, and no
//! tag of its own, as the cipher's tag fits no other length. What must not be seen by it is hidden by padding.
//!
//! Both ends replace a direction's key after each [`REKEY_RECORDS`] records. No record says that it is the last: the frames in them do.

use super::error::Error;
use super::symmetric::CipherState;
use cipher::TAG;

/// Bytes of a buffer before the content that is to be sealed in it: the length.
pub const HEADER: usize = 2;

/// Bytes of a record beyond its content, the header's included, if there is no padding: length, mark, tag.
pub const OVERHEAD: usize = HEADER + 1 + TAG;

/// Bytes of the largest record: as many as its length can tell, and the most that Noise allows.
pub const RECORD: usize = HEADER + u16::MAX as usize;

/// Bytes of the largest content.
pub const CONTENT: usize = RECORD - OVERHEAD;

/// Records under one key: 64 MiB at the most.
pub const REKEY_RECORDS: u64 = 1024;

/// What stands between the content, which may be empty, and the padding.
const MARK: u8 = 1;

/// Goes to the next record's key.
fn advance(cipher: &mut CipherState) {
    if cipher.number().is_multiple_of(REKEY_RECORDS) {
        cipher.rekey();
    }
}

/// The end of a direction that seals records.
pub struct Sealer(CipherState);

impl Sealer {
    pub(super) fn new(cipher: CipherState) -> Sealer {
        Sealer(cipher)
    }

    /// Seals the content that lies in `buffer` behind [`HEADER`] bytes, so many of it, and returns the bytes of the record
    /// that the buffer begins with now: the content, the padding and [`OVERHEAD`].
    ///
    /// # Errors
    /// [`Error::Size`] where content and padding are more than [`CONTENT`] or do not fit into the buffer.
    pub fn seal(&mut self, buffer: &mut [u8], content: usize, padding: usize) -> Result<usize, Error> {
        let Sealer(cipher) = self;
        let padded = content.checked_add(padding).filter(|padded| *padded <= CONTENT).ok_or(Error::Size)?;
        let record = buffer.get_mut(..padded + OVERHEAD).ok_or(Error::Size)?;
        let (header, body) = record.split_first_chunk_mut().expect("there is room for it");
        let (text, tag) = body.split_last_chunk_mut().expect("there is room for it");
        let length = u16::try_from(padded + OVERHEAD - HEADER).expect("a record is no longer");
        *header = length.to_be_bytes();
        text[content] = MARK;
        text[content + 1..].fill(0);
        *tag = cipher.encrypt(&[], text);
        advance(cipher);
        Ok(record.len())
    }
}

/// What the bytes that have come so far begin with.
#[derive(Debug, PartialEq, Eq)]
pub enum Opened<'s> {
    /// An incomplete record: at least so many bytes are missing.
    Missing(usize),
    /// A record with this content, and how many bytes of the stream it was.
    Data(&'s mut [u8], usize),
}

/// The end of a direction that opens records, until something that was no record has come.
pub struct Opener(Option<CipherState>);

impl Opener {
    pub(super) fn new(cipher: CipherState) -> Opener {
        Opener(Some(cipher))
    }

    /// Opens the record that the stream begins with in place, where it is complete. Its bytes must not be shown again.
    ///
    /// # Errors
    /// [`Error::Record`] where they are not the next record that the other end has sealed: this is final, and all its
    /// further bytes are worthless.
    pub fn open<'s>(&mut self, stream: &'s mut [u8]) -> Result<Opened<'s>, Error> {
        let cipher = self.0.as_mut().ok_or(Error::Record)?;
        let available = stream.len();
        let opened = match complete(stream) {
            Ok(record) => read(cipher, record),
            Err(size) => return Ok(Opened::Missing(size - available)),
        };
        if opened.is_some() {
            advance(cipher);
        } else {
            self.0 = None;
        }
        opened.ok_or(Error::Record)
    }
}

/// The bytes of the record that the stream begins with, or how many there have to be at least. One that is too short to
/// be a record is complete too: it will not open.
fn complete(stream: &mut [u8]) -> Result<&mut [u8], usize> {
    let Some(header) = stream.first_chunk() else { return Err(OVERHEAD) };
    let size = HEADER + usize::from(u16::from_be_bytes(*header));
    if stream.len() < size { Err(size) } else { Ok(&mut stream[..size]) }
}

/// Opens a complete record.
fn read<'s>(cipher: &mut CipherState, record: &'s mut [u8]) -> Option<Opened<'s>> {
    let size = record.len();
    let (text, tag) = record.get_mut(HEADER..)?.split_last_chunk_mut::<TAG>()?;
    if !cipher.decrypt(&[], text, tag) {
        return None;
    }
    let end = text.iter().rposition(|byte| *byte != 0)?;
    let (content, rest) = text.split_at_mut(end);
    match rest {
        [MARK, ..] => Some(Opened::Data(content, size)),
        _ => None,
    }
}

/// Bytes of padding for a content whose length is not to be known: it grows to the next of a few lengths, by an eighth of it
/// at the most where it is large (Padmé: Nikitin and others, "Reducing Metadata Leakage from Encrypted Files", 2019).
#[must_use]
pub fn padding(content: usize) -> usize {
    /// What every small one grows to: a call with a short environment.
    const LEAST: usize = 1024;
    let length = content.max(LEAST);
    let exponent = length.ilog2();
    let step = 1 << (exponent - (exponent.ilog2() + 1));
    (length.next_multiple_of(step).min(CONTENT)).saturating_sub(content)
}

#[cfg(test)]
#[path = "tests/record.rs"]
mod tests;
