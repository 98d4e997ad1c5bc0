//! The pre-shared key, from a section's token.

use super::symmetric::{Secret, hmac};

/// What the key is for, so that nothing else that is derived from the same token is ever equal to it.
const CONTEXT: &[u8] = b"k8psh 2 Noise_NNpsk0 pre-shared key";

/// The pre-shared key of a section, wiped when it is dropped.
///
/// A token is a random secret, not a password: whoever records a handshake can try tokens on it, as fast as SHA-256 goes.
pub struct PreSharedKey(Secret);

impl PreSharedKey {
    /// The key of a token: HKDF-Extract (RFC 5869) with the context as the salt. `None` for an empty one, which everybody
    /// knows.
    #[must_use]
    pub fn from_token(token: &[u8]) -> Option<PreSharedKey> {
        (!token.is_empty()).then(|| PreSharedKey(hmac(CONTEXT, &[token])))
    }

    /// The key itself.
    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key from elsewhere: that of a published test vector.
    #[cfg(test)]
    pub(super) fn from_bytes(bytes: [u8; 32]) -> PreSharedKey {
        PreSharedKey(Secret::new(bytes))
    }
}
