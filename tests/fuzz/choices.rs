//! An input as a row of choices. At its end every choice is 0.

/// What is left of an input.
pub(crate) struct Choices<'i> {
    rest: &'i [u8],
}

impl<'i> Choices<'i> {
    pub(crate) fn of(input: &'i [u8]) -> Choices<'i> {
        Choices { rest: input }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *byte
    }

    /// A number below `count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count.max(1)
    }

    /// The next bytes, of which the first says how many.
    pub(crate) fn text(&mut self, most: usize) -> &'i [u8] {
        let count = self.below(most + 1).min(self.rest.len());
        let (text, rest) = self.rest.split_at(count);
        self.rest = rest;
        text
    }

    /// Everything that is left.
    pub(crate) fn rest(&mut self) -> &'i [u8] {
        std::mem::take(&mut self.rest)
    }
}
