//! Statics that can be written to. The program has no allocator: its buffers are statics, each of which one owner takes
//! for good.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering, fence};
use rustix::io::Result;
use rustix::mm::{Advice, MapFlags, ProtFlags};

/// A static value that is handed out once, for the rest of the process's life.
pub struct StaticCell<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `take` gives out the value at most once, as the flag is atomic, so two threads never have it. A value that is
// not `Send` is fine, too: it was made when the program was compiled, so no thread owns any part of it.
unsafe impl<T> Sync for StaticCell<T> {}

impl<T> StaticCell<T> {
    /// A cell with this value. One that is all zero takes no space in the file, and no memory until it is touched.
    pub const fn new(value: T) -> Self {
        StaticCell { taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// The value.
    ///
    /// # Panics
    /// If it has been taken before: a bug, which no input can cause.
    #[allow(clippy::mut_from_ref, reason = "the flag ensures that there is only one reference")]
    pub fn take(&'static self) -> &'static mut T {
        take_once(&self.taken);
        // SAFETY: the flag was clear, and is never cleared again, so this is the only reference there will ever be.
        unsafe { &mut *self.value.get() }
    }
}

/// Notes that something was taken.
fn take_once(taken: &AtomicBool) {
    assert!(!taken.swap(true, Ordering::Relaxed), "a static cell is taken once");
}

/// What can be in memory that processes share.
///
/// # Safety
/// All zero is a value of it, and it may be read and written by several processes at a time.
pub unsafe trait Shared: Sync {}

// SAFETY: atomic, and zero is a number. Where a processor has 32 bits, an `AtomicUsize` is 0 again at 2^32.
unsafe impl Shared for AtomicI32 {}
// SAFETY: as above.
unsafe impl Shared for AtomicUsize {}
// SAFETY: all zero, nobody has it and it never had a value; its own methods see to the rest.
unsafe impl<T: Copy> Shared for SharedCell<T> {}

/// Values, all zero at first, in memory that this process shares with its future children (mmap(2)). A page of it is
/// allocated when it is touched.
pub fn shared<T: Shared, const COUNT: usize>() -> Result<&'static [T; COUNT]> {
    let (length, protection) = (size_of::<[T; COUNT]>(), ProtFlags::READ | ProtFlags::WRITE);
    // SAFETY: the kernel chooses an address range where nothing is mapped. The memory is `length` bytes long, aligned to
    // a page, all zero, which is a valid `T`, and never unmapped.
    unsafe {
        let place = rustix::mm::mmap_anonymous(core::ptr::null_mut(), length, protection, MapFlags::SHARED)?;
        Ok(&*place.cast())
    }
}

/// A value in memory that processes share. One of them writes it, others read it, and none waits for another.
pub struct SharedCell<T> {
    /// How often the value was written, times two; odd while it is being written, 0 if it never was.
    version: AtomicI32,
    /// What the process that has the cell says; 0: none has it.
    mark: AtomicI32,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: a reader uses its copy of the value only if nobody wrote while it was made.
unsafe impl<T: Copy> Sync for SharedCell<T> {}

impl<T: Copy> SharedCell<T> {
    /// Takes the cell for this value, unless a process has it. It has this mark then.
    pub fn take(&self, value: &T, mark: i32) -> bool {
        if self.mark.compare_exchange(0, -1, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            return false;
        }
        // A process that was killed while it wrote has left an odd number.
        let version = self.version.load(Ordering::SeqCst) | 1;
        self.version.store(version, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        // SAFETY: only the process that has the cell writes, and there is no reference to the value: others copy it, and
        // look at the version.
        unsafe { self.value.get().cast::<T>().copy_from_nonoverlapping(value, 1) };
        self.version.store(version.wrapping_add(1) & i32::MAX, Ordering::SeqCst);
        self.set_mark(mark);
        true
    }

    /// Whether it ever had a value.
    pub fn was_taken(&self) -> bool {
        self.version.load(Ordering::SeqCst) != 0
    }

    /// The value; `None` if there is none, or if it was written meanwhile.
    pub fn load(&self) -> Option<T> {
        let version = self.version.load(Ordering::SeqCst);
        let mut value = MaybeUninit::uninit();
        // SAFETY: any bytes are a `MaybeUninit`.
        unsafe { (&raw mut value).copy_from_nonoverlapping(self.value.get(), 1) };
        fence(Ordering::SeqCst);
        let is_whole = version != 0 && version & 1 == 0 && self.version.load(Ordering::SeqCst) == version;
        // SAFETY: the version was even and has not changed, so this is a value that was written whole.
        is_whole.then(|| unsafe { value.assume_init() })
    }

    /// The mark: below 0 while the value is being written.
    pub fn mark(&self) -> i32 {
        self.mark.load(Ordering::SeqCst)
    }

    /// Changes the mark; 0 gives the cell back.
    pub fn set_mark(&self, mark: i32) {
        self.mark.store(mark, Ordering::SeqCst);
    }
}

/// Makes all of a static buffer zero again. Its whole pages go back to the kernel (madvise(2)), so that a buffer of which
/// little was used costs no more memory than before.
pub fn wipe(bytes: &mut [u8]) {
    // The page sizes of Linux, as far as these buffers have whole pages of them.
    let mut page = 4 << 10;
    while page <= 64 << 10 {
        // To the next page.
        let start = (bytes.as_ptr().addr().wrapping_neg() % page).min(bytes.len());
        let length = (bytes.len() - start) / page * page;
        let whole = bytes[start..start + length].as_mut_ptr().cast();
        // SAFETY: the pages are within the buffer, which is borrowed mutably, and their new bytes are valid whatever they
        // are. They are zero: a static that is zero at first is not backed by the program's file.
        if length > 0 && unsafe { rustix::mm::madvise(whole, length, Advice::LinuxDontNeed) }.is_ok() {
            bytes[..start].fill(0);
            return bytes[start + length..].fill(0);
        }
        page *= 4;
    }
    bytes.fill(0);
}

/// A static value that is set while a process starts and read afterwards.
pub struct Global<T: Copy> {
    value: UnsafeCell<T>,
}

// SAFETY: the program has one thread; tests, which have many, only read.
unsafe impl<T: Copy> Sync for Global<T> {}

impl<T: Copy> Global<T> {
    /// A global with this value until it is set.
    pub const fn new(value: T) -> Self {
        Global { value: UnsafeCell::new(value) }
    }

    /// The value.
    pub fn get(&self) -> T {
        // SAFETY: no reference to the value exists outside of `get` and `set`, and with one thread and no signal handlers
        // neither runs while the other does.
        unsafe { *self.value.get() }
    }

    /// Sets the value.
    pub fn set(&self, value: T) {
        // SAFETY: as in `get`.
        unsafe { *self.value.get() = value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_wiped_wherever_it_begins_and_ends() {
        static BUFFER: StaticCell<[u8; 300_000]> = StaticCell::new([0; 300_000]);
        let buffer = BUFFER.take();
        for part in [0..300_000, 1..299_999, 5000..5001, 4095..140_000, 7..4100, 200_000..200_000] {
            buffer.fill(1);
            wipe(&mut buffer[part.clone()]);
            assert!(buffer[part.clone()].iter().all(|byte| *byte == 0), "{part:?}");
            let wiped = buffer.iter().filter(|byte| **byte == 0).count();
            assert_eq!(wiped, part.len(), "what is beside it stays");
        }
    }
}
