//! The handshake against the published vector, and against peers without the token.

use super::*;
use crate::secure::record::{HEADER, OVERHEAD};

/// `Noise_NNpsk0_25519_ChaChaPoly_SHA256` of cacophony's `vectors/cacophony.txt`, which snow tests against as well.
mod vector {
    pub(super) const PROLOGUE: &str = "4a6f686e2047616c74";
    pub(super) const KEY: &str = "54686973206973206d7920417573747269616e20706572737065637469766521";
    pub(super) const INITIATOR: &str = "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a";
    pub(super) const RESPONDER: &str = "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b";
    pub(super) const HASH: &str = "f4d03dc34495c95729ea6de9e1b59004b59733102488b3e24bc441e0be208eaf";
    /// Payload and message. The first two are the handshake's; then both ends take turns, the initiator first.
    pub(super) const MESSAGES: [(&str, &str); 6] = [
        (
            "4c756477696720766f6e204d69736573",
            "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944\
             79b962b8aff8485742ac32f905ba45369e2465fb59e138a93d67a0d1266b6a54",
        ),
        (
            "4d757272617920526f746862617264",
            "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843\
             d6062704d5a9c422a8e834423f8c1feada7e8d0d910a1a2cd030fb584221e3",
        ),
        ("462e20412e20486179656b", "e632c3763d7669067383433197a3baddf146e9e70ad4b4e9e59e0f"),
        ("4361726c204d656e676572", "64c6bee32ea91c8474bb4c21d7a700109ad45af77b29764ba5eb1e"),
        ("4a65616e2d426170746973746520536179", "e2fa0bed0603b62d3ccac2ecabbf3fe33f3e86514909b323361626266cb2471cc8"),
        (
            "457567656e2042f6686d20766f6e2042617765726b",
            "0c01dc9cec1fe4ddd692e8dd32188aa351088dc91183639a53b57aa4692b5ebdef8b8ca111",
        ),
    ];
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| {
            u8::from_str_radix(str::from_utf8(pair).expect("digits are ASCII"), 16).expect("digits are hexadecimal")
        })
        .collect()
}

fn array(hex: &str) -> [u8; 32] {
    bytes(hex).try_into().expect("a key has 32 bytes")
}

/// The message of the parts that a handshake function returned, with what the payload was encrypted to.
fn message(public: [u8; 32], payload: &[u8], tag: [u8; TAG]) -> Vec<u8> {
    [&public[..], payload, &tag].concat()
}

/// The parts of a vector's message.
fn parts(message: &[u8]) -> ([u8; 32], Vec<u8>, [u8; TAG]) {
    let (public, rest) = message.split_first_chunk().expect("it begins with a key");
    let (payload, tag) = rest.split_last_chunk().expect("it ends with a tag");
    (*public, payload.to_vec(), *tag)
}

#[test]
fn both_ends_say_byte_for_byte_what_the_published_vector_does() {
    let [prologue, first, second] = [vector::PROLOGUE, vector::MESSAGES[0].1, vector::MESSAGES[1].1].map(bytes);
    let key = PreSharedKey::from_bytes(array(vector::KEY));

    let mut payload = bytes(vector::MESSAGES[0].0);
    let ephemeral = Ephemeral::new(&mut array(vector::INITIATOR));
    let public = ephemeral.public;
    let (initiator, tag) = Initiator::write(&key, &prologue, ephemeral, &mut payload);
    assert_eq!(message(public, &payload, tag), first);

    let (public, mut payload, tag) = parts(&first);
    let responder =
        Responder::read(&key, &prologue, &public, &mut payload, &tag).map_err(drop).expect("it is authentic");
    assert_eq!(payload, bytes(vector::MESSAGES[0].0));
    let mut payload = bytes(vector::MESSAGES[1].0);
    let (public, answer) = responder.answer(Ephemeral::new(&mut array(vector::RESPONDER)));
    let (answered, tag) = answer.write(&mut payload);
    assert_eq!(message(public, &payload, tag), second);

    let (public, mut payload, tag) = parts(&second);
    let finished = initiator.agree(&public).read(&mut payload, &tag).map_err(drop).expect("it is authentic");
    assert_eq!(payload, bytes(vector::MESSAGES[1].0));
    assert_eq!([finished.hash(), answered.hash()], [array(vector::HASH); 2]);

    let (mut ends, mut others) = (finished.split(), answered.split());
    for (turn, (plain, encrypted)) in vector::MESSAGES[2..].iter().enumerate() {
        let mut text = bytes(plain);
        let tag = ends[turn % 2].encrypt(&[], &mut text);
        assert_eq!([&text[..], &tag].concat(), bytes(encrypted));
        assert!(others[turn % 2].decrypt(&[], &mut text, &tag));
        assert_eq!(text, bytes(plain));
    }
}

