//! A request arrives as it was written, wherever it is cut, and neither end makes or takes one beyond the limits.

use super::frames::{Expected, Said, expected_of_server, server};
use super::signature;
use crate::choices::Choices;
use crate::protocol::RequestTooLarge;
use crate::protocol::frame::{HEADER, Kind};
use crate::protocol::request::{FRAMES, Writer};

pub(crate) fn run(input: &[u8]) -> u64 {
    let mut choices = Choices::of(input);
    let cuts = choices.text(7);
    let mut buffer = [0; FRAMES];
    let mut writer = Writer::new(&mut buffer);
    let mut expected = Expected::default();
    let mut outcome = Ok(());
    let (mut frames, mut has_nul, mut is_complete) = (Vec::new(), false, false);
    while !choices.is_empty() && !is_complete {
        let kind = [Kind::Directory, Kind::Variable, Kind::Argument, Kind::Argument, Kind::Start][choices.below(5)];
        let text = choices.text(72);
        write(&mut writer, kind, text, choices.byte());
        outcome = outcome.and_then(|()| expected.measure(text.len() + 1));
        has_nul |= text.contains(&0);
        is_complete = kind == Kind::Start;
        frames.push(kind as u8);
        frames.extend(u32::try_from(text.len()).expect("short").to_le_bytes());
        frames.extend_from_slice(text);
    }
    match writer.finish() {
        Ok(written) => assert!(outcome == Ok(()) && written.waiting() == frames, "{frames:?}"),
        Err(error) => assert_eq!(Err(error), outcome, "the writer refuses what the server would"),
    }
    let said = server(&frames, cuts);
    assert_eq!(said, expected_of_server(&frames));
    let is_refused = matches!(said.last(), Some(Said::Failed(_)));
    assert_eq!(is_refused, outcome.is_err() || has_nul && frames.len() > HEADER, "{said:?}");
    assert!(is_refused || !is_complete || matches!(said[..], [Said::Request(_)]));
    let excess: Option<RequestTooLarge> = outcome.err();
    signature(&(excess.as_ref().map(std::mem::discriminant), has_nul, is_complete, frames.len() / 16))
}

/// Writes a frame by one of the ways that there are.
fn write(writer: &mut Writer<'_>, kind: Kind, text: &[u8], way: u8) {
    match (way % 3, text.iter().position(|byte| *byte == b'=')) {
        (0, Some(equals)) if kind == Kind::Variable => writer.add_variable(&text[..equals], &text[equals + 1..]),
        (1, _) => {
            writer.begin(kind, text.len());
            text.chunks(3).for_each(|part| writer.put(part));
        }
        _ => writer.add(kind, text),
    }
}
