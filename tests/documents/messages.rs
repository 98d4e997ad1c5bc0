//! Messages: what the documents quote is what the program prints.
//!
//! Quoted as a message is all code in the first column of a table whose heading begins with "message", and code anywhere
//! that begins with `k8psh: ` or `k8pshd: `. The messages come from the scenes of `messages.sh`, and from what the
//! manifests of `tests/pods` print, which `scripts/check-pods` compares.

use std::fs;

use crate::console::{Container, line_matches};
use crate::document::{Document, Piece, root};

/// All messages that can be quoted.
pub(crate) fn printed() -> Vec<String> {
    let scenes = fs::read_to_string(root().join("tests/documents/messages.sh")).expect("the scenes");
    let mut lines: Vec<_> = Container::new(None).run(&scenes).lines().map(str::to_owned).collect();
    for entry in fs::read_dir(root().join("tests/pods")).expect("the manifests") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "out") {
            lines.extend(fs::read_to_string(path).expect("an output").lines().map(str::to_owned));
        }
    }
    lines
}

/// Messages of a document that are not among those that were printed.
pub(crate) fn check(document: &Document, printed: &[String]) -> Vec<String> {
    let is_printed = |message: &str| printed.iter().any(|line| line_matches(message, line));
    let unknown = quoted(document).into_iter().filter(|message| !is_printed(&message.text));
    unknown.map(|message| document.problem(message.line, &explain(&message.text, printed))).collect()
}

/// The message, and those that end alike.
fn explain(message: &str, printed: &[String]) -> String {
    let reason = message.rsplit(": ").next().unwrap_or(message);
    let similar: Vec<_> =
        printed.iter().filter(|line| line.contains(reason)).map(|line| format!("\n    {line}")).collect();
    format!("{message}: the program does not say this{}", similar.concat())
}

fn quoted(document: &Document) -> Vec<Piece> {
    let is_message = |table: &&crate::document::Table| table[0].cells[0].starts_with("message");
    let rows = document.tables.iter().filter(is_message).flat_map(|table| &table[1..]);
    let cells = rows.flat_map(|row| row.codes[0].iter().map(|text| Piece { line: row.line, text: text.clone() }));
    let named = |code: &&Piece| ["k8psh: ", "k8pshd: "].iter().any(|name| code.text.starts_with(name));
    let codes = document.codes.iter().filter(named).map(|code| Piece { line: code.line, text: code.text.clone() });
    cells.chain(codes).collect()
}
