//! The symmetric part of a handshake, named as in the Noise specification, revision 34, section 5.

use super::error::Error;
use cipher::{KEY, TAG};
use hmac::digest::{CtOutput, Output};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

/// 32 secret bytes, wiped when they are dropped: a key, or what keys are derived from.
pub(super) type Secret = Zeroizing<[u8; KEY]>;

/// HMAC-SHA-256 (RFC 2104) of the parts, one behind the other.
pub(super) fn hmac(key: &[u8], parts: &[&[u8]]) -> Secret {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    let mut digest = mac.finalize().into_bytes();
    let secret = Secret::new(digest.into());
    digest.as_mut_slice().zeroize();
    secret
}

/// Whether both are the same, in a time that does not tell where they differ.
pub(super) fn is_same(one: &Secret, other: &Secret) -> bool {
    let [one, other] = [one, other].map(|secret| CtOutput::<Sha256>::from(Output::<Sha256>::from(**secret)));
    one == other
}

/// The first two outputs of HKDF (RFC 5869) as Noise uses it, with the chaining key as the salt and no further information,
/// and the key for more of them.
fn hkdf(chaining_key: &Secret, material: &[u8]) -> ([Secret; 2], Secret) {
    let key = hmac(&chaining_key[..], &[material]);
    let first = hmac(&key[..], &[&[1]]);
    let second = hmac(&key[..], &[&first[..], &[2]]);
    ([first, second], key)
}

/// A key, and how many texts it has encrypted or decrypted.
pub(super) struct CipherState {
    key: Secret,
    number: u64,
}

impl CipherState {
    fn new(key: Secret) -> CipherState {
        CipherState { key, number: 0 }
    }

    /// The texts so far, under earlier keys as well.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Encrypts in place. The numbers last for longer than any connection.
    pub(super) fn encrypt(&mut self, associated: &[u8], text: &mut [u8]) -> [u8; TAG] {
        let tag = cipher::encrypt(&self.key, self.number, associated, text);
        self.number += 1;
        tag
    }

    /// Decrypts in place; the text stays as it is where the tag is not its own.
    pub(super) fn decrypt(&mut self, associated: &[u8], text: &mut [u8], tag: &[u8; TAG]) -> bool {
        let is_authentic = cipher::decrypt(&self.key, self.number, associated, text, tag);
        self.number += u64::from(is_authentic);
        is_authentic
    }

    /// Replaces the key by one from which it cannot be told: what was encrypted so far stays secret even if the new one gets
    /// known. The number goes on.
    pub(super) fn rekey(&mut self) {
        let mut next = Secret::default();
        cipher::encrypt(&self.key, u64::MAX, &[], &mut next[..]);
        self.key = next;
    }

    /// The key, for a test to see that it changes.
    #[cfg(test)]
    pub(super) fn key(&self) -> [u8; KEY] {
        *self.key
    }
}

/// What both ends have agreed upon so far.
pub(super) struct SymmetricState {
    cipher: CipherState,
    chaining_key: Secret,
    /// The hash of all that was said, which every tag authenticates. It is no secret.
    hash: [u8; 32],
}

impl SymmetricState {
    /// That of a protocol with a name longer than a hash, and a prologue.
    pub(super) fn new(name: &[u8], prologue: &[u8]) -> SymmetricState {
        let hash: [u8; 32] = Sha256::digest(name).into();
        let cipher = CipherState::new(Secret::default());
        let mut state = SymmetricState { cipher, chaining_key: Secret::new(hash), hash };
        state.mix_hash(prologue);
        state
    }

    pub(super) fn mix_hash(&mut self, data: &[u8]) {
        self.mix_parts(&[data]);
    }

    pub(super) fn mix_key(&mut self, material: &[u8]) {
        let ([chaining_key, key], _) = hkdf(&self.chaining_key, material);
        self.chaining_key = chaining_key;
        self.cipher = CipherState::new(key);
    }

    pub(super) fn mix_key_and_hash(&mut self, material: &[u8]) {
        let ([chaining_key, hashed], key) = hkdf(&self.chaining_key, material);
        let third = hmac(&key[..], &[&hashed[..], &[3]]);
        self.chaining_key = chaining_key;
        self.mix_hash(&hashed[..]);
        self.cipher = CipherState::new(third);
    }

    /// Encrypts a payload in place. Must come after a key was mixed in.
    pub(super) fn encrypt_and_hash(&mut self, payload: &mut [u8]) -> [u8; TAG] {
        let tag = self.cipher.encrypt(&self.hash, payload);
        self.mix_ciphertext(payload, &tag);
        tag
    }

    /// Decrypts a payload in place, and authenticates all that was said.
    pub(super) fn decrypt_and_hash(&mut self, payload: &mut [u8], tag: &[u8; TAG]) -> Result<(), Error> {
        let before = self.hash;
        self.mix_ciphertext(payload, tag);
        if self.cipher.decrypt(&before, payload, tag) { Ok(()) } else { Err(Error::Handshake) }
    }

    fn mix_ciphertext(&mut self, payload: &[u8], tag: &[u8; TAG]) {
        self.mix_parts(&[payload, tag]);
    }

    fn mix_parts(&mut self, parts: &[&[u8]]) {
        let mut hash = Sha256::new_with_prefix(self.hash);
        parts.iter().for_each(|part| hash.update(part));
        self.hash = hash.finalize().into();
    }

    /// The ciphers of both directions, the initiator's first.
    pub(super) fn split(self) -> [CipherState; 2] {
        hkdf(&self.chaining_key, &[]).0.map(CipherState::new)
    }

    /// The hash, which a published vector has too.
    #[cfg(test)]
    pub(super) fn hash(&self) -> [u8; 32] {
        self.hash
    }
}

#[cfg(test)]
#[path = "tests/symmetric.rs"]
mod tests;
