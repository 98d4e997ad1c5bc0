//! Bytes to words: white space, comments, quotes, escapes, references.
//!
//! A word is made of adjacent parts: unquoted text, `"…"`, `'…'`. Its text goes to the end of one arena, so no word is
//! ever copied. References are recognised in the source, not in what the escapes make of it: an escape never begins or
//! ends one, and neither does a variable's value.

use super::expansion::{self, Found, Reference};
use super::index::hash;
use super::problem::{Fault, Reason};
use super::tables::{Word, WordBytes, index};
use crate::limits::NAME;
use crate::text::bytes::{after, first, has, until};
use crate::text::name::{PROGRAM, SERVER};
use crate::text::number;

/// Where a word stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Key,
    Section,
    Elsewhere,
}

impl Place {
    /// Whether a byte ends unquoted text here.
    fn ends_at(self, byte: u8) -> bool {
        match byte {
            b'\n' | b'#' => true,
            b'=' => self == Place::Key,
            b']' => self == Place::Section,
            _ => is_blank(byte),
        }
    }
}

/// White space within a line. The CR of a CRLF is nothing more.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

/// The letters of the escapes that are one byte, each with that byte.
const ESCAPES: [(u8, u8); 9] = [
    (b'"', b'"'),
    (b'\\', b'\\'),
    (b'\'', b'\''),
    (b'b', 0x08),
    (b't', b'\t'),
    (b'n', b'\n'),
    (b'f', 0x0c),
    (b'r', b'\r'),
    (b'0', 0),
];

/// Reads a source from its start to its end.
pub(super) struct Lexer<'s, 'e> {
    pub(super) source: &'s [u8],
    /// The next byte to read; never beyond the end.
    pub(super) at: usize,
    /// From here to there is no `}`, so no reference: a line of nothing but `${A:-` is searched once.
    open_until: usize,
    /// A single-quoted part of the word has `${` in it.
    deferred: bool,
    environment: &'s dyn Fn(&[u8]) -> Option<&'e [u8]>,
    unset: &'s mut dyn FnMut(&[u8], usize),
    /// Variables that were looked up, by the hash of their names: the environment is a list.
    known: [Known<'s, 'e>; KNOWN],
}

/// How many variables the lexer remembers. Few files have more.
const KNOWN: usize = 32;

/// A variable's name and its value, if it is set. The empty name is no variable's.
type Known<'s, 'e> = (&'s [u8], Option<&'e [u8]>);

/// A `${NAME:-` in double quotes whose `}` has not been seen yet. Until then it is text like any other.
struct Open<'s> {
    name: &'s [u8],
    /// Where it begins in the arena.
    start: usize,
    /// Where its default begins in the arena.
    default: usize,
}

impl<'s, 'e> Lexer<'s, 'e> {
    /// At the start of a source.
    pub(super) fn new(
        source: &'s [u8],
        environment: &'s dyn Fn(&[u8]) -> Option<&'e [u8]>,
        unset: &'s mut dyn FnMut(&[u8], usize),
    ) -> Self {
        Self { source, at: 0, open_until: 0, deferred: false, environment, unset, known: [(&[], None); KNOWN] }
    }

    /// Goes to the next line that has something; false at the end of the source.
    pub(super) fn next_line(&mut self) -> bool {
        while self.at_line_end() {
            if !self.accept(b'\n') {
                return false;
            }
        }
        true
    }

    /// Passes over white space and a comment.
    pub(super) fn skip_blank(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
        if self.peek() == Some(b'#') {
            self.at = self.line_end();
        }
    }

    /// True where nothing more is on the line; else a word begins here.
    pub(super) fn at_line_end(&mut self) -> bool {
        self.skip_blank();
        matches!(self.peek(), None | Some(b'\n'))
    }

    /// Passes over `byte` if it is the next.
    pub(super) fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Passes over lines that are commands of other names and have nothing but plain words. How many, up to `most`.
    pub(super) fn skip_plain_commands(&mut self, but: &[u8], most: usize) -> usize {
        let mut count = 0;
        while count < most {
            let Some(len) = plain_command(self.rest(), but) else { break };
            self.at += len;
            count += 1;
        }
        count
    }

