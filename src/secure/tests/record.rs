//! Records that come as they were sealed, and all others.

use super::*;
use crate::secure::Transport;
use crate::secure::handshake::{Confirmation, Ephemeral, Initiator, Responder};
use crate::secure::key::PreSharedKey;
use fastrand::Rng;
use std::collections::VecDeque;

/// Both ends of a connection, the responder's confirmed by an empty record.
fn connect() -> [Transport; 2] {
    let key = PreSharedKey::from_token(b"token").expect("it is not empty");
    let (initiator, first) = Initiator::start(&key, Ephemeral::new(&mut [1; 32]));
    let responder = Responder::check(&key, &first).map_err(drop).expect("same token");
    let (public, answer) = responder.answer(Ephemeral::new(&mut [2; 32]));
    let (tag, responder) = answer.finish();
    let mut initiator = initiator.agree(&public).finish(&tag).map_err(drop).expect("same token");
    let mut stream = seal(&mut initiator.sealer, b"", 0);
    match responder.confirm(&mut stream) {
        Ok(Confirmation::Confirmed(responder, Opened::Data([], _))) => [initiator, responder],
        _ => panic!("it is the first record"),
    }
}

/// The ends of one direction.
fn direction() -> (Sealer, Opener) {
    let [initiator, responder] = connect();
    (initiator.sealer, responder.opener)
}

fn seal(sealer: &mut Sealer, content: &[u8], padding: usize) -> Vec<u8> {
    let mut buffer = vec![0xee; HEADER + content.len() + padding + OVERHEAD];
    buffer[HEADER..][..content.len()].copy_from_slice(content);
    let size = sealer.seal(&mut buffer, content.len(), padding).expect("it fits");
    assert!(buffer[size..].iter().all(|byte| *byte == 0xee), "nothing behind a record is touched");
    buffer.truncate(size);
    buffer
}

/// The content of the only record of a stream.
fn open(opener: &mut Opener, stream: &[u8]) -> Result<Vec<u8>, Error> {
    match opener.open(&mut stream.to_vec())? {
        Opened::Data(content, size) => {
            assert_eq!(size, stream.len());
            Ok(content.to_vec())
        }
        other => panic!("{other:?}"),
    }
}

/// Nothing opens any more, not even the record that should have come.
fn assert_broken(mut opener: Opener, right: &[u8]) {
    assert_eq!(opener.open(&mut right.to_vec()), Err(Error::Record));
    assert_eq!(opener.open(&mut []), Err(Error::Record));
}

#[test]
fn contents_come_as_they_were_sealed() {
    let (mut sealer, mut opener) = direction();
    for length in [0, 1, 15, 16, 17, 63, 64, 65, 255, 256, 4096, CONTENT - 1, CONTENT] {
        let content: Vec<u8> = (0..length).map(|at| (at * 31 + length).to_le_bytes()[0]).collect();
        let record = seal(&mut sealer, &content, 0);
        assert_eq!(record.len(), length + OVERHEAD);
        assert_eq!(open(&mut opener, &record).as_ref(), Ok(&content), "{length} bytes");
    }
}

#[test]
fn contents_that_end_in_zeros_keep_them() {
    let (mut sealer, mut opener) = direction();
    for padding in [0, 1, 40] {
        let record = seal(&mut sealer, &[1, 0, 0, 0], padding);
        assert_eq!(open(&mut opener, &record), Ok(vec![1, 0, 0, 0]));
    }
}

#[test]
fn the_largest_record_is_as_large_as_its_length_can_tell() {
    let (mut sealer, mut opener) = direction();
    let record = seal(&mut sealer, &[7; CONTENT], 0);
    assert_eq!((record.len(), &record[..HEADER]), (RECORD, &[0xff, 0xff][..]));
    assert_eq!(open(&mut opener, &record), Ok(vec![7; CONTENT]));
}

#[test]
fn what_does_not_fit_is_refused_and_breaks_nothing() {
    let (mut sealer, mut opener) = direction();
    let mut buffer = vec![0; 2 * RECORD];
    assert_eq!(sealer.seal(&mut buffer, CONTENT + 1, 0), Err(Error::Size));
    assert_eq!(sealer.seal(&mut buffer, CONTENT, 1), Err(Error::Size));
    assert_eq!(sealer.seal(&mut buffer, usize::MAX, usize::MAX), Err(Error::Size));
    assert_eq!(sealer.seal(&mut buffer[..OVERHEAD + 9], 10, 0), Err(Error::Size));
    assert_eq!(sealer.seal(&mut buffer[..OVERHEAD + 10], 10, 1), Err(Error::Size));
    assert_eq!(buffer, vec![0; 2 * RECORD]);
    let record = seal(&mut sealer, b"next", 0);
    assert_eq!(open(&mut opener, &record), Ok(b"next".to_vec()));
}

