//! Proofs that somebody has a token, which never crosses the wire for it: HMAC-SHA-256 (RFC 2104, FIPS 180-4) over what both
//! ends chose at random. Must not read a token from anywhere, nor say one.
//!
//! All of it is here: what is hashed lies in one piece, and the crates `sha2` and `hmac`, which serve any hash in any order of
//! calls, take 900 bytes more.

use crate::text::bytes::first;
use core::hint::black_box;

/// Bytes of a digest, of a proof, and of what each end puts into one at random: with so many, none ever comes twice.
pub const LENGTH: usize = 32;

/// Bytes that SHA-256 mixes at once.
const BLOCK: usize = 64;

/// What SHA-256 begins with: the fractions of the square roots of the first eight primes (FIPS 180-4, 5.3.3).
const BEGINNING: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// What it adds in each round: the fractions of the cube roots of the first 64 primes (4.2.2).
#[rustfmt::skip]
static ROUNDS: [u32; BLOCK] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// The SHA-256 of bytes (FIPS 180-4, 6.2), of less than half a gigabyte. Behind them come a bit, zeros, and how many bits
/// they are, up to the end of a block.
#[inline(never)]
#[allow(clippy::cast_possible_truncation, reason = "nothing here is as long")]
fn sha256(bytes: &[u8]) -> Digest {
    let mut state = BEGINNING;
    let mut rest = bytes.iter();
    let mut end = 0x80;
    let blocks = (bytes.len() + 8) / BLOCK + 1;
    for block in 1..blocks + 1 {
        let mut words = [0_u32; BLOCK];
        for at in 0..BLOCK {
            let byte = rest.next().copied().unwrap_or_else(|| core::mem::take(&mut end));
            words[at / 4] = words[at / 4] << 8 | u32::from(byte);
        }
        if block == blocks {
            words[15] = 8 * bytes.len() as u32;
        }
        mix(&mut state, &mut words);
    }
    let mut digest = [0; LENGTH];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(&state) {
        *bytes = word.to_be_bytes();
    }
    digest
}

/// Mixes a block, the first 16 words, into the state.
fn mix(state: &mut [u32; 8], words: &mut [u32; BLOCK]) {
    let mut mixed = *state;
    for round in 0..BLOCK {
        if round >= 16 {
            let (near, far) = (words[round - 2], words[round - 15]);
            let near = near.rotate_right(17) ^ near.rotate_right(19) ^ near >> 10;
            let far = far.rotate_right(7) ^ far.rotate_right(18) ^ far >> 3;
            words[round] = near.wrapping_add(words[round - 7]).wrapping_add(far).wrapping_add(words[round - 16]);
        }
        let [a, b, c, _, e, f, g, h] = mixed;
        let sum = (e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25)).wrapping_add(e & f ^ !e & g);
        let sum = sum.wrapping_add(h).wrapping_add(ROUNDS[round]).wrapping_add(words[round]);
        let other = (a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22)).wrapping_add(a & b ^ a & c ^ b & c);
        mixed.copy_within(0..7, 1);
        mixed[0] = sum.wrapping_add(other);
        mixed[4] = mixed[4].wrapping_add(sum);
    }
    for (word, mixed) in state.iter_mut().zip(&mixed) {
        *word = word.wrapping_add(*mixed);
    }
}

/// A digest, a proof, or what an end chose at random.
pub type Digest = [u8; LENGTH];

/// The stub's and the server's.
pub type Both = [Digest; 2];

/// Whether both are the same, in a time that does not tell where they differ. Without the black box the compiler may see
/// that the first difference decides.
#[inline(never)]
pub fn is_same(one: &Digest, other: &Digest) -> bool {
    black_box(one.iter().zip(other).fold(0, |difference, (one, other)| difference | (one ^ other))) == 0
}

/// Bytes of what a proof is of: both nonces, and a byte that says whose it is.
const MESSAGE: usize = 2 * LENGTH + 1;

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
    #[inline(never)]
    pub fn prove(&self, nonces: &mut Both) {
        let [stub, server] = *nonces;
        let mut message = [stub, server, [0; LENGTH]];
        for proof in nonces {
            *proof = self.hmac(&message.as_flattened()[..MESSAGE]);
            message[2][0] = 1;
        }
    }

    fn hmac(&self, message: &[u8]) -> Digest {
        self.digest(0x5c, &self.digest(0x36, message))
    }

    /// The SHA-256 of at most [`MESSAGE`] bytes behind a block of the key, each byte of which is mixed with `mix`.
    #[inline(never)]
    fn digest(&self, mix: u8, message: &[u8]) -> Digest {
        let mut text = [mix; BLOCK + MESSAGE];
        let (key, rest) = text.split_at_mut(BLOCK);
        key.iter_mut().zip(&self.0).for_each(|(place, byte)| *place ^= byte);
        rest.iter_mut().zip(message).for_each(|(place, byte)| *place = *byte);
        sha256(first(&text, BLOCK + message.len()))
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
            assert_eq!(Key(padded).hmac(message).to_vec(), hex(wanted));
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
        assert_eq!(stubs, key.hmac(&[&[7; 2 * LENGTH][..], &[0]].concat()));
        assert_eq!(servers, key.hmac(&[&[7; 2 * LENGTH][..], &[1]].concat()));
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