    /// Reads the word that begins here; an empty one where none does.
    pub(super) fn word(&mut self, place: Place, text: &mut WordBytes) -> Result<Word, Fault> {
        let (at, start) = (self.at, text.len());
        self.deferred = false;
        loop {
            self.copy_until(|byte| place.ends_at(byte) || matches!(byte, b'"' | b'\'' | b'$'), text)?;
            match self.peek() {
                Some(quote @ (b'"' | b'\'')) => self.quoted(quote, text)?,
                Some(b'$') => self.unquoted_reference(text)?,
                _ => break,
            }
        }
        let len = text.len() - start;
        text.push(0).map_err(|_| Reason::TextFull.at(at))?;
        Ok(Word { start: index(start), len: index(len), at: index(at), deferred: self.deferred })
    }

    /// At a `$` in unquoted text: a whole reference is a unit, even if there is white space in it.
    fn unquoted_reference(&mut self, text: &mut WordBytes) -> Result<(), Fault> {
        if self.at < self.open_until {
            return self.copy(1, text);
        }
        match expansion::find(self.rest(), Some(b'\n')) {
            Found::Nothing => self.copy(1, text),
            Found::Open => {
                self.open_until = self.line_end();
                self.copy(1, text)
            }
            Found::Whole(Reference { name, default }, len) => {
                let value = self.lookup(name, default.is_some());
                self.append(value.or(default).unwrap_or_default(), text)?;
                self.at += len;
                Ok(())
            }
        }
    }

    /// `"…"` or `'…'`. The quote that closes it, twice, is one of its text.
    fn quoted(&mut self, quote: u8, text: &mut WordBytes) -> Result<(), Fault> {
        let start = self.at;
        let mut open = None;
        self.at += 1;
        loop {
            self.copy_until(|byte| byte == quote || matches!(byte, b'\\' | b'$' | b'}'), text)?;
            let Some(byte) = self.peek() else { return Err(Reason::OpenQuote.at(start)) };
            if byte == quote {
                self.at += 1;
                if self.peek() != Some(quote) {
                    return Ok(());
                }
                self.copy(1, text)?;
            } else if quote == b'"' {
                self.double_quoted(byte, &mut open, text)?;
            } else {
                self.deferred |= matches!(self.rest(), [b'$', b'{', ..]);
                self.copy(1, text)?;
            }
        }
    }

    /// At a byte in double quotes: an escape, the beginning or the end of a reference, or text.
    fn double_quoted(&mut self, byte: u8, open: &mut Option<Open<'s>>, text: &mut WordBytes) -> Result<(), Fault> {
        match (byte, &open) {
            (b'\\', _) => self.escape(text),
            (b'$', None) => self.quoted_reference(open, text),
            (b'}', Some(reference)) => {
                self.close(reference, text)?;
                *open = None;
                Ok(())
            }
            _ => self.copy(1, text),
        }
    }

    /// At a `$` in double quotes: replaces a whole reference, begins one with a default, or takes the byte as it is.
    fn quoted_reference(&mut self, open: &mut Option<Open<'s>>, text: &mut WordBytes) -> Result<(), Fault> {
        let Some(head) = expansion::head(self.rest()) else {
            return self.copy(1, text);
        };
        let start = text.len();
        if head.has_default {
            self.copy(head.len, text)?;
            *open = Some(Open { name: head.name, start, default: text.len() });
        } else {
            let value = self.lookup(head.name, false).unwrap_or_default();
            self.append(value, text)?;
            self.at += head.len;
        }
        Ok(())
    }

    /// At the `}` of a reference with a default: puts the variable's value, or else the default, in its place.
    fn close(&mut self, open: &Open<'s>, text: &mut WordBytes) -> Result<(), Fault> {
        if let Some(value) = self.lookup(open.name, true) {
            text.truncate(open.start);
            self.append(value, text)?;
        } else {
            let len = open.default - open.start;
            for at in open.default..text.len() {
                let byte = text.get(at).copied().unwrap_or_default();
                if let Some(to) = text.get_mut(at - len) {
                    *to = byte;
                }
            }
            text.truncate(text.len() - len);
        }
        self.at += 1;
        Ok(())
    }