#[test]
fn padding_is_invisible_on_the_wire_and_to_the_receiver() {
    let (mut sealer, mut opener) = direction();
    let (short, long) = (seal(&mut sealer, b"a", 99), seal(&mut sealer, &[b'b'; 100], 0));
    assert_eq!(short.len(), long.len());
    assert_eq!(open(&mut opener, &short), Ok(b"a".to_vec()));
    assert_eq!(open(&mut opener, &long), Ok(vec![b'b'; 100]));
}

#[test]
fn an_incomplete_record_says_how_much_is_missing_and_changes_nothing() {
    let (mut sealer, mut opener) = direction();
    let whole = seal(&mut sealer, &[5; 300], 0);
    for length in 0..whole.len() {
        let mut stream = whole[..length].to_vec();
        let missing = if length < HEADER { OVERHEAD } else { whole.len() } - length;
        assert_eq!(opener.open(&mut stream), Ok(Opened::Missing(missing)));
        assert_eq!(stream, whole[..length]);
    }
    assert_eq!(open(&mut opener, &whole), Ok(vec![5; 300]));
}

#[test]
fn a_stream_opens_record_by_record() {
    let (mut sealer, mut opener) = direction();
    let mut stream = [seal(&mut sealer, b"one", 0), seal(&mut sealer, b"", 7), seal(&mut sealer, b"three", 0)].concat();
    let mut at = 0;
    for wanted in [&b"one"[..], b"", b"three"] {
        let Ok(Opened::Data(content, size)) = opener.open(&mut stream[at..]) else { panic!("a record is there") };
        assert_eq!(content, wanted);
        at += size;
    }
    assert_eq!(at, stream.len());
}

#[test]
fn a_changed_bit_of_a_record_breaks_the_direction() {
    let record = seal(&mut direction().0, b"content", 3);
    for bit in 0..8 * record.len() {
        let (_, mut opener) = direction();
        let mut changed = record.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        // A length that has grown is only known for wrong once so many bytes are there.
        changed.resize(RECORD, 0);
        assert_eq!(opener.open(&mut changed), Err(Error::Record), "bit {bit}");
        assert_broken(opener, &record);
    }
}

#[test]
fn a_length_too_small_for_a_record_breaks_the_direction() {
    for length in 0..OVERHEAD - HEADER {
        let (mut sealer, mut opener) = direction();
        let mut stream = vec![0; RECORD];
        stream[1] = length.to_le_bytes()[0];
        assert_eq!(opener.open(&mut stream), Err(Error::Record), "length {length}");
        assert_broken(opener, &seal(&mut sealer, b"", 0));
    }
}

#[test]
fn a_dropped_record_is_missed_by_the_next() {
    let (mut sealer, mut opener) = direction();
    seal(&mut sealer, b"one", 0);
    let second = seal(&mut sealer, b"two", 0);
    assert_eq!(open(&mut opener, &second), Err(Error::Record));
    assert_broken(opener, &second);
}

#[test]
fn a_repeated_record_does_not_open_again() {
    let (mut sealer, mut opener) = direction();
    let first = seal(&mut sealer, b"one", 0);
    assert_eq!(open(&mut opener, &first), Ok(b"one".to_vec()));
    assert_eq!(open(&mut opener, &first), Err(Error::Record));
    assert_broken(opener, &seal(&mut sealer, b"two", 0));
}

#[test]
fn records_in_another_order_do_not_open() {
    let (mut sealer, mut opener) = direction();
    let records = [b"one", b"two", b"six"].map(|content| seal(&mut sealer, content, 0));
    assert_eq!(open(&mut opener, &records[0]), Ok(b"one".to_vec()));
    assert_eq!(open(&mut opener, &records[2]), Err(Error::Record));
    assert_broken(opener, &records[1]);
}

#[test]
fn a_record_that_is_sent_back_does_not_open() {
    let [mut initiator, _] = connect();
    let record = seal(&mut initiator.sealer, b"content", 0);
    assert_eq!(open(&mut initiator.opener, &record), Err(Error::Record));
}

/// What only somebody with the keys could seal, and no sealer here does.
#[test]
fn an_authentic_record_of_no_kind_breaks_the_direction() {
    for text in [&b""[..], &[0], &[0; 40], &[3], b"content\x03\0\0", b"content\x02\0"] {
        let (mut sealer, mut opener) = direction();
        let mut body = text.to_vec();
        let tag = sealer.0.encrypt(&[], &mut body);
        let length = u16::try_from(body.len() + TAG).expect("it is short");
        let mut record = [&length.to_be_bytes()[..], &body, &tag].concat();
        record.resize(record.len().max(OVERHEAD), 0);
        assert_eq!(opener.open(&mut record), Err(Error::Record), "{text:?}");
        assert_broken(opener, &record);
    }
}

