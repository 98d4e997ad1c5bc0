//! ChaCha20-Poly1305 (RFC 8439) with nonces as Noise counts them: 32 zero bits, then the number in little-endian order.
//!
//! Put together from its two primitives as section 2.8 says, because of the size: encryption and decryption share what the
//! `chacha20poly1305` package has twice. The tests of `src/secure` hold it to published vectors.
#![no_std]

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use poly1305::universal_hash::{KeyInit, UniversalHash};
use poly1305::{Block, Poly1305};
use zeroize::Zeroize;

/// Bytes of a key.
pub const KEY: usize = 32;

/// Bytes of a tag, which authenticates what was encrypted and its associated data.
pub const TAG: usize = 16;

/// Bytes that one step of the counter makes: the counter has 32 bits, and a text is shorter than that lasts.
const BLOCK: usize = 64;

/// Encrypts `text` in place and returns the tag. A key must never see the same number twice.
///
/// # Panics
/// If the text is longer than 256 GiB.
pub fn encrypt(key: &[u8; KEY], number: u64, associated: &[u8], text: &mut [u8]) -> [u8; TAG] {
    let (mut stream, mac) = begin(key, number);
    apply(&mut stream, text);
    authenticated(mac, associated, text).finalize().into()
}

/// Decrypts `text` in place if the tag is its own, which is compared in constant time; otherwise leaves it as it is.
#[must_use]
pub fn decrypt(key: &[u8; KEY], number: u64, associated: &[u8], text: &mut [u8], tag: &[u8; TAG]) -> bool {
    let (mut stream, mac) = begin(key, number);
    let is_its_own = authenticated(mac, associated, text).verify(&Block::from(*tag)).is_ok();
    if is_its_own {
        apply(&mut stream, text);
    }
    is_its_own
}

// The three steps are out of line: in their callers, which are optimised for size, they would be as well.

/// The key stream from its second block on, and what authenticates by a key from the first one (RFC 8439, 2.6).
#[inline(never)]
fn begin(key: &[u8; KEY], number: u64) -> (ChaCha20, Poly1305) {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_le_bytes());
    let mut stream = ChaCha20::new(key.into(), &nonce.into());
    let mut block = [0; BLOCK];
    stream.apply_keystream(&mut block);
    let mut mac_key = poly1305::Key::default();
    mac_key.copy_from_slice(&block[..KEY]);
    let mac = Poly1305::new(&mac_key);
    block.zeroize();
    mac_key.zeroize();
    (stream, mac)
}

/// Encrypts or decrypts.
#[inline(never)]
fn apply(stream: &mut ChaCha20, text: &mut [u8]) {
    stream.apply_keystream(text);
}

/// Authenticates what is encrypted and its associated data: both padded to whole blocks, and their lengths.
#[inline(never)]
fn authenticated(mut mac: Poly1305, associated: &[u8], text: &[u8]) -> Poly1305 {
    mac.update_padded(associated);
    mac.update_padded(text);
    let mut lengths = Block::default();
    lengths[..8].copy_from_slice(&(associated.len() as u64).to_le_bytes());
    lengths[8..].copy_from_slice(&(text.len() as u64).to_le_bytes());
    mac.update(&[lengths]);
    mac
}
