//! The program's own texts, packed: a piece that many of them have is one byte. They are nearly half as large that way, which
//! leaves room for code. Texts are packed by the compiler, and unpacked when a line is put together.
//!
//! ```text
//! 0            the place of a part, `{}` in the source
//! 1 to 127     itself: texts are ASCII
//! 128 to 255   a piece, by its place in the list
//! ```

use super::bytes::line;

/// The pieces, one a line: those that save most in the texts as they were when the list was made. Any others would do.
const PIECES: &str = "\
\x20a \n byte\n end\n is \n of \n or \n th\n the \n's \n, \n, and \n--\n--token-\n: \n; \nHTTP/1.\nK8PSH_\na \nac\n\
ad\nain\nal\nall\nan \nand \nans\nare \nargument\nat \nbe\ncannot \nce\nch \nco\ncommand\ncommand \ncon\n\
connection\nd \nde\ndefault\ndirec\ndirectory\ne \ned\ned \nen\ner\ner \nere \nes \nex\nexecutable\nfi\nfigurati\n\
file \nfor \nhas \nhe\nin\nin \ning \nion\nirectory\nis \nit\nit \nits \nk8psh\nle\nli\nlo\nlong\nma\nme\nname\nne\n\
no\nno \nnot \no \nof \non\non \none\nonnection\nor\nor \nore th\nout\now\npor\nport \npro\nprogram\nr \nre\nrun\n\
s \nse\nsection \nserver\nserver \nss\nst\nst \nstub\nstubs \nt \nte\nth\nthe \nther\nthere \ntion\ntoken\ntoo\ntr\n\
trigg\nun\nvariabl\nve \nver\nwa\nwh\nwith\nwor\ny ";

/// How many pieces there are at the most: one for each byte that is not ASCII.
const MOST: usize = 128;

/// A part's place in a packed text, and in one that is not.
const PLACE: u8 = 0;
const UNPACKED_PLACE: &[u8] = b"{}";

/// A packed text: what [`crate::text!`] makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text(&'static [u8]);

/// A byte of a text, unpacked.
pub(super) enum Unpacked {
    /// Characters.
    Characters(&'static [u8]),
    /// The place of a part.
    Place,
}

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

    /// What it consists of.
    pub(super) fn unpacked(self) -> impl Iterator<Item = Unpacked> {
        self.0.iter().map(|byte| match *byte {
            PLACE => Unpacked::Place,
            128.. => Unpacked::Characters(line(PIECES.as_bytes(), usize::from(byte & 0x7f))),
            _ => Unpacked::Characters(core::slice::from_ref(byte)),
        })
    }
}

/// Packs a text, which has to be a constant, with `{}` in the places of its parts.
#[macro_export]
macro_rules! text {
    ($text:expr) => {{
        const SOURCE: &str = $text;
        const PACKED: [u8; $crate::text::packed::length(SOURCE)] = $crate::text::packed::pack("", SOURCE);
        $crate::text::packed::Text::new(&PACKED)
    }};
}

/// How many bytes a text has once it is packed.
///
/// # Panics
/// Where the text is not ASCII, or has a NUL.
#[must_use]
pub const fn length(text: &str) -> usize {
    let (mut at, mut length) = (0, 0);
    while at < text.len() {
        at += next(text.as_bytes(), at).1;
        length += 1;
    }
    length
}

/// Packs a text into as many bytes as [`length`] tells, behind something that stays as it is.
///
/// # Panics
/// As [`length`] does.
#[must_use]
pub const fn pack<const LENGTH: usize>(before: &str, text: &str) -> [u8; LENGTH] {
    let mut packed = [0; LENGTH];
    packed.split_at_mut(before.len()).0.copy_from_slice(before.as_bytes());
    let (mut at, mut length) = (0, before.len());
    while at < text.len() {
        let (byte, count) = next(text.as_bytes(), at);
        packed[length] = byte;
        at += count;
        length += 1;
    }
    packed
}

/// The byte that a text goes on with when it is packed, and for how many of its own that stands: as many as possible.
const fn next(text: &[u8], at: usize) -> (u8, usize) {
    if begins_with(text, at, UNPACKED_PLACE, 0, UNPACKED_PLACE.len()) {
        return (PLACE, UNPACKED_PLACE.len());
    }
    assert!(text[at] != PLACE && text[at].is_ascii(), "a text is ASCII, without NUL");
    let (mut byte, mut most) = (text[at], 1);
    let mut piece = 0_u8;
    while (piece as usize) < MOST {
        let (start, end) = (STARTS[piece as usize], STARTS[piece as usize + 1]);
        let length = end - start - 1;
        if length > most && begins_with(text, at, PIECES.as_bytes(), start, length) {
            (byte, most) = (128 + piece, length);
        }
        piece += 1;
    }
    (byte, most)
}

/// Where each piece begins in the list, and where one behind the last would. For the compiler alone.
const STARTS: [usize; MOST + 1] = {
    let mut starts = [0; MOST + 1];
    let (mut at, mut piece) = (0, 1);
    while at < PIECES.len() {
        if PIECES.as_bytes()[at] == b'\n' {
            starts[piece] = at + 1;
            piece += 1;
        }
        at += 1;
    }
    assert!(piece == MOST, "there is a piece for each byte");
    starts[piece] = PIECES.len() + 1;
    starts
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
        assert_eq!(pack::<4>("(", "connection{}~")[2..], [PLACE, b'~']);
        let pieces: Vec<_> = PIECES.split('\n').collect();
        assert_eq!(pieces.len(), MOST);
        for piece in pieces {
            assert!(piece.len() > 1 && !piece.contains(['{', '}']), "{piece:?}");
            assert_eq!(length(piece), 1, "{piece:?} is there once");
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