#[test]
fn both_ends_change_keys_after_the_same_record() {
    let (mut sealer, mut opener) = direction();
    let mut keys = vec![sealer.0.key()];
    // The first record of the direction confirmed it.
    for number in 2..=3 * REKEY_RECORDS {
        let record = seal(&mut sealer, &number.to_le_bytes(), 0);
        assert_eq!(open(&mut opener, &record), Ok(number.to_le_bytes().to_vec()));
        assert_eq!(sealer.0.key(), opener.0.as_ref().expect("it is open").key());
        if number % REKEY_RECORDS == 0 {
            keys.push(sealer.0.key());
        }
        assert_eq!(keys.last(), Some(&sealer.0.key()), "record {number}");
    }
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 4);
}

#[test]
fn a_record_dropped_where_keys_change_is_missed() {
    let (mut sealer, mut opener) = direction();
    for _ in 2..REKEY_RECORDS {
        let record = seal(&mut sealer, b"", 0);
        assert_eq!(open(&mut opener, &record), Ok(Vec::new()));
    }
    let dropped = seal(&mut sealer, b"", 0);
    let next = seal(&mut sealer, b"", 0);
    assert_eq!(open(&mut opener, &next), Err(Error::Record));
    assert_broken(opener, &dropped);
}

#[test]
fn a_broken_direction_has_no_key_left() {
    let (_, mut opener) = direction();
    assert_eq!(opener.open(&mut [0xff; RECORD]), Err(Error::Record));
    assert!(opener.0.is_none());
}

/// One direction: what was sealed and has not come yet, and what has been sent and not been opened.
#[derive(Default)]
struct Wire {
    bytes: VecDeque<u8>,
    contents: VecDeque<Vec<u8>>,
    inbox: Vec<u8>,
}

impl Wire {
    fn send(&mut self, sealer: &mut Sealer, random: &mut Rng) {
        let length = if random.u8(..) == 0 { random.usize(..5000) } else { random.usize(..40) };
        let content: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
        self.bytes.extend(seal(sealer, &content, random.usize(..30)));
        self.contents.push_back(content);
    }

    fn receive(&mut self, opener: &mut Opener, random: &mut Rng) {
        let count = random.usize(..=self.bytes.len().min(150));
        self.inbox.extend(self.bytes.drain(..count));
        let mut at = 0;
        while let Opened::Data(content, size) = opener.open(&mut self.inbox[at..]).expect("nothing was changed") {
            assert_eq!(Some(&content.to_vec()), self.contents.pop_front().as_ref());
            at += size;
        }
        self.inbox.drain(..at);
    }
}

#[test]
fn a_million_random_steps_in_both_directions_at_once_keep_every_byte() {
    let mut random = Rng::with_seed(12);
    let mut ends = connect();
    let mut wires = [Wire::default(), Wire::default()];
    for _ in 0..1_000_000 {
        let way = random.usize(..2);
        if random.u8(..) < 120 {
            wires[way].send(&mut ends[way].sealer, &mut random);
        } else {
            wires[way].receive(&mut ends[1 - way].opener, &mut random);
        }
    }
    for (way, wire) in wires.iter_mut().enumerate() {
        while !wire.bytes.is_empty() || !wire.inbox.is_empty() {
            wire.receive(&mut ends[1 - way].opener, &mut random);
        }
        assert!(wire.contents.is_empty());
    }
}

/// Whatever comes, an opener says that it is incomplete or that it is no record; it never opens and never panics.
#[test]
fn random_bytes_never_open() {
    let mut random = Rng::with_seed(34);
    for _ in 0..300 {
        let (_, mut opener) = direction();
        let mut stream: Vec<u8> = (0..random.usize(..3000)).map(|_| random.u8(..)).collect();
        match opener.open(&mut stream) {
            Ok(Opened::Missing(1..)) | Err(Error::Record) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn padding_leaves_few_lengths_and_grows_by_an_eighth_at_the_most() {
    let mut lengths = std::collections::BTreeSet::new();
    for content in 0..=CONTENT {
        let padded = content + padding(content);
        assert!(padded <= CONTENT);
        assert!(content <= 1024 || padding(content) <= content / 8, "{content}");
        lengths.insert(padded);
    }
    assert_eq!((lengths.first(), lengths.last()), (Some(&1024), Some(&CONTENT)));
    assert!(lengths.len() <= 100, "{} lengths", lengths.len());
}

#[test]
fn a_length_that_is_not_to_be_known_is_rounded_to_a_few_significant_bits() {
    for (content, shown) in [
        (0, 1024),
        (1024, 1024),
        (1025, 1088),
        (2048, 2048),
        (2049, 2176),
        (40_000, 40_960),
        (CONTENT - 1, CONTENT),
        (CONTENT, CONTENT),
    ] {
        assert_eq!(content + padding(content), shown, "{content}");
    }
}
