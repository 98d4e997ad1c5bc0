//! Messages: kept, and each checked to be one line that is safe to print.

pub(crate) use k8psh::diag::*;

use k8psh::limits::MESSAGE;
use k8psh::text::line::{Line, Part, add};
use k8psh::text::packed::Text;
use std::sync::Mutex;

static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps a message.
pub(crate) fn report(text: Text, parts: &[Part<'_>]) {
    let mut line = Line::new();
    add(&mut line, text, parts);
    let message = printable(&line);
    SAID.lock().expect("one at a time").push(message);
}

/// What was said since this was asked last.
pub(crate) fn said() -> Vec<String> {
    std::mem::take(&mut SAID.lock().expect("one at a time"))
}

/// The text of a line, which has to be safe to print and of bounded length.
pub(crate) fn printable(line: &Line) -> String {
    let text = str::from_utf8(line.bytes()).unwrap_or_else(|_| panic!("no UTF-8: {:?}", line.bytes()));
    assert!(!text.chars().any(char::is_control), "a control character in a message: {text:?}");
    assert!(text.len() <= MESSAGE, "a message of {} bytes", text.len());
    text.to_owned()
}
