//! `--help`, by the table.

use super::table::{OptionSpec, ProgramSpec, Scope};
use crate::text::line::Line;
use crate::text::packed::Text;
use crate::{add, diag, line};

/// The columns of a terminal that a line of help fills at the most.
const WIDTH: usize = 79;

/// Columns by which the further lines of an option's description are indented.
const INDENT: usize = 6;

/// Prints the help of a program to stdout.
pub fn print(program: &ProgramSpec) {
    let mut out = diag::output();
    show(program, &mut out);
    out.flush();
}

/// Adds the help of a program to `line`.
fn show(program: &ProgramSpec, line: &mut Line) {
    add!(line, "Usage: {}\n\n", program.usage);
    wrap(program.about, 0, 0, line);
    let has_header = program.options.iter().any(|option| option.scope == Scope::Header);
    if has_header {
        add!(line, "\nOptions, also in the section's header; the command line wins:\n");
        show_options(program, Scope::Either, line);
        add!(line, "\nOptions of the section's header alone:\n");
        show_options(program, Scope::Header, line);
        add!(line, "\nOptions of the command line alone:\n");
    } else {
        add!(line, "\nOptions:\n");
    }
    show_options(program, Scope::CommandLine, line);
    line.add(b"\n");
    wrap(program.notes, 0, 0, line);
}

fn show_options(program: &ProgramSpec, scope: Scope, line: &mut Line) {
    for option in program.options.iter().filter(|option| option.scope == scope) {
        show_option(option, line);
    }
}

/// `  -x, --long VALUE  what it does`
fn show_option(option: &OptionSpec, line: &mut Line) {
    match option.letter {
        Some(letter) => line.add(&[b' ', b' ', b'-', letter, b',', b' ']),
        None => line.add(b"      "),
    }
    line.add(option.usage());
    line.add(b"  ");
    wrap(option.help(), INDENT + option.usage().len() + 2, INDENT, line);
}

/// Adds a text that begins at `column`, in lines of at most [`WIDTH`] columns; further lines are indented by `indent`
/// blanks.
fn wrap(text: Text, mut column: usize, indent: usize, line: &mut Line) {
    let text = line!("{}", text);
    let mut is_first = true;
    for word in text.bytes().split(|byte| *byte == b' ') {
        if !is_first && column + 1 + word.len() > WIDTH {
            line.add(b"\n");
            line.add(&b"        "[..indent]);
            column = indent;
        } else if !is_first {
            line.add(b" ");
            column += 1;
        }
        line.add(word);
        column += word.len();
        is_first = false;
    }
    line.add(b"\n");
}

#[cfg(test)]
mod tests {
    use super::super::table::{CLIENT, SERVER};
    use super::*;
    use std::sync::Mutex;

    static SEEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());

    fn shown(program: &ProgramSpec) -> String {
        let mut line = Line::endless(|bytes| SEEN.lock().expect("one at a time").extend_from_slice(bytes));
        show(program, &mut line);
        line.flush();
        String::from_utf8(core::mem::take(&mut SEEN.lock().expect("one at a time"))).expect("ASCII")
    }

    // One test: what is shown is collected in one place.
    #[test]
    fn help_names_every_option_in_lines_that_fit() {
        for program in [&CLIENT, &SERVER] {
            let text = shown(program);
            for option in program.options {
                let usage = str::from_utf8(option.usage()).expect("ASCII");
                assert!(text.contains(usage), "{usage}");
            }
            for line in text.lines() {
                assert!(line.len() <= WIDTH && !line.ends_with(' '), "{line:?}");
            }
            assert!(text.starts_with("Usage: k8psh") && text.ends_with(".\n") && !text.contains("\n\n\n"));
        }
    }
}
