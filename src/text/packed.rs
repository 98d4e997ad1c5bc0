//! The program's own texts, packed: a piece that many of them have is one byte. They are less than half as large that way,
//! which leaves room for code. Texts are packed by the compiler, and unpacked when a line is put together.
//!
//! ```text
//! 0                 the place of a part, `{}` in the source
//! 9 to 13           itself: white space
//! 32 to 127         itself: texts are ASCII
//! any other         a piece: the line of the list that has this number, where the highest bit is the other way round
//! ```

use super::bytes::line;

/// The pieces, one a line: those that save most in the texts as they were when the list was made. Any others would do. Lines
/// of bytes that stand for something else are empty.
const PIECES: &str = "\
\x20--\n and \n belongs \n bytes\n end\n has \n is \n is not \n of \n or \n the \n to\n\":\n, \n, and \n, which\n,\"\n\
--\n--token-\n00 \n: \n: there is no \n; \n; default: \nConnection\nConnection: close\nHTTP/1.\nK8PSH_\n\
K8PSH_TRANSPORT\nOperation \nPATH\na \na number\nable\naccep\nal\nall\nan\nan \nar\nare \nargument\nas \nat \n\
baseDirector\nbe\nbody\ncannot \nch\nclient\nco\ncommand\ncommand \nconnect\nconnection\nconnection ended before\nd \n\
ddress\nde\ndefault\ndescriptor\ndirect transport\ndirectory\ndoes \ne \nec\ned\ned \nen\ner\ner \nex\nfile\nfor \n\
in\nin \ning \nirect\nis \nit\nit \nits \nk8psh\nle\nli\nlong\nmake\nme\nmilliseconds\nmore than \nname\nne\nneeds \n\
nfig\nno \nno such \nnot \no \nof \non\none\nor\nor \nout\now\nport\nport \nprint \npro\nprogram\nr \nre\nrea\n\
request\nrun\ns \nse\nsection \nsee k8pshd --help\nserver\nsession\nsignal\nst\nstatus\nstub\nt \nth\nthat \n\nthe\n\
the \nthe configuration\nthe section's head\nthere are \ntion\nto\ntoken\n\n\n\n\n\ntrigger\ntrying again\nun\n\
unexpected \nunknown \nus\nut\nvalue\nvariable\nve\nvice\nwait \nwarning: \nwh\nwhite spa\nwith\nworking directory\ny ";

/// How many lines the list has.
const LINES: usize = 160;

/// What makes a piece's byte of its line's number, and the other way round.
const MARK: u8 = 0x80;

/// A part's place in a packed text, and in one that is not.
const PLACE: u8 = 0;
const UNPACKED_PLACE: &[u8] = b"{}";

/// A packed text: what [`crate::text!`] makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text(&'static [u8]);

impl Text {
    /// No text.
    pub const EMPTY: Text = Text(b"");

    /// A text by its packed bytes.
    #[must_use]
    pub const fn new(packed: &'static [u8]) -> Text {
        Text(packed)
    }

    /// The line of that number, from 0, of a text of many.
    #[must_use]
    pub fn line(self, number: usize) -> Text {
        Text(line(self.0, number))
    }

    /// Hands over what it consists of: a character, or `None` in the place of a part.
    pub(super) fn unpack(self, show: &mut dyn FnMut(Option<u8>)) {
        for byte in self.0 {
            match *byte {
                PLACE => show(None),
                b'\t'..=b'\r' | b' '..=b'\x7f' => show(Some(*byte)),
                // A piece consists of shorter ones.
                _ => Text(line(&PACKED_PIECES, usize::from(byte ^ MARK))).unpack(show),
            }
        }
    }
}

/// Packs a text, which has to be a constant, with `{}` in the places of its parts.
#[macro_export]
macro_rules! text {
    ($text:expr) => {{
        const SOURCE: &str = $text;
        const PACKED: [u8; $crate::text::packed::length(SOURCE)] = $crate::text::packed::pack(SOURCE);
        $crate::text::packed::Text::new(&PACKED)
    }};
}

/// How many bytes a text has once it is packed.
///
/// # Panics
/// Where the text is not ASCII, or has a control character that is no white space.
#[must_use]
pub const fn length(text: &str) -> usize {
    let (mut at, mut length) = (0, 0);
    while at < text.len() {
        at += next(text.as_bytes(), at, usize::MAX).1;
        length += 1;
    }
    length
}

/// Packs a text into as many bytes as [`length`] tells.
///
/// # Panics
/// As [`length`] does.
#[must_use]
pub const fn pack<const LENGTH: usize>(text: &str) -> [u8; LENGTH] {
    let mut packed = [0; LENGTH];
    put(text, &mut packed, 0);
    packed
}