    /// At a `\` in double quotes. At the end of the source it is passed over: the quotes are open then.
    fn escape(&mut self, text: &mut WordBytes) -> Result<(), Fault> {
        let rest = self.rest();
        let Some(letter) = rest.get(1) else {
            self.at += 1;
            return Ok(());
        };
        let (byte, len) = match ESCAPES.iter().find(|(name, _)| name == letter) {
            Some((_, byte)) => (*byte, 2),
            None if *letter == b'x' => (hex(rest).ok_or(Reason::BadHex.at(self.at))?, 4),
            None => return Err(Reason::BadEscape.at(self.at)),
        };
        self.append(&[byte], text)?;
        self.at += len;
        Ok(())
    }

    /// The value of the variable at the current place. The caller hears of one that is unset without a default.
    fn lookup(&mut self, name: &'s [u8], has_default: bool) -> Option<&'e [u8]> {
        let known = &mut self.known[hash(name) % KNOWN];
        if known.0 != name {
            *known = (name, (self.environment)(name));
        }
        let value = known.1;
        if value.is_none() && !has_default {
            (self.unset)(name, self.at);
        }
        value
    }

    /// Takes the bytes up to one that ends them as they stand.
    fn copy_until(&mut self, ends: impl Fn(u8) -> bool, text: &mut WordBytes) -> Result<(), Fault> {
        let rest = self.rest();
        let len = rest.iter().position(|byte| ends(*byte)).unwrap_or(rest.len());
        self.copy(len, text)
    }

    /// Takes `len` bytes as they stand. There is no NUL in the source.
    fn copy(&mut self, len: usize, text: &mut WordBytes) -> Result<(), Fault> {
        let bytes = first(self.rest(), len);
        text.extend_from_slice(bytes).map_err(|_| Reason::TextFull.at(self.at))?;
        self.at += bytes.len();
        Ok(())
    }

    /// Adds what is not in the source to the word.
    fn append(&self, bytes: &[u8], text: &mut WordBytes) -> Result<(), Fault> {
        if has(bytes, 0) {
            return Err(Reason::Nul.at(self.at));
        }
        text.extend_from_slice(bytes).map_err(|_| Reason::TextFull.at(self.at))
    }

    /// Where the line ends.
    pub(super) fn line_end(&self) -> usize {
        self.at + until(self.rest(), b'\n').len()
    }

    fn peek(&self) -> Option<u8> {
        self.source.get(self.at).copied()
    }

    fn rest(&self) -> &'s [u8] {
        after(self.source, self.at)
    }
}

/// What bytes mean to [`plain_command`].
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    mark(&mut classes, b"/ \t\r\x0b\x0c", ENDS_NAME);
    mark(&mut classes, b"\n\"'$#=*", ENDS_NAME | ENDS_WORDS);
    classes
};
const ENDS_NAME: u8 = 1;
const ENDS_WORDS: u8 = 2;

/// Gives these bytes a class.
const fn mark(classes: &mut [u8; 256], bytes: &[u8], class: u8) {
    let mut index = 0;
    while index < bytes.len() {
        classes[bytes[index] as usize] = class;
        index += 1;
    }
}

/// The length of the line that `source` begins with, its end included, if it is a command of another name and made of plain
/// words: no quotes, references, comments or patterns, no variable with a prefix. What may be anything else is left to be
/// read word by word, so this says nothing about it; it is there because a stub's configuration may have thousands of such
/// lines.
fn plain_command(source: &[u8], but: &[u8]) -> Option<usize> {
    let name_len = source.iter().position(|byte| class(*byte) != 0)?;
    let is_own = source.starts_with(PROGRAM) && name_len <= SERVER.len();
    let is_name = (1..=NAME).contains(&name_len) && source[0] != b'.' && source[0] != b'[' && !is_own;
    if !is_name || !(source[name_len] == b'\n' || is_blank(source[name_len])) || source[..name_len] == *but {
        return None;
    }
    let mut at = name_len;
    loop {
        at += plain_len(source.get(at..)?);
        match *source.get(at)? {
            b'\n' => return Some(at + 1),
            b'=' if !is_blank(source[at - 1]) && !matches!(source[at - 1], b'?' | b'=') => at += 1,
            _ => return None,
        }
    }
}