fn key(token: &str) -> PreSharedKey {
    PreSharedKey::from_token(token.as_bytes()).expect("the token is not empty")
}

fn start(token: &str) -> (Initiator, Message) {
    Initiator::start(&key(token), Ephemeral::new(&mut [1; 32]))
}

fn check(token: &str, message: &Message) -> Result<Responder, Error> {
    Responder::check(&key(token), message)
}

/// The whole answer to a first message.
fn answer(responder: Responder, random: &mut [u8; 32]) -> (Message, Unconfirmed) {
    let (public, answer) = responder.answer(Ephemeral::new(random));
    let (tag, unconfirmed) = answer.finish();
    (join(&public, &tag), unconfirmed)
}

/// Reads the whole answer.
fn finish(initiator: Initiator, message: &Message) -> Result<Transport, Error> {
    let (public, tag) = split(message);
    initiator.agree(public).finish(tag)
}

/// Both ends after their handshake.
fn connect(token: &str, random: [u8; 2]) -> (Transport, Unconfirmed) {
    let (initiator, first) = Initiator::start(&key(token), Ephemeral::new(&mut [random[0]; 32]));
    let (second, responder) = answer(check(token, &first).map_err(drop).expect("same token"), &mut [random[1]; 32]);
    (finish(initiator, &second).map_err(drop).expect("same token"), responder)
}

/// The record of an end that has only just begun.
fn record(transport: &mut Transport, content: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0; HEADER];
    buffer.extend_from_slice(content);
    buffer.resize(content.len() + OVERHEAD, 0);
    transport.sealer.seal(&mut buffer, content.len(), 0).expect("it fits");
    buffer
}

