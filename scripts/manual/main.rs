//! The manual pages, as mdoc(7): `man DIRECTORY DATE` writes them. What options there are and what they do comes from the
//! program's own table; the rest stands in the files beside this one, with `@DATE@` and `@OPTIONS@` where they go.

use std::path::Path;

use k8psh::options::table::{Audience, CLIENT, OptionSpec, ProgramSpec, SERVER, Scope};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, date] = &arguments[..] else { panic!("usage: man DIRECTORY DATE") };
    for (name, text, options) in [
        ("k8psh.1", include_str!("k8psh.1"), options(&CLIENT, |_| true)),
        ("k8pshd.1", include_str!("k8pshd.1"), options(&SERVER, |option| option.scope != Scope::Header)),
        ("k8psh.conf.5", include_str!("k8psh.conf.5"), options(&SERVER, |option| option.scope != Scope::CommandLine)),
    ] {
        let page = text.replace("@DATE@", date).replace("@OPTIONS@\n", &options);
        let path = Path::new(directory).join(name);
        std::fs::write(&path, page).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// The items of a list of a program's options.
fn options(program: &ProgramSpec, is_wanted: fn(&OptionSpec) -> bool) -> String {
    program.options.iter().filter(|option| is_wanted(option)).map(item).collect()
}

/// An option as an item of a list.
fn item(option: &OptionSpec) -> String {
    let mut head = String::from(".It");
    if let Some(letter) = option.letter {
        head += &format!(" Fl {} ,", char::from(letter));
    }
    let [name, metavar] = [option.name(), option.metavar()].map(text);
    let help = k8psh::line!("{}", option.help());
    head += &format!(" Fl {}", name.replacen('-', "", 1));
    if let Some(optional) = metavar.strip_prefix('[').and_then(|word| word.strip_suffix(']')) {
        head += &format!(" Op Ar {optional}");
    } else if !metavar.is_empty() {
        head += &format!(" Ar {metavar}");
    }
    format!("{head}\n{}{}", sentences(text(help.bytes())), audience(option))
}

/// The table's texts are text.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("the table is UTF-8")
}

/// Whom an option in a section's header concerns, where it is not the server alone.
fn audience(option: &OptionSpec) -> &'static str {
    match (option.scope, option.audience) {
        (Scope::CommandLine, _) | (_, Audience::Server) => "",
        (_, Audience::Stub) => "This is for the section's stubs.\n",
        (_, Audience::Both) => "This is for the server and the section's stubs.\n",
    }
}

/// What an option does as sentences, each on a line of its own.
fn sentences(help: &str) -> String {
    let mut characters = help.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let text = format!("{first}{}.", characters.as_str()).replace('\\', "\\e");
    text.replace("; default:", ".\nDefault:") + "\n"
}
