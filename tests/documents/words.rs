//! Options, variables and files that the text mentions: they exist, and every option of k8pshd is explained.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::document::{Document, Piece, read, root};

/// What the program and the scripts know.
pub(crate) struct Known {
    options: BTreeSet<String>,
    program: Vec<u8>,
}

/// Options of the program's two command lines and of the scripts.
pub(crate) fn known() -> Known {
    let mut options: BTreeSet<_> = ["k8psh", "k8pshd"].iter().flat_map(|name| help_options(name)).collect();
    for entry in fs::read_dir(root().join("scripts")).expect("the scripts") {
        let text = fs::read_to_string(entry.expect("an entry").path()).unwrap_or_default();
        options.extend(options_in(&text));
    }
    Known { options, program: fs::read(env!("CARGO_BIN_EXE_k8psh")).expect("the program") }
}

/// The options that a help text lists.
fn help_options(name: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_k8psh")).arg0(name).arg("--help").output().expect("k8psh runs");
    let text = String::from_utf8(output.stdout).expect("a text");
    text.lines().filter(|line| line.trim_start().starts_with('-')).flat_map(options_in).collect()
}

/// All long options in a text.
fn options_in(text: &str) -> Vec<String> {
    let ends = |char: char| !char.is_ascii_lowercase() && char != '-' && !char.is_ascii_digit();
    let words = text.split(ends).filter(|word| word.starts_with("--") && word.len() > 2);
    words.map(str::to_owned).collect()
}

/// Options and variables of the text that do not exist.
pub(crate) fn check(document: &Document, known: &Known) -> Vec<String> {
    document.codes.iter().flat_map(|code| unknown(document, code, known)).collect()
}

fn unknown(document: &Document, code: &Piece, known: &Known) -> Vec<String> {
    let foreign = ["kubectl ", "cargo ", "podman ", "docker ", "rustup ", "--jobserver-", "--sync-mutex="]
        .iter()
        .any(|name| code.text.starts_with(name));
    let options = options_in(&code.text).into_iter().filter(|option| !foreign && !known.options.contains(option));
    let ends = |char: char| !char.is_ascii_uppercase() && !char.is_ascii_digit() && char != '_';
    let variables = code.text.split(ends).filter(|word| word.starts_with("K8PSH_") && !has(&known.program, word));
    let words = options.chain(variables.map(str::to_owned));
    let words = words.map(|word| document.problem(code.line, &format!("{word}: the program does not know it")));
    let files = code.text.split_whitespace().filter(|word| is_missing(word));
    let files = files.map(|word| document.problem(code.line, &format!("{word}: there is no such file")));
    words.chain(files).collect()
}

/// Whether a word is the name of a file of the repository and there is none.
fn is_missing(word: &str) -> bool {
    ["src/", "tests/", "scripts/", ".github/"].iter().any(|folder| word.starts_with(folder))
        && !root().join(word).exists()
}

fn has(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// The options that the program has and this document does not mention.
pub(crate) fn unexplained(name: &str) -> Vec<String> {
    let document = read(name);
    let mentioned: BTreeSet<_> = document.codes.iter().flat_map(|code| options_in(&code.text)).collect();
    let all: BTreeSet<_> = ["k8psh", "k8pshd"].iter().flat_map(|name| help_options(name)).collect();
    assert!(all.len() > 20, "the help text has changed its form: {all:?}");
    all.difference(&mentioned).map(|option| document.problem(1, &format!("{option} is not explained"))).collect()
}

#[test]
fn options_are_found_in_a_text() {
    assert_eq!(options_in("`-a`, `--b-c=1` --d\n--"), ["--b-c", "--d"]);
}
