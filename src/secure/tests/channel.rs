//! Both ends of a connection whose bytes come in pieces.

use super::*;
use crate::secure::handshake::{Ephemeral, Initiator, Responder};
use crate::secure::key::PreSharedKey;
use fastrand::Rng;

/// An end with its memory, and what was said to it.
struct End {
    channel: Channel<'static>,
    buffer: Vec<u8>,
    heard: Vec<u8>,
}

impl End {
    fn new(channel: Channel<'static>) -> End {
        End { channel, buffer: vec![0; 3 * RECORD], heard: Vec::new() }
    }

    /// Reads what has come.
    fn hear(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.channel.space(&mut self.buffer)[..bytes.len()].copy_from_slice(bytes);
        self.channel.arrived(bytes.len());
        while let Some(content) = self.channel.next(&mut self.buffer)? {
            self.heard.extend_from_slice(content);
        }
        Ok(())
    }

    /// Sends up to so many bytes of what there is to say.
    fn say(&mut self, content: &mut Vec<u8>, most: usize) -> Vec<u8> {
        content.drain(..self.channel.seal(content));
        let unsent = self.channel.unsent(content);
        let bytes = unsent[..unsent.len().min(most)].to_vec();
        content.drain(..self.channel.sent(bytes.len()));
        bytes
    }
}

fn memory() -> &'static mut Sealed {
    Box::leak(vec![0; RECORD].into_boxed_slice().try_into().expect("so many"))
}

fn plain() -> [End; 2] {
    [End::new(Channel::of_initiator(None, memory())), End::new(Channel::of_responder(None, memory()))]
}

fn protected() -> [End; 2] {
    let key = PreSharedKey::from_token(b"token").expect("it is not empty");
    let (initiator, message) = Initiator::start(&key, Ephemeral::new(&mut [1; 32]));
    let responder = Responder::check(&key, &message).map_err(drop).expect("same token");
    let (public, answer) = responder.answer(Ephemeral::new(&mut [2; 32]));
    let (tag, unconfirmed) = answer.finish();
    let transport = initiator.agree(&public).finish(&tag).map_err(drop).expect("same token");
    let initiator = Channel::of_initiator(Some(transport), memory());
    [End::new(initiator), End::new(Channel::of_responder(Some(unconfirmed), memory()))]
}

#[test]
fn what_is_said_in_pieces_is_heard_whole() {
    let mut random = Rng::with_seed(7);
    for mut ends in [plain(), protected()] {
        let said: Vec<u8> = (0..500_000).map(|_| random.u8(..)).collect();
        for from in [0, 1] {
            let mut content = said.clone();
            while ends[from].channel.has_unsent(&content) {
                let bytes = ends[from].say(&mut content, random.usize(1..100_000));
                ends[1 - from].hear(&bytes).expect("nothing was changed");
            }
            assert!(content.is_empty() && ends[1 - from].heard == said);
        }
    }
}

#[test]
fn plain_bytes_go_as_they_are() {
    let [mut one, mut other] = plain();
    assert_eq!(one.say(&mut b"as they are".to_vec(), 100), b"as they are");
    other.hear(b"as they are").expect("they are not looked at");
    assert_eq!(other.heard, b"as they are");
}

#[test]
fn nothing_is_said_before_the_other_end_has_shown_that_it_is_there() {
    let [mut initiator, mut responder] = protected();
    let mut content = b"hello".to_vec();
    assert!(!responder.channel.may_send() && !responder.channel.has_unsent(&content));
    assert_eq!(responder.say(&mut content, 100), b"");
    let record = initiator.say(&mut b"request".to_vec(), RECORD);
    responder.hear(&record[..record.len() - 1]).expect("it is a part");
    assert!(!responder.channel.may_send());
    responder.hear(&record[record.len() - 1..]).expect("it is the rest");
    assert!(responder.channel.may_send() && responder.channel.has_unsent(&content));
    assert_eq!(responder.heard, b"request");
}

#[test]
fn a_first_record_that_is_not_the_initiators_keeps_the_end_silent_for_good() {
    let [mut initiator, mut responder] = protected();
    let record = initiator.say(&mut b"request".to_vec(), RECORD);
    let mut changed = record.clone();
    changed[100] ^= 1;
    assert_eq!(responder.hear(&changed), Err(Error::Record));
    assert_eq!(responder.hear(&record), Err(Error::Record));
    assert!(!responder.channel.may_send() && responder.heard.is_empty());
}

#[test]
fn an_end_that_has_heard_a_changed_record_can_say_so() {
    let [mut initiator, mut responder] = protected();
    let first = initiator.say(&mut b"request".to_vec(), RECORD);
    responder.hear(&first).expect("nothing was changed");
    assert_eq!(responder.hear(&first), Err(Error::Record), "it is a repetition");
    let reason = responder.say(&mut b"reason".to_vec(), RECORD);
    initiator.hear(&reason).expect("nothing was changed");
    assert_eq!(initiator.heard, b"reason");
}
