//! The pre-shared key, from a section's token.

use super::symmetric::{Secret, hmac, is_same};

/// What the key is for, so that nothing else that is derived from the same token is ever equal to it.
const CONTEXT: &[u8] = b"k8psh 2 Noise_NNpsk0 pre-shared key";

/// The pre-shared key of a section, wiped when it is dropped.
///
/// A token is a random secret, not a password: an onlooker who records a handshake can try tokens on it, as fast as SHA-256
/// goes.
pub struct PreSharedKey(Secret);

impl PreSharedKey {
    /// The key of a token: HKDF-Extract (RFC 5869) with the context as the salt. `None` for an empty one, which everybody
    /// knows.
    #[must_use]
    pub fn from_token(token: &[u8]) -> Option<PreSharedKey> {
        (!token.is_empty()).then(|| PreSharedKey(hmac(CONTEXT, &[token])))
    }

    /// Whether this is the key of that token, in a time that tells nothing but the token's length.
    #[must_use]
    pub fn is_of(&self, token: &[u8]) -> bool {
        is_same(&self.0, &hmac(CONTEXT, &[token])) && !token.is_empty()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_no_other_however_alike() {
        let key = PreSharedKey::from_token(b"secret").expect("it is not empty");
        assert!(key.is_of(b"secret"));
        let long = vec![b's'; 100_000];
        for other in [&b""[..], b"secre", b"secret\0", b"secrets", b"Secret", b"\0", &long, key.as_bytes()] {
            assert!(!key.is_of(other), "{other:?}");
        }
    }
}
