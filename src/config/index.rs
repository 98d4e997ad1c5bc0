//! Things by their names: a hash table of fixed size, so that looking one up costs the same however many there are.

use heapless::Vec;

/// How many lists the things are divided among: with 4096 commands four to a list.
const LISTS: usize = 1024;

/// Finds numbered things by the hash of their names. Whether a thing has the name in question, its owner knows. All zero
/// while it is empty.
pub(super) struct Index<const ITEMS: usize> {
    /// The newest thing of each list: its number plus one, 0 for none.
    newest: [u16; LISTS],
    /// For each thing the one before it in its list, in the same form.
    older: Vec<u16, ITEMS>,
}

impl<const ITEMS: usize> Index<ITEMS> {
    /// One without anything.
    pub(super) const fn new() -> Self {
        const { assert!(ITEMS < u16::MAX as usize, "a number plus one fits into 16 bits") };
        Self { newest: [0; LISTS], older: Vec::new() }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        if !self.older.is_empty() {
            self.newest.fill(0);
            self.older.clear();
        }
    }

    /// Adds the thing with the next number. More than there is room for are not found.
    pub(super) fn add(&mut self, name: &[u8]) {
        let newest = &mut self.newest[hash(name) % LISTS];
        if self.older.push(*newest).is_ok() {
            *newest = u16::try_from(self.older.len()).unwrap_or(0);
        }
    }

    /// The numbers of those that may have this name, the newest first.
    pub(super) fn candidates(&self, name: &[u8]) -> impl Iterator<Item = usize> + '_ {
        let mut next = self.newest[hash(name) % LISTS];
        core::iter::from_fn(move || {
            let number = usize::from(next).checked_sub(1)?;
            next = *self.older.get(number)?;
            Some(number)
        })
    }
}

/// FNV-1a with 32 bits (RFC 9923).
pub(super) fn hash(name: &[u8]) -> usize {
    let hash = name.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    hash as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_among_the_candidates_for_its_name_newest_first() {
        let mut index = Index::<3000>::new();
        let name = |number: usize| format!("name-{}", number % 2000);
        for number in 0..3000 {
            index.add(name(number).as_bytes());
        }
        for number in 0..3000 {
            let found: Vec<usize, 64> = index.candidates(name(number).as_bytes()).collect();
            assert!(found.contains(&number) && found.windows(2).all(|pair| pair[0] > pair[1]), "{found:?}");
            assert!(found.len() < 20, "a list of {}", found.len());
        }
        index.clear();
        assert_eq!(index.candidates(b"name-7").count(), 0);
    }

    #[test]
    fn what_does_not_fit_is_not_found() {
        let mut index = Index::<1>::new();
        index.add(b"a");
        index.add(b"a");
        assert_eq!(index.candidates(b"a").collect::<Vec<_, 2>>(), [0]);
    }

    #[test]
    fn the_hash_is_the_one_of_the_standard() {
        assert_eq!(hash(b""), 0x811c_9dc5);
        assert_eq!(hash(b"a"), 0xe40c_292c);
        assert_eq!(hash(b"foobar"), 0xbf9c_f968);
    }
}
