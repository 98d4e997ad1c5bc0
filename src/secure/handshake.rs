//! The handshake: Noise NNpsk0, one message each way.
//!
//! ```text
//! initiator → responder   e, tag      psk, e
//! initiator ← responder   e, tag      e, ee
//! ```
//!
//! Each message is an ephemeral public key of 32 bytes and a tag of 16 over everything so far. Their payloads are empty, so
//! every handshake looks the same.
//!
//! The second message is made, and read, in these two parts: with the public key, each end can do its Diffie-Hellman, which
//! takes longer than everything else, while the other end does the same.

use super::error::Error;
use super::key::PreSharedKey;
use super::record::{Opened, Opener, Sealer};
use super::symmetric::{Secret, SymmetricState};
use super::transport::Transport;
use cipher::TAG;
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};
use zeroize::{Zeroize, Zeroizing};

/// What Noise calls it, as both ends hash it first.
const NAME: &[u8] = b"Noise_NNpsk0_25519_ChaChaPoly_SHA256";

/// What else both have to agree upon: the version of what follows. Ends that differ in it refuse each other as though their
/// tokens did.
const PROLOGUE: &[u8] = b"k8psh 2 stub connection";

/// Bytes of a public key.
const PUBLIC: usize = 32;

/// Bytes of each message of the handshake.
pub const MESSAGE: usize = PUBLIC + TAG;

/// A message of the handshake.
pub type Message = [u8; MESSAGE];

/// The first part of a message: an ephemeral public key.
pub type Public = [u8; PUBLIC];

/// The second part of a message.
pub type Tag = [u8; TAG];

/// A pair of keys for one handshake. It may be made ahead of that.
pub struct Ephemeral {
    secret: Secret,
    public: Public,
}

impl Ephemeral {
    /// Of 32 fresh random bytes, which are wiped.
    #[must_use]
    pub fn new(random: &mut [u8; 32]) -> Ephemeral {
        let secret = Secret::new(*random);
        random.zeroize();
        let public = x25519(*secret, X25519_BASEPOINT_BYTES);
        Ephemeral { secret, public }
    }

    /// Noise's `e` for the end that has it.
    fn mix_into(&self, state: &mut SymmetricState) {
        mix_public(state, &self.public);
    }

    /// Noise's `ee`. A public key that makes the shared secret zero is let through, as the specification advises (section
    /// 12.1): only somebody with the token could have sent it.
    fn mix_shared_into(&self, state: &mut SymmetricState, other: &Public) {
        let shared = Zeroizing::new(x25519(*self.secret, *other));
        state.mix_key(&shared[..]);
    }
}

/// The initiator, once it has said its message.
pub struct Initiator {
    state: SymmetricState,
    ephemeral: Ephemeral,
}

impl Initiator {
    /// Starts, and returns what to send.
    #[must_use]
    pub fn start(key: &PreSharedKey, ephemeral: Ephemeral) -> (Initiator, Message) {
        let public = ephemeral.public;
        let (initiator, tag) = Initiator::write(key, PROLOGUE, ephemeral, &mut []);
        (initiator, join(&public, &tag))
    }

    fn write(key: &PreSharedKey, prologue: &[u8], ephemeral: Ephemeral, payload: &mut [u8]) -> (Initiator, Tag) {
        let mut state = begin(key, prologue);
        ephemeral.mix_into(&mut state);
        let tag = state.encrypt_and_hash(payload);
        (Initiator { state, ephemeral }, tag)
    }

    /// Takes the first part of the answer, which may be anybody's.
    #[must_use]
    pub fn agree(mut self, public: &Public) -> Agreed {
        mix_public(&mut self.state, public);
        self.ephemeral.mix_shared_into(&mut self.state, public);
        Agreed(self.state)
    }
}

/// The initiator, once it has the responder's public key.
pub struct Agreed(SymmetricState);

impl Agreed {
    /// Takes the second part of the answer. Its sender has the token, and this connection's keys.
    ///
    /// # Errors
    /// [`Error::Handshake`] where it is no answer to this initiator's message by somebody with the same token.
    pub fn finish(self, tag: &Tag) -> Result<Transport, Error> {
        let [sending, receiving] = self.read(&mut [], tag)?.split();
        Ok(Transport { sealer: Sealer::new(sending), opener: Opener::new(receiving) })
    }

    fn read(mut self, payload: &mut [u8], tag: &Tag) -> Result<SymmetricState, Error> {
        self.0.decrypt_and_hash(payload, tag)?;
        Ok(self.0)
    }
}