fn confirm(end: Unconfirmed, stream: &mut [u8]) -> Transport {
    match end.confirm(stream) {
        Ok(Confirmation::Confirmed(transport, _)) => transport,
        Ok(Confirmation::Missing(_, count)) => panic!("{count} bytes are missing"),
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn both_ends_of_one_token_understand_each_other() {
    let (mut initiator, responder) = connect("token", [1, 2]);
    let mut responder = confirm(responder, &mut record(&mut initiator, b"request"));
    let mut answer = record(&mut responder, b"answer");
    let size = answer.len();
    assert_eq!(initiator.opener.open(&mut answer), Ok(Opened::Data(&mut b"answer".to_owned(), size)));
}

#[test]
fn a_first_message_of_another_token_is_refused() {
    assert_eq!(check("token", &start("Token").1).err(), Some(Error::Handshake));
    assert_eq!(check("token", &start("token\0").1).err(), Some(Error::Handshake));
    assert_eq!(check("token", &[0; MESSAGE]).err(), Some(Error::Handshake));
}

#[test]
fn an_answer_by_another_token_is_refused() {
    let (initiator, _) = start("token");
    let (second, _) = answer(check("other", &start("other").1).map_err(drop).expect("same token"), &mut [2; 32]);
    assert_eq!(finish(initiator, &second).err(), Some(Error::Handshake));
}

#[test]
fn another_version_is_refused() {
    let ephemeral = Ephemeral::new(&mut [1; 32]);
    let public = ephemeral.public;
    let (_, tag) = Initiator::write(&key("token"), b"k8psh 3 stub connection", ephemeral, &mut []);
    assert_eq!(check("token", &join(&public, &tag)).err(), Some(Error::Handshake));
}

#[test]
fn an_empty_token_is_no_key() {
    assert!(PreSharedKey::from_token(b"").is_none());
}

#[test]
fn a_changed_bit_of_the_first_message_is_refused() {
    let (_, first) = start("token");
    for bit in 0..8 * MESSAGE {
        let mut changed = first;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(check("token", &changed).err(), Some(Error::Handshake), "bit {bit}");
    }
    assert!(check("token", &first).is_ok());
}

#[test]
fn a_changed_bit_of_the_answer_is_refused() {
    let answer = || answer(check("token", &start("token").1).map_err(drop).expect("same token"), &mut [2; 32]).0;
    for bit in 0..8 * MESSAGE {
        let mut changed = answer();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(finish(start("token").0, &changed).err(), Some(Error::Handshake), "bit {bit}");
    }
    assert!(finish(start("token").0, &answer()).is_ok());
}

#[test]
fn a_message_that_is_sent_back_is_no_answer() {
    let (initiator, first) = start("token");
    assert_eq!(finish(initiator, &first).err(), Some(Error::Handshake));
    let (second, _) = answer(check("token", &first).map_err(drop).expect("same token"), &mut [2; 32]);
    assert_eq!(check("token", &second).err(), Some(Error::Handshake));
}

#[test]
fn an_answer_to_another_first_message_is_refused() {
    let (_, first) = Initiator::start(&key("token"), Ephemeral::new(&mut [3; 32]));
    let (second, _) = answer(check("token", &first).map_err(drop).expect("same token"), &mut [2; 32]);
    assert_eq!(finish(start("token").0, &second).err(), Some(Error::Handshake));
}

/// Whoever has sent the first part of an answer has not shown anything yet.
#[test]
fn the_parts_of_two_answers_do_not_fit() {
    let answer =
        |random| answer(check("token", &start("token").1).map_err(drop).expect("same token"), &mut [random; 32]).0;
    let [one, other] = [2, 3].map(answer);
    let (public, _) = split(&one);
    let (_, tag) = split(&other);
    assert_eq!(finish(start("token").0, &join(public, tag)).err(), Some(Error::Handshake));
}

/// A replay of all that an initiator once said gets an answer, and no session.
#[test]
fn a_recorded_session_confirms_nothing() {
    let (_, first) = start("token");
    let (mut initiator, responder) = connect("token", [1, 2]);
    let mut recorded = record(&mut initiator, b"request");
    confirm(responder, &mut recorded.clone());

    let (_, again) = answer(check("token", &first).map_err(drop).expect("it is authentic"), &mut [3; 32]);
    assert_eq!(again.confirm(&mut recorded).err(), Some(Error::Record));
}

#[test]
fn a_responder_waits_for_the_whole_first_record() {
    let (mut initiator, mut responder) = connect("token", [1, 2]);
    let whole = record(&mut initiator, b"request");
    for length in 0..whole.len() {
        responder = match responder.confirm(&mut whole[..length].to_vec()) {
            Ok(Confirmation::Missing(end, count)) => {
                assert!((1..=whole.len() - length).contains(&count), "{count} at {length}");
                end
            }
            _ => panic!("{length} bytes are no record"),
        };
    }
    confirm(responder, &mut whole.clone());
}

/// Nothing that an onlooker sees is the same twice, nor does it depend on the token's or the request's bytes.
#[test]
fn handshakes_with_fresh_random_bytes_have_nothing_in_common() {
    let [(one, first), (other, second)] =
        [1, 9].map(|random| Initiator::start(&key("token"), Ephemeral::new(&mut [random; 32])));
    assert!(first.iter().zip(&second).filter(|(one, other)| one == other).count() < 8);
    let answers = [(one, first, 2), (other, first, 3)].map(|(_, message, random)| {
        answer(check("token", &message).map_err(drop).expect("same token"), &mut [random; 32]).0
    });
    assert!(answers[0].iter().zip(&answers[1]).filter(|(one, other)| one == other).count() < 8);
}

#[test]
fn random_bytes_are_wiped_once_they_are_taken() {
    let mut random = [7; 32];
    let (_, first) = Initiator::start(&key("token"), Ephemeral::new(&mut random));
    assert_eq!(random, [0; 32]);
    let mut random = [7; 32];
    let _ = answer(check("token", &first).map_err(drop).expect("same token"), &mut random);
    assert_eq!(random, [0; 32]);
}

/// As another implementation has it: `printf token | openssl dgst -sha256 -hmac CONTEXT`.
#[test]
fn the_key_of_a_token_stays_the_same() {
    let wanted = "863aa2d7de5f14e9cb854139db146df488b75c7f4136a774e855808946a3315e";
    assert_eq!(*key("token").as_bytes(), array(wanted));
}
