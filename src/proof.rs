//! Proofs that somebody has a token, which never crosses the wire for it: HMAC-SHA-256 (RFC 2104, FIPS 180-4) over what both
//! ends chose at random. Must not read a token from anywhere, nor say one.
//!
//! The function that mixes a block is RustCrypto's, portable and compact. The padding and HMAC around it are here, because
//! those of the crates `sha2` and `hmac`, which serve any hash in any order of calls, take 650 bytes more.

use core::hint::black_box;

/// Bytes of a digest, of a proof, and of what each end puts into one at random: with so many, none ever comes twice.
pub const LENGTH: usize = 32;

/// Bytes that SHA-256 mixes at once.
const BLOCK: usize = 64;

/// What SHA-256 begins with: the fractions of the square roots of the first eight primes (FIPS 180-4, 5.3.3).
const BEGINNING: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// A digest on its way.
struct Sha256 {
    state: [u32; 8],
    block: [u8; BLOCK],
    /// Bytes so far.
    length: usize,
}

impl Sha256 {
    #[inline(never)]
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.block[self.length % BLOCK] = *byte;
            self.length += 1;
            if self.length.is_multiple_of(BLOCK) {
                self.mix();
            }
        }
    }

    /// Mixes a whole block into the state.
    #[inline(never)]
    fn mix(&mut self) {
        sha2::compress256(&mut self.state, core::slice::from_ref((&self.block).into()));
    }

    /// The digest: behind the bytes come a bit, zeros, and how many bits they are, up to the end of a block.
    #[inline(never)]
    fn finish(mut self) -> [u8; LENGTH] {
        let bits = 8 * self.length as u64;
        self.add(&[0x80]);
        while self.length % BLOCK != BLOCK - 8 {
            self.add(&[0]);
        }
        self.add(&bits.to_be_bytes());
        let mut digest = [0; LENGTH];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(self.state) {
            *bytes = word.to_be_bytes();
        }
        digest
    }
}

/// The SHA-256 of bytes in parts; behind a block of a key, if there is one, each byte of which is mixed with `mix`.
#[inline(never)]
fn sha256(key: &[u8], mix: u8, parts: &[&[u8]]) -> [u8; LENGTH] {
    let mut digest = Sha256 { state: BEGINNING, block: [mix; BLOCK], length: 0 };
    if !key.is_empty() {
        for (place, byte) in digest.block.iter_mut().zip(key) {
            *place ^= byte;
        }
        digest.length = BLOCK;
        digest.mix();
    }
    for part in parts {
        digest.add(part);
    }
    digest.finish()
}

/// Whether both are the same, in a time that does not tell where they differ. Without the black box the compiler may see
/// that the first difference decides.
#[inline(never)]
fn is_same(one: &[u8; LENGTH], other: &[u8]) -> bool {
    let difference = one.iter().zip(other).fold(0, |difference, (one, other)| difference | (one ^ other));
    other.len() == LENGTH && black_box(difference) == 0
}

/// Who proves something. A proof of the one is none of the other, so nobody can give a proof back to its maker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Who connects.
    Stub,
    /// Who listens.
    Server,
}

/// What both ends chose at random, the stub's part first.
pub type Nonces = [[u8; LENGTH]; 2];

/// The digest of a token: all that is kept of it.
///
/// Two tokens that differ have different ones. HMAC's own treatment of keys does not see to that: it takes one that is
/// shorter than a block for the same as one with zeros behind it.
#[derive(Clone, Copy)]
pub struct Key([u8; LENGTH]);

impl Key {
    /// The key of a token.
    #[inline(never)]
    pub fn of(token: &[u8]) -> Key {
        Key(sha256(&[], 0, &[token]))
    }

    /// Whether this is the token that the key is of, in a time that depends on the length of `token` alone.
    pub fn is_of(&self, token: &[u8]) -> bool {
        is_same(&self.0, &Key::of(token).0)
    }

    /// The proof that one end has the token.
    #[inline(never)]
    pub fn prove(&self, role: Role, nonces: &Nonces) -> [u8; LENGTH] {
        self.hmac(&[if role == Role::Stub { b"stub".as_slice() } else { b"server" }, nonces.as_flattened()])
    }

    /// Whether this is the proof that one end has the token, in a time that does not tell where it is wrong.
    pub fn is_proven(&self, role: Role, nonces: &Nonces, proof: &[u8]) -> bool {
        is_same(&self.prove(role, nonces), proof)
    }

    fn hmac(&self, message: &[&[u8]]) -> [u8; LENGTH] {
        sha256(&self.0, 0x5c, &[&sha256(&self.0, 0x36, message)])
    }
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
            (&[b'a'; 1_000_000], "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
        ] {
            assert_eq!(sha256(&[], 0, &[text]).to_vec(), hex(digest));
            for cut in [0, 1, 63, 64, 65].into_iter().filter(|cut| *cut <= text.len()) {
                assert_eq!(sha256(&[], 0, &[&text[..cut], &text[cut..]]).to_vec(), hex(digest), "cut at {cut}");
            }
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
            for cut in 0..message.len() {
                assert_eq!(Key(padded).hmac(&[&message[..cut], &message[cut..]]).to_vec(), hex(wanted));
            }
        }
    }

    #[test]
    fn a_proof_is_of_one_token_one_role_and_one_pair_of_nonces() {
        let (key, nonces) = (Key::of(b"token"), [[7; LENGTH]; 2]);
        let proof = key.prove(Role::Stub, &nonces);
        assert!(key.is_proven(Role::Stub, &nonces, &proof));
        assert!(!key.is_proven(Role::Server, &nonces, &proof));
        assert!(!Key::of(b"token\0").is_proven(Role::Stub, &nonces, &proof));
        for bit in 0..16 * LENGTH {
            let mut other = nonces;
            other.as_flattened_mut()[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.is_proven(Role::Stub, &other, &proof), "bit {bit} of the nonces");
        }
        for bit in 0..8 * LENGTH {
            let mut other = proof;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.is_proven(Role::Stub, &nonces, &other), "bit {bit} of the proof");
        }
    }

    #[test]
    fn a_token_is_no_other_however_alike() {
        let key = Key::of(b"secret");
        assert!(key.is_of(b"secret"));
        let long = vec![b's'; 100_000];
        for other in
            [&b""[..], b"secre", b"secret\0", b"secrets", b"Secret", b"\0", &long, &sha256(&[], 0, &[b"secret"])]
        {
            assert!(!key.is_of(other), "{other:?}");
        }
    }
}
