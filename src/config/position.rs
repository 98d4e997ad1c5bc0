//! Offsets in a source as lines and columns.

/// An offset in a source whose line is known. The next one is found from there, so that telling of many places in the
/// order of the file reads it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    at: usize,
    /// How many lines there are above.
    above: usize,
    /// Where its line begins.
    line_start: usize,
}

impl Mark {
    /// The beginning of a source.
    pub(super) const START: Mark = Mark { at: 0, above: 0, line_start: 0 };

    /// The mark at another offset of the same source; at the source's end for one beyond it.
    #[must_use]
    pub(super) fn moved_to(self, at: usize, source: &[u8]) -> Mark {
        let at = at.min(source.len());
        if at < self.line_start { self.above_at(at, source) } else { self.below_at(at, source) }
    }

    /// At an offset of this line or one below.
    fn below_at(self, at: usize, source: &[u8]) -> Mark {
        let mut mark = Mark { at, ..self };
        for (offset, byte) in source.iter().enumerate().take(at).skip(self.at) {
            if *byte == b'\n' {
                mark.above += 1;
                mark.line_start = offset + 1;
            }
        }
        mark
    }

    /// At an offset of a line above.
    fn above_at(self, at: usize, source: &[u8]) -> Mark {
        let is_end = |byte: &&u8| **byte == b'\n';
        let passed = source.iter().take(self.line_start).skip(at).filter(is_end).count();
        let line = source.iter().take(at).rev().take_while(|byte| !is_end(byte)).count();
        Mark { at, above: self.above - passed, line_start: at - line }
    }

    /// Its line, from 1.
    pub(super) fn line(self) -> usize {
        self.above + 1
    }

    /// Its column, from 1. It counts bytes: no encoding is assumed.
    pub(super) fn column(self) -> usize {
        self.at - self.line_start + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &[u8] = b"ab\n\ncd\r\n";
    const EXPECTED: [(usize, usize); 9] = [(1, 1), (1, 2), (1, 3), (2, 1), (3, 1), (3, 2), (3, 3), (3, 4), (4, 1)];

    #[test]
    fn lines_and_columns_count_from_one() {
        for (at, expected) in EXPECTED.into_iter().enumerate() {
            let mark = Mark::START.moved_to(at, SOURCE);
            assert_eq!((mark.line(), mark.column()), expected, "offset {at}");
        }
        assert_eq!(Mark::START.moved_to(1000, SOURCE), Mark::START.moved_to(SOURCE.len(), SOURCE));
    }

    #[test]
    fn a_mark_is_the_same_wherever_it_came_from() {
        for from in 0..EXPECTED.len() {
            for to in 0..EXPECTED.len() {
                let direct = Mark::START.moved_to(to, SOURCE);
                assert_eq!(Mark::START.moved_to(from, SOURCE).moved_to(to, SOURCE), direct, "{from} to {to}");
            }
        }
    }
}
