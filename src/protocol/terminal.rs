//! A caller's terminal as its stub describes it and the server makes another one like it. Only bytes: the calls are
//! `sys::terminal`'s.

use super::decoder::Chunk;
use crate::text::line::{Line, Part, Show};
use crate::text::number;

/// A terminal: what of the caller is on it, its size and its modes, in the processor's byte order: both ends of a session are
/// programs for the same one.
///
/// | bytes | content |
/// | ----- | ------- |
/// | 1     | flags: [`Terminal::ERROR`] and so on |
/// | 8     | rows, columns, width and height in pixels, 16 bits each: the kernel's `struct winsize` |
/// | 36    | input, output, control and local modes, 32 bits each, the line discipline and 19 special characters: the kernel's `struct termios` by its generic layout (`asm-generic/termbits.h`) |
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Terminal([u8; BYTES]);

/// What a command does with the keys of its terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd)]
pub enum Keys {
    /// Nothing: they are the caller's.
    #[default]
    None = 0,
    /// It reads once: what there is to read is its, a line where the terminal gives lines.
    Once = 1,
    /// It has set modes of its own, and takes them all.
    All = 2,
    /// The same, and its output is not to be processed.
    Verbatim = 3,
    /// [`Keys::All`] but those that make signals: these are for the whole job that the stub is a part of.
    AllButSignals = 4,
    /// [`Keys::Verbatim`] likewise.
    VerbatimButSignals = 5,
}

impl Keys {
    const ALL: [Keys; 6] =
        [Keys::None, Keys::Once, Keys::All, Keys::Verbatim, Keys::AllButSignals, Keys::VerbatimButSignals];

    /// Those of this number.
    pub fn of(number: u32) -> Option<Keys> {
        Keys::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// Those of a command with modes of its own.
    pub fn of_own_modes(is_verbatim: bool, leaves_signals: bool) -> Keys {
        match (is_verbatim, leaves_signals) {
            (false, false) => Keys::All,
            (true, false) => Keys::Verbatim,
            (false, true) => Keys::AllButSignals,
            (true, true) => Keys::VerbatimButSignals,
        }
    }

    /// Whether every key is the command's at once, unless it makes a signal.
    pub fn takes_all(self) -> bool {
        self >= Keys::All
    }

    /// Whether the command's output is not to be processed.
    pub fn is_verbatim(self) -> bool {
        matches!(self, Keys::Verbatim | Keys::VerbatimButSignals)
    }

    /// Whether the keys that make signals are for the whole job.
    pub fn leaves_signals(self) -> bool {
        self >= Keys::AllButSignals
    }
}

/// What has arrived of a change of a stub's terminal.
#[derive(Default, Hash)]
pub(super) struct Change {
    /// Its size in pixels, which comes ahead of its rows and columns.
    pub(super) pixels: u32,
    /// Its modes, as far as they have arrived.
    pub(super) modes: heapless::Vec<u8, MODES>,
}

impl Change {
    /// The size with these rows and columns.
    pub(super) fn size(&self, cells: u32) -> u64 {
        u64::from(self.pixels) << 32 | u64::from(cells)
    }

    /// Adds a part of the modes; true where it is the last.
    pub(super) fn add_modes(&mut self, chunk: &Chunk<'_>) -> bool {
        if chunk.first {
            self.modes.clear();
        }
        let _ = self.modes.extend_from_slice(chunk.bytes);
        chunk.last
    }
}

/// Bytes of a size.
const SIZE: usize = 8;

/// Bytes of the modes.
pub const MODES: usize = 36;

const BYTES: usize = 1 + SIZE + MODES;

impl Terminal {
    /// The caller's stderr is this terminal, too.
    pub const ERROR: u8 = 1;
    /// The caller is in its foreground.
    pub const FOREGROUND: u8 = 2;
    /// The caller's stdin is something else.
    pub const NO_INPUT: u8 = 4;
    /// The caller's stdout is something else.
    pub const NO_OUTPUT: u8 = 8;

    /// A terminal with these flags.
    pub fn new(flags: u8, size: u64, modes: &[u8; MODES]) -> Terminal {
        let mut bytes = [flags; BYTES];
        bytes[1..=SIZE].copy_from_slice(&size.to_le_bytes());
        bytes[1 + SIZE..].copy_from_slice(modes);
        Terminal(bytes)
    }

    /// Which of stdin, stdout and stderr are on it.
    pub fn streams(&self) -> [bool; 3] {
        [!self.has(Terminal::NO_INPUT), !self.has(Terminal::NO_OUTPUT), self.has(Terminal::ERROR)]
    }

    /// Whether one of the flags is set.
    pub fn has(&self, flag: u8) -> bool {
        self.0[0] & flag != 0
    }

    /// `struct winsize`, rows in the lowest 16 bits.
    pub fn size(&self) -> u64 {
        self.0[1..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    /// `struct termios`.
    pub fn modes(&self) -> &[u8; MODES] {
        self.0.last_chunk().unwrap_or(&[0; MODES])
    }

    /// The terminal that these digits stand for; `None` where they are something else.
    pub fn decode(digits: &[u8]) -> Option<Terminal> {
        if digits.len() != 2 * BYTES {
            return None;
        }
        let mut terminal = Terminal([0; BYTES]);
        for (byte, pair) in terminal.0.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = number::parse(pair, 16)?.to_le_bytes()[0];
        }
        Some(terminal)
    }
}

/// In hexadecimal.
impl Show for Terminal {
    fn show(&self, line: &mut Line) {
        for byte in &self.0 {
            Part::Hex(*byte).show(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line;

    #[test]
    fn a_terminal_is_read_as_it_was_written() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..1000 {
            let mut terminal = Terminal([0; BYTES]);
            random.fill(&mut terminal.0);
            assert_eq!(Terminal::decode(line!("{}", terminal).bytes()).as_ref(), Some(&terminal));
            let flags = [1, 2, 4, 8, 16, 32, 64, 128].into_iter().filter(|flag| terminal.has(*flag)).sum();
            assert_eq!(Terminal::new(flags, terminal.size(), terminal.modes()), terminal);
        }
    }

    #[test]
    fn nothing_else_is_a_terminal() {
        let mut digits = line!("{}", Terminal::new(1, 2, &[3; MODES])).bytes().to_vec();
        assert!(Terminal::decode(&digits).is_some());
        assert_eq!(Terminal::decode(&digits[1..]), None);
        digits.push(b'0');
        assert_eq!(Terminal::decode(&digits), None);
        digits.pop();
        digits[40] = b'g';
        assert_eq!(Terminal::decode(&digits), None);
    }

    #[test]
    fn what_of_the_caller_is_on_its_terminal_is_in_the_flags() {
        for (flags, streams) in [
            (0, [true, true, false]),
            (Terminal::ERROR, [true, true, true]),
            (Terminal::NO_INPUT, [false, true, false]),
            (Terminal::NO_OUTPUT | Terminal::ERROR, [true, false, true]),
        ] {
            assert_eq!(Terminal::new(flags, 0, &[0; MODES]).streams(), streams);
        }
    }
}
