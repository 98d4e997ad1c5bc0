//! Statics that are written to. The program has no allocator: its buffers are statics that one owner takes for good.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use rustix::io::Result;
use rustix::mm::{Advice, MapFlags, ProtFlags};

/// A static value that is handed out once, for the rest of the process's life.
pub struct StaticCell<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `take` gives out the value at most once, so no two threads ever hold it; the flag is atomic.
unsafe impl<T> Sync for StaticCell<T> {}

impl<T> StaticCell<T> {
    /// A place with this value. One that is all zero takes no room in the file and no memory until it is touched.
    pub const fn new(value: T) -> Self {
        StaticCell { taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// The value.
    ///
    /// # Panics
    /// When it has been taken before: a mistake in the program, which no input can bring about.
    #[allow(clippy::mut_from_ref, reason = "the flag sees to it that there is one reference")]
    pub fn take(&'static self) -> &'static mut T {
        take_once(&self.taken);
        // SAFETY: the flag was clear, and is never cleared again, so this is the only reference there will ever be.
        unsafe { &mut *self.value.get() }
    }
}

/// Notes that something was taken.
fn take_once(taken: &AtomicBool) {
    assert!(!taken.swap(true, Ordering::Relaxed), "a place is taken once");
}

/// Numbers, 0 at first, in memory that this process shares with the children that it will have (mmap(2)). A page of them
/// is taken when it is touched.
pub fn shared<const COUNT: usize>() -> Result<&'static [AtomicI32; COUNT]> {
    let length = size_of::<[AtomicI32; COUNT]>();
    // SAFETY: the kernel chooses a place where nothing is. The memory is zero, which is a number, aligned to a page, and
    // never unmapped.
    unsafe {
        let place = rustix::mm::mmap_anonymous(
            core::ptr::null_mut(),
            length,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED,
        )?;
        Ok(&*place.cast())
    }
}

/// Makes all of a static buffer zero again. Its whole pages go back to the kernel (madvise(2)), so that one that was hardly
/// used costs no more memory than before.
pub fn wipe(bytes: &mut [u8]) {
    // The sizes of pages that there are.
    for page in [4 << 10, 64 << 10] {
        let start = bytes.as_ptr().align_offset(page).min(bytes.len());
        let length = (bytes.len() - start) / page * page;
        let whole = bytes[start..start + length].as_mut_ptr().cast();
        // SAFETY: the pages are within the buffer, which is borrowed, and any bytes that the kernel leaves are bytes. They are
        // those of no file: a static that is zero at first is not in the program's.
        if length > 0 && unsafe { rustix::mm::madvise(whole, length, Advice::LinuxDontNeed) }.is_ok() {
            bytes[..start].fill(0);
            return bytes[start + length..].fill(0);
        }
    }
    bytes.fill(0);
}

/// A static value that is set while the program starts and read afterwards.
pub struct Global<T: Copy> {
    value: UnsafeCell<T>,
}

// SAFETY: the program has one thread; tests, which have many, only read.
unsafe impl<T: Copy> Sync for Global<T> {}

impl<T: Copy> Global<T> {
    /// A setting with this value until it is set.
    pub const fn new(value: T) -> Self {
        Global { value: UnsafeCell::new(value) }
    }

    /// The value.
    pub fn get(&self) -> T {
        // SAFETY: no reference to the value exists beyond `get` and `set`, and neither runs while the other does.
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
