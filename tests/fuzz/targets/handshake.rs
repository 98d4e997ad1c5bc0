//! The handshake and the records behind it, on a wire that splits and changes bytes: what is heard is a beginning of what was
//! said, whatever somebody does on the way, and all of it where nobody does.

use super::signature;
use crate::choices::Choices;
use crate::secure::channel::{Channel, Sealed};
use crate::secure::handshake::{Ephemeral, Initiator, Responder};
use crate::secure::key::PreSharedKey;
use crate::secure::record::{CONTENT, RECORD};
use std::sync::LazyLock;
use std::sync::Mutex;

/// Bytes to say.
static TEXT: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..2 * CONTENT).map(|at| (at * 31 + at / 251).to_le_bytes()[0]).collect());

/// The memory of both ends: of a record to send and of what has come.
static MEMORY: Mutex<[(Sealed, [u8; 2 * RECORD]); 2]> = Mutex::new([([0; RECORD], [0; 2 * RECORD]); 2]);

/// One direction of the wire.
#[derive(Default)]
struct Way {
    wire: Vec<u8>,
    said: usize,
    sent: usize,
    heard: Vec<u8>,
    is_changed: bool,
    has_failed: bool,
}

pub(crate) fn run(input: &[u8]) -> u64 {
    let mut choices = Choices::of(input);
    let [one, other] = [choices.text(4), choices.text(4)].map(|end| [b"token", end].concat());
    let keys = [&one, &other].map(|token| PreSharedKey::from_token(token).expect("it is not empty"));
    let (initiator, mut first) = Initiator::start(&keys[0], Ephemeral::new(&mut [choices.byte(); 32]));
    let is_first_changed = change(&mut first, &mut choices);
    let Ok(responder) = Responder::check(&keys[1], &first) else {
        assert!(one != other || is_first_changed, "the same token is refused");
        return signature(&(one == other, is_first_changed));
    };
    assert!(one == other && !is_first_changed, "another token or message is taken");
    let (public, answer) = responder.answer(Ephemeral::new(&mut [choices.byte(); 32]));
    let (tag, unconfirmed) = answer.finish();
    let mut second = [&public[..], &tag].concat();
    let is_second_changed = change(&mut second, &mut choices);
    let (public, tag) = second.split_first_chunk().expect("it begins with a public key");
    let tag = tag.first_chunk().expect("it ends with a tag");
    let Ok(transport) = initiator.agree(public).finish(tag) else {
        assert!(is_second_changed, "the answer is refused");
        return signature(&"second");
    };
    assert!(!is_second_changed, "another answer is taken");
    let mut memory = MEMORY.lock().expect("one at a time");
    let [(of_initiator, first_inbox), (of_responder, second_inbox)] = &mut *memory;
    let ends = [
        (Channel::of_initiator(Some(transport), of_initiator), &mut first_inbox[..]),
        (Channel::of_responder(Some(unconfirmed), of_responder), &mut second_inbox[..]),
    ];
    talk(ends, &mut choices)
}

/// Changes a message, or not.
fn change(message: &mut [u8], choices: &mut Choices<'_>) -> bool {
    let bits = choices.byte();
    if bits < 192 {
        return false;
    }
    let at = choices.below(message.len());
    message[at] ^= 1 << (bits % 8);
    true
}

fn talk(mut ends: [(Channel<'_>, &mut [u8]); 2], choices: &mut Choices<'_>) -> u64 {
    let mut ways = [Way::default(), Way::default()];
    while !choices.is_empty() {
        let choice = choices.byte();
        let way = usize::from(choice & 1);
        match (choice >> 1) % 8 {
            0..=2 => say(&mut ends[way].0, &mut ways[way], choices),
            3..=5 => {
                let count = usize::from(choices.byte()) * 8 + 1;
                hear(&mut ends[1 - way], &mut ways[way], count);
            }
            6 => hear(&mut ends[1 - way], &mut ways[way], usize::MAX),
            _ => disturb(&mut ways[way], choices),
        }
    }
    // The responder may speak once it has heard something.
    for (way, is_last) in [(0, false), (1, false), (0, true), (1, true)] {
        if is_last || ways[way].said == 0 {
            ways[way].said = (ways[way].said + 1).min(TEXT.len());
        }
        while ways[way].sent < ways[way].said && ends[way].0.may_send() || ends[way].0.has_unsent(b"") {
            transmit(&mut ends[way].0, &mut ways[way], usize::MAX);
        }
        hear(&mut ends[1 - way], &mut ways[way], usize::MAX);
    }
    for way in &ways {
        assert!(way.heard == TEXT[..way.heard.len()] && way.heard.len() <= way.said, "something else was heard");
        let is_whole = way.heard.len() == way.said;
        assert!(is_whole || ways.iter().any(|way| way.is_changed), "{} of {} bytes", way.heard.len(), way.said);
        assert!(!way.has_failed || way.is_changed, "a record is refused");
    }
    signature(&ways.map(|way| (way.said / 1000, way.is_changed, way.has_failed)))
}

fn say(channel: &mut Channel<'_>, way: &mut Way, choices: &mut Choices<'_>) {
    let count = usize::from(choices.byte()) << (choices.byte() % 9);
    way.said = (way.said + count).min(TEXT.len());
    transmit(channel, way, usize::from(choices.byte()) * 64);
}

/// Puts up to so many bytes on the wire.
fn transmit(channel: &mut Channel<'_>, way: &mut Way, most: usize) {
    way.sent += channel.seal(&TEXT[way.sent..way.said]);
    let unsent = channel.unsent(&TEXT[way.sent..way.said]);
    let bytes = unsent[..unsent.len().min(most)].to_vec();
    way.sent += channel.sent(bytes.len());
    assert!(channel.may_send() || bytes.is_empty(), "nothing is said to who has not shown to be there");
    way.wire.extend(bytes);
}

/// Takes up to so many bytes from the wire.
fn hear((channel, inbox): &mut (Channel<'_>, &mut [u8]), way: &mut Way, most: usize) {
    let mut count = way.wire.len().min(most);
    while count > 0 && !way.has_failed {
        let space = channel.space(inbox);
        let now = count.min(space.len());
        assert!(now > 0, "a whole record fits");
        space[..now].copy_from_slice(&way.wire[..now]);
        way.wire.drain(..now);
        channel.arrived(now);
        count -= now;
        loop {
            match channel.next(inbox) {
                Ok(Some(content)) => way.heard.extend_from_slice(content),
                Ok(None) => break,
                Err(_) => {
                    way.has_failed = true;
                    assert!(channel.next(inbox).is_err(), "nothing opens after it");
                    break;
                }
            }
        }
    }
}

/// Does something to what is under way.
fn disturb(way: &mut Way, choices: &mut Choices<'_>) {
    let at = choices.below(way.wire.len().max(1));
    if way.wire.is_empty() {
        return;
    }
    way.is_changed = true;
    match choices.byte() % 4 {
        0 => way.wire[at] ^= 1 << (choices.byte() % 8),
        1 => drop(way.wire.remove(at)),
        2 => way.wire.insert(at, choices.byte()),
        _ => way.wire.truncate(at),
    }
}