/// The responder, once it knows that a first message is by somebody with the token.
pub struct Responder {
    state: SymmetricState,
    /// The initiator's.
    public: Public,
}

impl Responder {
    /// Checks a first message by hashes and one tag alone: a stranger costs no Diffie-Hellman. It may be a recorded one, so
    /// nothing but [`Responder::answer`] may come of it.
    ///
    /// # Errors
    /// [`Error::Handshake`] where its sender has another token or speaks another version.
    pub fn check(key: &PreSharedKey, message: &Message) -> Result<Responder, Error> {
        let (public, tag) = split(message);
        Responder::read(key, PROLOGUE, public, &mut [], tag)
    }

    fn read(
        key: &PreSharedKey,
        prologue: &[u8],
        public: &Public,
        payload: &mut [u8],
        tag: &Tag,
    ) -> Result<Responder, Error> {
        let mut state = begin(key, prologue);
        mix_public(&mut state, public);
        state.decrypt_and_hash(payload, tag)?;
        Ok(Responder { state, public: *public })
    }

    /// Makes the first part of the answer.
    #[must_use]
    pub fn answer(mut self, ephemeral: Ephemeral) -> (Public, Answer) {
        ephemeral.mix_into(&mut self.state);
        (ephemeral.public, Answer { state: self.state, ephemeral, public: self.public })
    }
}

/// The responder, once it has said its public key.
pub struct Answer {
    state: SymmetricState,
    ephemeral: Ephemeral,
    /// The initiator's.
    public: Public,
}

impl Answer {
    /// Makes the second part of the answer.
    #[must_use]
    pub fn finish(self) -> (Tag, Unconfirmed) {
        let (state, tag) = self.write(&mut []);
        let [receiving, sending] = state.split();
        (tag, Unconfirmed { sealer: Sealer::new(sending), opener: Opener::new(receiving) })
    }

    fn write(mut self, payload: &mut [u8]) -> (SymmetricState, Tag) {
        self.ephemeral.mix_shared_into(&mut self.state, &self.public);
        let tag = self.state.encrypt_and_hash(payload);
        (self.state, tag)
    }
}

/// The responder's end until the initiator's first record has come. Whoever repeats a recorded first message gets this far,
/// and no further: the keys depend on the responder's fresh ephemeral key, so a recorded record does not open.
pub struct Unconfirmed {
    sealer: Sealer,
    opener: Opener,
}

/// What the bytes that have come so far make of an unconfirmed end.
pub enum Confirmation<'s> {
    /// They are not the whole first record yet: at least so many are missing.
    Missing(Unconfirmed, usize),
    /// The initiator is there now, not only once, and this is its first record.
    Confirmed(Transport, Opened<'s>),
}

impl Unconfirmed {
    /// Opens the first record where it is complete, as [`Opener::open`] does.
    ///
    /// # Errors
    /// [`Error::Record`] where it is not by the initiator.
    pub fn confirm(mut self, stream: &mut [u8]) -> Result<Confirmation<'_>, Error> {
        Ok(match self.opener.open(stream)? {
            Opened::Missing(count) => Confirmation::Missing(self, count),
            opened => Confirmation::Confirmed(Transport { sealer: self.sealer, opener: self.opener }, opened),
        })
    }
}

/// The state of both ends before the first message: the pre-shared key comes first, so that all else is authenticated by it.
fn begin(key: &PreSharedKey, prologue: &[u8]) -> SymmetricState {
    let mut state = SymmetricState::new(NAME, prologue);
    state.mix_key_and_hash(key.as_bytes());
    state
}

/// Noise's `e`. With a pre-shared key it goes into the keys too, so that no two handshakes encrypt with the same one.
fn mix_public(state: &mut SymmetricState, public: &Public) {
    state.mix_hash(public);
    state.mix_key(public);
}

/// A message of its parts.
fn join(public: &Public, tag: &Tag) -> Message {
    let mut message = [0; MESSAGE];
    message[..PUBLIC].copy_from_slice(public);
    message[PUBLIC..].copy_from_slice(tag);
    message
}

/// The parts of a message.
fn split(message: &Message) -> (&Public, &Tag) {
    let (public, tag) = message.split_first_chunk().expect("a message is longer than a public key");
    (public, tag.try_into().expect("what is left is a tag"))
}

#[cfg(test)]
#[path = "tests/handshake.rs"]
mod tests;
