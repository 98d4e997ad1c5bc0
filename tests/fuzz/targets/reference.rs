//! Simple readers of parts of the configuration's language, to compare with.

use k8psh::config::{Command, Config, Kind};
use std::ffi::CStr;

/// Whether this can be a variable's name.
pub(crate) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-.() ".contains(byte))
}

/// Whether `${NAME}` or `${NAME:-default}` is anywhere in a text.
pub(crate) fn has_reference(text: &[u8]) -> bool {
    (0..text.len()).any(|at| {
        let Some(inner) = text[at..].strip_prefix(b"${") else { return false };
        let Some(end) = inner.iter().position(|byte| *byte == b'}') else { return false };
        let inner = &inner[..end];
        let name = inner.windows(2).position(|pair| pair == b":-").map_or(inner, |colon| &inner[..colon]);
        is_name(name)
    })
}

/// The commands of a source without quotes, comments and references are its lines, cut at white space.
pub(crate) fn check_plain(source: &[u8], config: &Config) {
    if source.iter().any(|byte| b"\"'#$\0".contains(byte)) {
        return;
    }
    let is_blank = |byte: &u8| b" \t\r\x0b\x0c".contains(byte);
    let lines = source.split(|byte| *byte == b'\n').map(|line| line.split(is_blank).filter(|word| !word.is_empty()));
    let lines = lines.map(Iterator::collect::<Vec<_>>).filter(|words| !words.is_empty());
    let below = lines.skip_while(|words| !words[0].starts_with(b"["));
    let mut commands = config.commands();
    for words in below.filter(|words| !words[0].starts_with(b"[")) {
        check_command(&words, commands.next().expect("each line is a command"));
    }
    assert!(commands.next().is_none(), "there are more commands than lines");
}

/// A command is what these words say: its name, variables, then everything else.
fn check_command(words: &[&[u8]], command: Command<'_>) {
    let is_variable = |word: &&&[u8]| word[1..].contains(&b'=');
    let variables = words[1..].iter().take_while(is_variable).count();
    let (own, arguments) = words[1..].split_at(variables);
    let environment: Vec<_> = command.environment().map(|variable| (variable.kind, variable.word.to_bytes())).collect();
    let kind_of = |word: &&[u8]| match word[0] {
        b'=' => (Kind::Fixed, word.len() - 1),
        b'?' => (Kind::Optional, word.len() - 1),
        _ => (Kind::Sent, word.len()),
    };
    let wanted = own.iter().map(|word| (kind_of(word).0, &word[word.len() - kind_of(word).1..]));
    // Those of its section come first.
    assert!(wanted.eq(environment[environment.len() - variables..].iter().copied()), "{words:?}");
    let wanted = if arguments.is_empty() { &words[..1] } else { arguments };
    assert!(
        command.name().to_bytes() == words[0] && command.arguments().map(CStr::to_bytes).eq(wanted.iter().copied())
    );
}