/// How many bytes there are before the first that ends plain words. Four at a time: most of a stub's start-up goes by here.
fn plain_len(source: &[u8]) -> usize {
    let mut rest = source;
    while let [a, b, c, d, tail @ ..] = rest {
        if (class(*a) | class(*b) | class(*c) | class(*d)) & ENDS_WORDS != 0 {
            break;
        }
        rest = tail;
    }
    let len = rest.iter().position(|byte| class(*byte) & ENDS_WORDS != 0).unwrap_or(rest.len());
    source.len() - rest.len() + len
}

fn class(byte: u8) -> u8 {
    CLASSES[usize::from(byte)]
}

/// The byte that the two hexadecimal digits of `\x41` stand for.
fn hex(escape: &[u8]) -> Option<u8> {
    u8::try_from(number::parse(escape.get(2..4)?, 16)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &[u8]) -> Option<&'static [u8]> {
        match name {
            b"A" => Some(b"1 #'\""),
            b"REF" => Some(b"${A}"),
            b"EMPTY" => Some(b""),
            b"NUL" => Some(b"\0"),
            b"LONG" => Some(&[b'x'; 5000]),
            _ => None,
        }
    }

    /// All words of a source, a `|` after each and a `*` before one that is deferred, LF for the end of a line.
    fn words(source: &str, place: Place) -> Result<String, Fault> {
        let mut text = WordBytes::new();
        let mut unset = |_: &[u8], _| {};
        let mut lexer = Lexer::new(source.as_bytes(), &environment, &mut unset);
        let mut found = String::new();
        loop {
            if !lexer.at_line_end() {
                let word = lexer.word(place, &mut text)?;
                found += if word.deferred { "*" } else { "" };
                found += core::str::from_utf8(&text[word.start as usize..word.end()]).expect("ASCII");
                found += "|";
                assert_eq!(text.get(word.end()), Some(&0));
                lexer.at += usize::from(place != Place::Elsewhere && matches!(lexer.peek(), Some(b'=' | b']')));
            } else if lexer.accept(b'\n') {
                found += "\n";
            } else {
                return Ok(found);
            }
        }
    }

    fn check(table: &[(&str, &str)]) {
        for (source, expected) in table {
            assert_eq!(words(source, Place::Elsewhere).as_deref(), Ok(*expected), "{source:?}");
        }
    }

    /// A `^` in a source is where the problem is, and no part of it.
    fn check_problems(table: &[(&str, Reason)]) {
        for (marked, reason) in table {
            let at = marked.find('^').expect("a mark");
            assert_eq!(words(&marked.replace('^', ""), Place::Elsewhere), Err(reason.at(at)), "{marked:?}");
        }
    }

    #[test]
    fn white_space_and_comments_separate_words() {
        check(&[
            ("", ""),
            (" \t\x0b\x0c\r", ""),
            ("a b", "a|b|"),
            ("\ta\x0bb\x0cc\rd ", "a|b|c|d|"),
            ("a\r\nb\n\nc", "a|\nb|\n\nc|"),
            ("#a b\nc", "\nc|"),
            ("a #b\nc", "a|\nc|"),
            ("a#b\nc", "a|\nc|"),
            ("\"a\"#b", "a|"),
            ("'a'#b", "a|"),
            ("#a\rb", ""),
            ("a=b ]c [d", "a=b|]c|[d|"),
            ("a\\nb \\", "a\\nb|\\|"),
        ]);
    }

    #[test]
    fn a_place_has_its_own_end() {
        assert_eq!(words("a=b]c", Place::Key).as_deref(), Ok("a|b]c|"));
        assert_eq!(words("a=b]c", Place::Section).as_deref(), Ok("a=b|c|"));
        assert_eq!(words("'a=b'=c", Place::Key).as_deref(), Ok("a=b|c|"));
        assert_eq!(words("\"a]\"b]${U:-]}", Place::Section).as_deref(), Ok("a]b|]|"));
    }

    #[test]
    fn parts_make_words() {
        check(&[
            ("a\"b\"'c'd", "abcd|"),
            ("\"\"", "|"),
            ("''", "|"),
            ("'' \"\" ''\"\"", "|||"),
            ("\"a b#\n\"c", "a b#\nc|"),
            ("'a b#\r\n'c", "a b#\r\nc|"),
            ("\"a\"\"b\"", "a\"b|"),
            ("'a''b'", "a'b|"),
            ("\"\"\"\"", "\"|"),
            ("''''", "'|"),
            ("\"'\" '\"'", "'|\"|"),
            ("'\\n\\'", "\\n\\|"),
        ]);
    }

    #[test]
    fn escapes_only_in_double_quotes() {
        check(&[
            (r#""\"\\\'""#, "\"\\'|"),
            (r#""\b\t\n\f\r""#, "\x08\t\n\x0c\r|"),
            (r#""\x41\x7e\x7E\x0a""#, "A~~\n|"),
            (r#""\x411""#, "A1|"),
        ]);
        check_problems(&[
            (r#"a "b^\qc""#, Reason::BadEscape),
            ("\"^\\\n\"", Reason::BadEscape),
            (r#""^\X41""#, Reason::BadEscape),
            (r#""^\x4""#, Reason::BadHex),
            (r#""^\x4g""#, Reason::BadHex),
            (r#""^\x+4""#, Reason::BadHex),
            (r#""^\x""#, Reason::BadHex),
            (r#""^\x4"#, Reason::BadHex),
            (r#""a^\0""#, Reason::Nul),
            (r#""a^\x00""#, Reason::Nul),
        ]);
    }

    #[test]
    fn an_open_quote_is_where_it_begins() {
        check_problems(&[
            ("^\"", Reason::OpenQuote),
            ("a ^'", Reason::OpenQuote),
            ("a^\"b\n\n", Reason::OpenQuote),
            ("^'a''", Reason::OpenQuote),
            ("^\"a\"\"", Reason::OpenQuote),
            ("^\"\\\"", Reason::OpenQuote),
            ("^\"\\", Reason::OpenQuote),
            ("^\"${U:-", Reason::OpenQuote),
        ]);
    }

    #[test]
    fn references_in_unquoted_text() {
        check(&[
            ("${A}", "1 #'\"|"),
            ("x${EMPTY}y${U}z", "xyz|"),
            ("${EMPTY}", "|"),
            ("${REF}", "${A}|"),
            ("${U:-x y}z", "x yz|"),
            ("${U:-'x' # \"}", "'x' # \"|"),
            ("${no such}", "|"),
            ("${U:-x", "${U:-x|"),
            ("${U:-x\n}", "${U:-x|\n}|"),
            ("${U:- ${U:- \"${EMPTY:-\n}\"\n${U:-x}", "${U:-|${U:-||\nx|"),
            ("${U x", "${U|x|"),
            ("${U#}", "${U|"),
            ("$'{A}'", "${A}|"),
        ]);
    }

    #[test]
    fn references_in_double_quotes() {
        check(&[
            ("\"${A}\"", "1 #'\"|"),
            ("\"x${EMPTY}y${U}z\"", "xyz|"),
            ("\"${U:-x y}z\"", "x yz|"),
            ("\"${REF:-xyz}-\"", "${A}-|"),
            ("\"${U:-${A}}\"", "${A}|"),
            ("\"${U:-}\"", "|"),
            ("\"${U:-a\nb}\"", "a\nb|"),
            ("\"${U:-\"\"}\"", "\"|"),
            ("\"${U:-\\x7d\\\"}\"", "}\"|"),
            ("\"\\x24{A}\"", "${A}|"),
            ("\"$\\x7bA}\"", "${A}|"),
            ("\"${A\\x7d\"", "${A}|"),
            ("\"${U:-x\"}", "${U:-x}|"),
            ("\"${U:-x\\n\"", "${U:-x\n|"),
            ("\"${U:-x} ${U:-y}\"", "x y|"),
            ("\"$\"{A}", "${A}|"),
            ("\"}\"", "}|"),
        ]);
        check_problems(&[("\"${A:-^\\q}\"", Reason::BadEscape)]);
    }

    #[test]
    fn references_in_single_quotes_stay() {
        check(&[
            ("'${A}'", "*${A}|"),
            ("a=\"${EMPTY}\"'${A}' b", "*a=${A}|b|"),
            ("'$' '{A}'", "$|{A}|"),
            ("'$''{A}'", "$'{A}|"),
            ("'${'", "*${|"),
        ]);
    }

    #[test]
    fn no_value_breaks_the_arena() {
        let fits = "x".repeat(crate::config::capacity::TEXT - 1);
        assert_eq!(words(&fits, Place::Elsewhere), Ok(fits.clone() + "|"));
        check_problems(&[
            ("a${EMPTY}^${NUL}", Reason::Nul),
            ("\"a^${NUL}\"", Reason::Nul),
            ("${LONG}^${LONG}", Reason::TextFull),
            ("\"${LONG}^${LONG}\"", Reason::TextFull),
            (&("^".to_owned() + &fits + "x"), Reason::TextFull),
        ]);
    }

    #[test]
    fn the_caller_hears_of_unset_variables() {
        let source = b"${A}${U} \"x${V}${W:-}${A:-}\" '${X}' ${Y:-y} ${Z";
        let (mut text, mut heard) = (WordBytes::new(), Vec::new());
        let mut unset = |name: &[u8], at| heard.push((name.to_vec(), at));
        let mut lexer = Lexer::new(source, &environment, &mut unset);
        while !lexer.at_line_end() {
            lexer.word(Place::Elsewhere, &mut text).expect("no problem");
        }
        assert_eq!(heard, [(b"U".to_vec(), 4), (b"V".to_vec(), 11)]);
    }

    #[test]
    fn a_line_of_plain_words_is_passed_over_whole() {
        let longest = "n".repeat(NAME);
        for line in [
            "a\n",
            "cc -c a.c\n",
            "cc\t/usr/bin/cc\r\n",
            "a X=1 Y= b=c d\n",
            "a b?c ?X=1\n",
            "k8pshell x\n",
            "abcdef\n",
            &(longest.clone() + " x\n"),
        ] {
            let source = line.to_owned() + "next\n";
            assert_eq!(plain_command(source.as_bytes(), b"own"), Some(line.len()), "{line:?}");
        }
        for line in [
            "\n",
            " a\n",
            "a",
            "a b",
            "own x\n",
            "k8psh x\n",
            "k8pshd x\n",
            ".a\n",
            "[a]\n",
            "a/b\n",
            "a=\n",
            "a*\n",
            "a \"b\"\n",
            "a 'b'\n",
            "a ${B}\n",
            "a # b\n",
            "a X*=\n",
            "a =X=1\n",
            "a ?=1\n",
            "a X==\n",
            &(longest + "n x\n"),
        ] {
            assert_eq!(plain_command(line.as_bytes(), b"own"), None, "{line:?}");
        }
    }

    #[test]
    fn plain_words_end_at_the_first_byte_that_may_be_anything_else() {
        for before in 0..12 {
            for behind in ["", "\"", "\"\"abcd", "'a'", "=ab=", "#", "\n\n\n", "$$$$"] {
                let source = "a /\tb".repeat(3)[..before].to_owned() + behind;
                assert_eq!(plain_len(source.as_bytes()), before, "{source:?}");
            }
        }
    }

    #[test]
    fn no_more_plain_commands_are_passed_over_than_are_wanted() {
        let mut unset = |_: &[u8], _| {};
        let mut lexer = Lexer::new(b"a\nb x\nc\nd 'e'\n", &environment, &mut unset);
        assert_eq!((lexer.skip_plain_commands(b"own", 2), lexer.at), (2, 6));
        assert_eq!((lexer.skip_plain_commands(b"own", 9), lexer.at), (1, 8));
        assert_eq!((lexer.skip_plain_commands(b"own", 9), lexer.at), (0, 8));
    }
}