/// Puts a packed text there, and returns where it ends.
///
/// # Panics
/// As [`length`] does, and where there is not enough room.
pub const fn put(text: &str, packed: &mut [u8], start: usize) -> usize {
    let (mut at, mut end) = (0, start);
    while at < text.len() {
        let (byte, count) = next(text.as_bytes(), at, usize::MAX);
        packed[end] = byte;
        at += count;
        end += 1;
    }
    end
}

/// The byte that a text goes on with when it is packed, and for how many of its own that stands: as many as possible, and
/// less than `limit`.
const fn next(text: &[u8], at: usize, limit: usize) -> (u8, usize) {
    if begins_with(text, at, UNPACKED_PLACE, 0, UNPACKED_PLACE.len()) {
        return (PLACE, UNPACKED_PLACE.len());
    }
    assert!(matches!(text[at], b'\t'..=b'\r' | b' '..=b'\x7f'), "a text is ASCII, without control characters");
    let (mut byte, mut most) = (text[at], 1);
    let mut piece = 0_u8;
    while (piece as usize) < LINES {
        let (start, end) = (STARTS[piece as usize], STARTS[piece as usize + 1]);
        let length = end - start - 1;
        if length > most && length < limit && begins_with(text, at, PIECES.as_bytes(), start, length) {
            (byte, most) = (piece ^ MARK, length);
        }
        piece += 1;
    }
    (byte, most)
}

/// Where each line of the list begins, and where one behind the last would. For the compiler alone.
const STARTS: [usize; LINES + 1] = {
    let mut starts = [0; LINES + 1];
    let (mut at, mut piece) = (0, 1);
    while at < PIECES.len() {
        if PIECES.as_bytes()[at] == b'\n' {
            starts[piece] = at + 1;
            piece += 1;
        }
        at += 1;
    }
    assert!(piece == LINES, "there is a line for each byte that stands for a piece, and for those between them");
    starts[piece] = PIECES.len() + 1;
    starts
};

/// The list as it is in the program: each piece packed by shorter ones. And how many bytes of it are used.
const PACKED_LIST: ([u8; PIECES.len()], usize) = {
    let mut packed = [b'\n'; PIECES.len()];
    let (mut piece, mut length) = (0, 0);
    while piece < LINES {
        let (mut at, end) = (STARTS[piece], STARTS[piece + 1] - 1);
        let limit = end - at;
        while at < end {
            let (byte, count) = next(PIECES.as_bytes(), at, limit);
            packed[length] = byte;
            at += count;
            length += 1;
        }
        // Behind each line there is its end, which is there already.
        length += 1;
        piece += 1;
    }
    (packed, length - 1)
};
static PACKED_PIECES: [u8; PACKED_LIST.1] = {
    let mut packed = [0; PACKED_LIST.1];
    packed.copy_from_slice(PACKED_LIST.0.split_at(PACKED_LIST.1).0);
    packed
};

/// Whether a text goes on at this place with so many bytes of `list` from `start`.
const fn begins_with(text: &[u8], at: usize, list: &[u8], start: usize, length: usize) -> bool {
    let mut count = 0;
    while count < length && at + count < text.len() && text[at + count] == list[start + count] {
        count += 1;
    }
    count == length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line;

    #[test]
    fn what_is_packed_is_shown_as_it_was() {
        for (shown, source) in [
            (line!("the connection ended before the command did"), "the connection ended before the command did"),
            (line!("{}: it {} there", 1_u8, 'x'.len_utf8()), "1: it 1 there"),
            (line!("{{}}", 2_u8), "{2}"),
            (line!("~qz#\n\t"), "~qz#\n\t"),
            (line!(""), ""),
        ] {
            assert_eq!(str::from_utf8(shown.bytes()), Ok(source));
        }
    }

    #[test]
    fn a_frequent_piece_is_one_byte_and_every_piece_saves_something() {
        assert_eq!(length("connection{}~"), 3);
        assert_eq!(pack::<3>("connection{}~")[1..], [PLACE, b'~']);
        for (number, piece) in PIECES.split('\n').enumerate() {
            let byte = u8::try_from(number).expect("a byte") ^ MARK;
            assert_eq!(piece.is_empty(), byte == PLACE || (b'\t'..=b'\r').contains(&byte), "{byte}");
            if !piece.is_empty() {
                assert!(piece.len() > 1 && !piece.contains(['{', '}']), "{piece:?}");
                assert_eq!(length(piece), 1, "{piece:?} is there once");
            }
        }
    }

    #[test]
    fn a_line_of_many_is_a_text() {
        let lines = text!("one connection\nthe command\n");
        assert_eq!(
            [0, 1, 2].map(|number| lines.line(number)),
            [text!("one connection"), text!("the command"), Text::EMPTY]
        );
    }
}
