//! Proofs that somebody has a token, which never crosses the wire for it: HMAC-SHA-256 (RFC 2104, FIPS 180-4) over what both
//! ends chose at random. Must not read a token from anywhere, nor say one.

use hmac::Hmac;
use hmac::digest::{CtOutput, Output};
use hmac::digest::{Digest as _, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of a digest, of a proof, and of what each end puts into one at random: with so many, none ever comes twice.
pub const LENGTH: usize = 32;

/// A digest, a proof, or what an end chose at random.
pub type Digest = [u8; LENGTH];

/// The stub's and the server's.
pub type Both = [Digest; 2];

/// Whether both are the same, in a time that does not tell where they differ.
pub fn is_same(one: &Digest, other: &Digest) -> bool {
    CtOutput::<Sha256>::from(Output::<Sha256>::from(*one)) == CtOutput::from(Output::<Sha256>::from(*other))
}

/// The digest of a token: all that is kept of it.
///
/// Two tokens that differ have different ones. HMAC's own treatment of keys does not see to that: it takes one that is
/// shorter than a block for the same as one with zeros behind it.
#[derive(Clone, Copy)]
pub struct Key(Digest);

impl Key {
    /// That of no token, which nobody can prove.
    pub const NONE: Key = Key([0; LENGTH]);

    /// The key of a token.
    pub fn of(token: &[u8]) -> Key {
        Key(sha256(token))
    }

    /// Whether this is the token that the key is of, in a time that depends on the length of `token` alone.
    pub fn is_of(&self, token: &[u8]) -> bool {
        is_same(&self.0, &sha256(token))
    }

    /// Makes of the nonces of both the proofs that each end has the token. A proof of the one is none of the other, so nobody
    /// can give a proof back to its maker.
    pub fn prove(&self, nonces: &mut Both) {
        let [stub, server] = *nonces;
        *nonces = [0, 1].map(|end| self.hmac(&[&stub, &server, &[end]]));
    }

    /// The HMAC of the parts, one behind the other.
    fn hmac(&self, parts: &[&[u8]]) -> Digest {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }
}

/// The SHA-256 of bytes.
fn sha256(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("two digits")).collect()
    }

    #[test]
    fn digests_are_those_of_nist() {
        // FIPS 180-4's examples ("abc", 448 bits, 896 bits, a million times "a"), and nothing.
        for (text, digest) in [
            (&b""[..], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
            (
                b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
                "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
            ),
            // Where the padding begins another block, and around a whole one.
            (&[b'a'; 55], "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"),
            (&[b'a'; 56], "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"),
            (&[b'a'; 63], "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34"),
            (&[b'a'; 64], "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"),
            (&[b'a'; 119], "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb"),
            (&[b'a'; 1_000_000], "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
        ] {
            assert_eq!(sha256(text).to_vec(), hex(digest));
        }
    }

    #[test]
    fn proofs_are_hmacs() {
        // RFC 4231, test cases 1 and 2, with their keys filled up with zeros, which HMAC does anyway.
        for (key, message, wanted) in [
            (&[0x0b; 20][..], &b"Hi There"[..], "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
        ] {
            let mut padded = [0; LENGTH];
            padded[..key.len()].copy_from_slice(key);
            assert_eq!(Key(padded).hmac(&[message]).to_vec(), hex(wanted));
        }
    }

    #[test]
    fn a_proof_is_of_one_token_one_end_and_one_pair_of_nonces() {
        let (key, nonces) = (Key::of(b"token"), [[7; LENGTH]; 2]);
        let proofs = |key: Key, mut nonces: Both| {
            key.prove(&mut nonces);
            nonces
        };
        let [stubs, servers] = proofs(key, nonces);
        assert_ne!(stubs, servers);
        assert_eq!(stubs, key.hmac(&[&[7; 2 * LENGTH], &[0]]));
        assert_eq!(servers, key.hmac(&[&[7; 2 * LENGTH], &[1]]));
        assert_ne!(proofs(Key::of(b"token\0"), nonces), [stubs, servers]);
        for bit in 0..16 * LENGTH {
            let mut other = nonces;
            other.as_flattened_mut()[bit / 8] ^= 1 << (bit % 8);
            assert!(!proofs(key, other).contains(&stubs), "bit {bit} of the nonces");
        }
        for bit in 0..8 * LENGTH {
            let mut other = stubs;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(is_same(&stubs, &stubs) && !is_same(&stubs, &other), "bit {bit} of the proof");
        }
    }

    #[test]
    fn a_token_is_no_other_however_alike() {
        let key = Key::of(b"secret");
        assert!(key.is_of(b"secret"));
        let long = vec![b's'; 100_000];
        for other in [&b""[..], b"secre", b"secret\0", b"secrets", b"Secret", b"\0", &long, &sha256(b"secret")] {
            assert!(!key.is_of(other), "{other:?}");
        }
    }
}
