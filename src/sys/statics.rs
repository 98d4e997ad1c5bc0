//! Statics that are written to. The program has no allocator: its buffers are statics that one owner takes for good.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, AtomicI32, Ordering, fence};
use rustix::io::Result;
use rustix::mm::{MapFlags, ProtFlags};

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
    let place = map(size_of::<[AtomicI32; COUNT]>())?;
    // SAFETY: the memory is zero, which is a number, aligned to a page, as long as this, and never unmapped.
    Ok(unsafe { &*place.cast() })
}

/// The same with cells, of which none has a value at first.
pub fn shared_cells<T: Copy, const COUNT: usize>() -> Result<&'static [SharedCell<T>; COUNT]> {
    let place = map(size_of::<[SharedCell<T>; COUNT]>())?;
    // SAFETY: as above; zero is a cell without a value.
    Ok(unsafe { &*place.cast() })
}

/// Maps so much memory that this process shares with its children.
fn map(length: usize) -> Result<*mut core::ffi::c_void> {
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: the kernel chooses a place where nothing is.
    unsafe { rustix::mm::mmap_anonymous(core::ptr::null_mut(), length, protection, MapFlags::SHARED) }
}

/// A value in memory that processes share: one of them writes it, the others read it, and none waits for another.
pub struct SharedCell<T: Copy> {
    /// How often it was written, twice: odd while it is being written, 0 where it never was.
    version: AtomicI32,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: what a reader gets was copied while nobody wrote, or is dropped.
unsafe impl<T: Copy> Sync for SharedCell<T> {}

impl<T: Copy> SharedCell<T> {
    /// Writes the value. Only one process does, at any time.
    pub fn store(&self, value: T) {
        // One that was killed while it wrote has left an odd number.
        let version = self.version.load(Ordering::Relaxed) | 1;
        self.version.store(version, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        // SAFETY: the place is this cell's own, and no reference to it exists: others copy it, and look at the version.
        unsafe { self.value.get().cast::<T>().copy_from_nonoverlapping(&raw const value, 1) };
        self.version.store(version.wrapping_add(1) & i32::MAX, Ordering::SeqCst);
    }

    /// The value; `None` where there is none, or where it was written meanwhile.
    pub fn load(&self) -> Option<T> {
        let version = self.version.load(Ordering::SeqCst);
        let mut value = MaybeUninit::uninit();
        // SAFETY: any bytes are a `MaybeUninit`.
        unsafe { (&raw mut value).copy_from_nonoverlapping(self.value.get(), 1) };
        fence(Ordering::SeqCst);
        let is_whole = version != 0 && version & 1 == 0 && self.version.load(Ordering::SeqCst) == version;
        // SAFETY: the version was even before and is the same still, so nobody wrote while it was copied.
        is_whole.then(|| unsafe { value.assume_init() })
    }
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
