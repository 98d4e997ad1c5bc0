//! What the kernel hands to a new program on its stack: arguments, environment, and the path it was started by
//! (System V ABI, "Process Initialization"; `fs/binfmt_elf.c`).

use core::ffi::{CStr, c_char};

/// A list of strings that ends with a null pointer, as argv and envp are.
#[derive(Clone, Copy)]
pub struct Strings {
    next: *const *const c_char,
}

impl Strings {
    /// No strings.
    pub const NONE: Strings = Strings { next: (&raw const END).cast() };
}

/// The end of a list.
static END: usize = 0;

impl Iterator for Strings {
    type Item = &'static CStr;

    fn next(&mut self) -> Option<&'static CStr> {
        // SAFETY: the list is one of the kernel's, which `Program::new` was given and which are valid and unchanged for
        // the life of the process, or it is `NONE`. Both end with a null pointer, and this never steps beyond that.
        unsafe {
            let string = *self.next;
            if string.is_null() {
                return None;
            }
            self.next = self.next.add(1);
            Some(CStr::from_ptr(string))
        }
    }
}

/// The value in an entry `NAME=value`, if it has this name.
fn value_of<'e>(entry: &'e CStr, name: &[u8]) -> Option<&'e [u8]> {
    entry.to_bytes().strip_prefix(name)?.strip_prefix(b"=")
}

/// The environment that this process was started with.
#[derive(Clone, Copy)]
pub struct Environment<'h> {
    entries: Strings,
    /// A variable that counts as not set.
    hidden: Option<&'h CStr>,
}

impl<'h> Environment<'h> {
    /// All entries.
    pub fn entries(&self) -> impl Iterator<Item = &'static CStr> + use<'h> {
        let hidden = self.hidden;
        self.entries.filter(move |entry| hidden.is_none_or(|hidden| value_of(entry, hidden.to_bytes()).is_none()))
    }

    /// The whole `NAME=value` entry of a variable.
    pub fn entry(&self, name: &[u8]) -> Option<&'static CStr> {
        if self.hidden.is_some_and(|hidden| hidden.to_bytes() == name) {
            return None;
        }
        self.entries.into_iter().find(|entry| value_of(entry, name).is_some())
    }

    /// The value of a variable.
    pub fn get(&self, name: &[u8]) -> Option<&'static [u8]> {
        value_of(self.entry(name)?, name)
    }

    /// An environment without any variable.
    #[cfg(test)]
    pub(crate) fn empty() -> Environment<'static> {
        Environment { entries: Strings::NONE, hidden: None }
    }

    /// The same without the variable `hidden`, whose value is secret.
    pub fn without<'n>(self, hidden: Option<&'n CStr>) -> Environment<'n> {
        Environment { entries: self.entries, hidden }
    }
}

/// How this program was started.
pub struct Program {
    /// The arguments, the program's name first.
    pub arguments: Strings,
    /// The environment.
    pub environment: Environment<'static>,
    /// The path that was given to execve(2) (`AT_EXECFN`), if the kernel has passed it.
    pub path: Option<&'static CStr>,
}

impl Program {
    /// Reads the stack as the kernel laid it out.
    ///
    /// # Safety
    /// `stack` is the stack pointer that the process was entered with, and no byte at that address or above has been
    /// changed since.
    pub unsafe fn new(stack: *const usize) -> Program {
        // SAFETY: the ABI puts argc here, then argv and a null, then envp and a null, then pairs that end with AT_NULL.
        unsafe {
            let argc = *stack;
            let arguments = stack.add(1);
            let environment = arguments.add(argc + 1);
            let mut after = environment;
            while *after != 0 {
                after = after.add(1);
            }
            Program {
                arguments: Strings { next: arguments.cast() },
                environment: Environment { entries: Strings { next: environment.cast() }, hidden: None },
                path: started_path(after.add(1)),
            }
        }
    }
}

/// The path in the auxiliary vector (getauxval(3)).
///
/// # Safety
/// `pairs` points to the kernel's auxiliary vector, which ends with `AT_NULL`.
unsafe fn started_path(mut pairs: *const usize) -> Option<&'static CStr> {
    // SAFETY: the caller's promise; the value of AT_EXECFN is the address of a string above the stack, which stays there.
    unsafe {
        loop {
            match *pairs {
                0 => return None,
                kind if kind as libc::c_ulong == libc::AT_EXECFN => {
                    return Some(CStr::from_ptr(*pairs.add(1) as *const c_char));
                }
                _ => pairs = pairs.add(2),
            }
        }
    }
}
