//! Lists of strings as execve(2) takes them: arguments and environment.

use crate::limits;
use core::ffi::{CStr, c_char};
use core::marker::PhantomData;

/// Room for the pointers of one list of strings: those of a request, of the command's own, and the slots around them.
pub struct Pointers([*const c_char; limits::REQUEST_STRINGS + limits::CONFIG_WORDS + 3]);

impl Pointers {
    /// None yet.
    pub const EMPTY: Pointers = Pointers([core::ptr::null(); limits::REQUEST_STRINGS + limits::CONFIG_WORDS + 3]);
}

/// A list of strings as execve(2) takes it.
///
/// `pointers[0]` is kept free for an interpreter; the strings begin at 1, and a null pointer always follows them.
pub struct Vector<'s> {
    pointers: &'s mut [*const c_char],
    length: usize,
    strings: PhantomData<&'s CStr>,
}

impl<'s> Vector<'s> {
    /// An empty list.
    pub fn new(room: &'s mut Pointers) -> Vector<'s> {
        room.0[1] = core::ptr::null();
        Vector { pointers: &mut room.0, length: 0, strings: PhantomData }
    }

    /// A list of all these strings; `None` where there is no room for them.
    pub fn of(room: &'s mut Pointers, strings: &mut dyn Iterator<Item = &'s CStr>) -> Option<Vector<'s>> {
        let mut list = Vector::new(room);
        for string in strings {
            if !list.push(string) {
                return None;
            }
        }
        Some(list)
    }

    /// Adds a string at the end; false where there is no room.
    #[must_use]
    pub fn push(&mut self, string: &'s CStr) -> bool {
        let Some([place, end]) = self.pointers.get_mut(self.length + 1..).and_then(<[_]>::first_chunk_mut) else {
            return false;
        };
        (*place, *end) = (string.as_ptr(), core::ptr::null());
        self.length += 1;
        true
    }

    /// How many strings are in it.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The string at `index`, if there are as many.
    pub fn get(&self, index: usize) -> Option<&'s CStr> {
        let pointer = self.pointers.get(1..)?.get(..self.length)?.get(index)?;
        // SAFETY: `push` took the pointer from a string of this lifetime; a script's, which `as_script` puts there, is
        // written by a child that does not come back from execve to read it.
        Some(unsafe { CStr::from_ptr(*pointer) })
    }

    /// Takes away the string at `index`, of which there are as many.
    pub fn remove(&mut self, index: usize) {
        self.pointers.copy_within(index + 2..self.length + 2, index + 1);
        self.length -= 1;
    }

    /// The list for execve.
    pub(in crate::sys) fn as_ptr(&self) -> *const *const c_char {
        self.pointers[1..].as_ptr()
    }

    /// The list for execve with `interpreter` and `script` in the place of the first string.
    pub(in crate::sys) fn as_script(&mut self, interpreter: &CStr, script: &CStr) -> *const *const c_char {
        self.pointers[0] = interpreter.as_ptr();
        self.pointers[1] = script.as_ptr();
        self.pointers.as_ptr()
    }
}
