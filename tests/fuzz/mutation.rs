//! New inputs from known ones.

use fastrand::Rng;

/// Bytes of the longest input.
pub(crate) const LONGEST: usize = 2048;

/// A change of an input, for which another one may give something.
type Change = fn(&mut Vec<u8>, &[u8], &[&[u8]], &mut Rng);

const CHANGES: [Change; 9] =
    [change_byte, change_byte, change_byte, insert_word, insert_word, remove, repeat, splice, append_random];

/// One of the inputs, changed.
pub(crate) fn mutate(pool: &[Vec<u8>], words: &[&[u8]], random: &mut Rng) -> Vec<u8> {
    let mut input = pick(pool, random);
    let other = pick(pool, random);
    for _ in 0..1 << random.u32(..5) {
        CHANGES[random.usize(..CHANGES.len())](&mut input, &other, words, random);
    }
    input.truncate(LONGEST);
    input
}

fn pick(pool: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    // What was found last is the least explored.
    let is_new = random.bool() && pool.len() > 16;
    let from = if is_new { pool.len() - pool.len() / 8 - 1 } else { 0 };
    pool.get(random.usize(from..pool.len().max(1))).cloned().unwrap_or_default()
}

/// A place in it, its end included.
fn place(input: &[u8], random: &mut Rng) -> usize {
    random.usize(..=input.len())
}

/// A range of it, mostly a short one.
fn range(input: &[u8], random: &mut Rng) -> std::ops::Range<usize> {
    let start = place(input, random);
    let longest = (input.len() - start).min(if random.u8(..) < 200 { 8 } else { LONGEST });
    start..start + random.usize(..=longest)
}

/// Changes a byte: a bit of it, all of it, or by a little.
#[allow(clippy::ptr_arg, reason = "all changes have one type")]
fn change_byte(input: &mut Vec<u8>, _: &[u8], _: &[&[u8]], random: &mut Rng) {
    if !input.is_empty() {
        let at = random.usize(..input.len());
        input[at] = match random.u8(..3) {
            0 => input[at] ^ 1 << random.u32(..8),
            1 => random.u8(..),
            _ => input[at].wrapping_add(random.u8(..9)).wrapping_sub(4),
        };
    }
}

fn insert_word(input: &mut Vec<u8>, _: &[u8], words: &[&[u8]], random: &mut Rng) {
    if !words.is_empty() {
        let at = place(input, random);
        input.splice(at..at, words[random.usize(..words.len())].iter().copied());
    }
}

fn append_random(input: &mut Vec<u8>, _: &[u8], _: &[&[u8]], random: &mut Rng) {
    let count = random.usize(..16);
    input.extend(std::iter::repeat_with(|| random.u8(..)).take(count));
}

fn remove(input: &mut Vec<u8>, _: &[u8], _: &[&[u8]], random: &mut Rng) {
    let range = range(input, random);
    input.drain(range);
}

fn repeat(input: &mut Vec<u8>, _: &[u8], _: &[&[u8]], random: &mut Rng) {
    let part = input[range(input, random)].to_vec();
    let at = place(input, random);
    input.splice(at..at, part);
}

fn splice(input: &mut Vec<u8>, other: &[u8], _: &[&[u8]], random: &mut Rng) {
    let (from, to) = (place(other, random), range(input, random));
    input.splice(to, other[from..].iter().copied());
}
