//! Statics that can be written to. The program has no allocator: its buffers are statics, each of which one owner takes
//! for good.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use rustix::io::Result;
use rustix::mm::{MapFlags, ProtFlags};

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

/// Numbers, 0 at first, in memory that this process shares with its future children (mmap(2)). A page of it is allocated
/// when it is touched.
pub fn shared<const COUNT: usize>() -> Result<&'static [AtomicI32; COUNT]> {
    let length = size_of::<[AtomicI32; COUNT]>();
    // SAFETY: the kernel chooses an address range where nothing is mapped. The memory is `length` bytes long, aligned to
    // a page, all zero, which is a valid `AtomicI32`, and never unmapped.
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
