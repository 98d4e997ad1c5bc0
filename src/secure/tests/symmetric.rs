//! The primitives against other implementations, at lengths that the handshake's vector has not.

use super::*;

/// Lengths around every size of block, alone and in parallel. The digest is a slow implementation's, written after RFC 8439
/// for this.
#[test]
fn texts_of_every_length_are_encrypted_as_elsewhere() {
    let key = core::array::from_fn(|at| at.to_le_bytes()[0]);
    let mut all = Sha256::new();
    for (count, number) in (0..300_u64).enumerate() {
        let (associated, length) = (&b"k8psh"[..count % 6], number * 7);
        let plain: Vec<u8> = (0..length).map(|at| (at * 31 + number).to_le_bytes()[0]).collect();
        let number = number << (number % 50);
        let mut text = plain.clone();
        let tag = cipher::encrypt(&key, number, associated, &mut text);
        all.update(&text);
        all.update(tag);
        assert!(cipher::decrypt(&key, number, associated, &mut text, &tag));
        assert_eq!(text, plain);
    }
    let digest: String = all.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, "f359934f0599e086b721fbf293e8b108be9ea3e3971d4435fd8bcea129310408");
}

/// RFC 5869, appendix A.1: its pseudorandom key, of a salt that is no secret.
#[test]
fn hmac_is_that_of_the_rfc() {
    let salt: [u8; 13] = core::array::from_fn(|at| at.to_le_bytes()[0]);
    let digest: String = hmac(&salt, &[&[0x0b; 20], &[0x0b; 2]]).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
}

/// RFC 7748, section 5.2: what becomes of the base point after 1,000 rounds.
#[test]
fn the_curve_is_that_of_the_rfc() {
    let mut base = x25519_dalek::X25519_BASEPOINT_BYTES;
    let mut secret = base;
    for _ in 0..1000 {
        (base, secret) = (secret, x25519_dalek::x25519(secret, base));
    }
    let digest: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}
