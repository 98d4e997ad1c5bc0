//! memcpy and its family, which the compiler calls and core does not supply on this target.
//!
//! The loops go through volatile or `asm!`, or the compiler would recognise them and call the very function it compiles.

/// Copies forwards (memcpy(3)).
///
/// # Safety
/// Both areas are valid for `count` bytes; they do not overlap, or `to` is below `from`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe { copy_forwards(to, from, count) };
    to
}

/// Copies areas that may overlap (memmove(3)).
///
/// # Safety
/// Both areas are valid for `count` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: forwards is right unless `to` lies within the source; the distance is taken modulo the address space, so
    // one comparison covers both cases.
    unsafe {
        if (to as usize).wrapping_sub(from as usize) >= count {
            copy_forwards(to, from, count);
        } else {
            let mut left = count;
            while left > 0 {
                left -= 1;
                to.add(left).write_volatile(from.add(left).read());
            }
        }
    }
    to
}

/// Fills an area (memset(3)).
///
/// # Safety
/// The area is valid for `count` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, count: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe { fill(to, byte.to_le_bytes()[0], count) };
    to
}

/// Compares two areas (memcmp(3)).
///
/// # Safety
/// Both areas are valid for `count` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(one: *const u8, other: *const u8, count: usize) -> i32 {
    let mut at = 0;
    while at < count {
        // SAFETY: the caller's promise, and `at` is below `count`.
        let (a, b) = unsafe { (one.add(at).read_volatile(), other.add(at).read_volatile()) };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
        at += 1;
    }
    0
}

/// Whether two areas differ: what the compiler calls for a comparison of slices.
///
/// # Safety
/// As for [`memcmp`].
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(one: *const u8, other: *const u8, count: usize) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { memcmp(one, other, count) }
}

/// The length of a string (strlen(3)), which `CStr::from_ptr` calls.
///
/// # Safety
/// A NUL follows within the area that `string` points into.
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(string: *const u8) -> usize {
    let mut length = 0;
    // SAFETY: the caller's promise; nothing behind the NUL is read.
    while unsafe { string.add(length).read_volatile() } != 0 {
        length += 1;
    }
    length
}

/// Unoptimised parts of core name it; nothing unwinds, so nothing calls it.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// The string instructions: one micro-coded loop that moves whole cache lines on every processor of the last decade.
#[cfg(target_arch = "x86_64")]
unsafe fn copy_forwards(to: *mut u8, from: *const u8, count: usize) {
    // SAFETY: the caller's promise; the ABI keeps the direction flag clear.
    unsafe {
        core::arch::asm!(
            "rep movsb",
            inout("rcx") count => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags),
        );
    }
}

/// See [`copy_forwards`].
#[cfg(target_arch = "x86_64")]
unsafe fn fill(to: *mut u8, byte: u8, count: usize) {
    // SAFETY: the caller's promise; the ABI keeps the direction flag clear.
    unsafe {
        core::arch::asm!(
            "rep stosb",
            inout("rcx") count => _, inout("rdi") to => _, in("al") byte,
            options(nostack, preserves_flags),
        );
    }
}

/// Pairs of registers at a time, then the rest by bytes.
#[cfg(target_arch = "aarch64")]
unsafe fn copy_forwards(to: *mut u8, from: *const u8, count: usize) {
    // SAFETY: the caller's promise; unaligned access is allowed on normal memory.
    unsafe {
        core::arch::asm!(
            "2: cmp {n}, #16",
            "b.lo 3f",
            "ldp {a}, {b}, [{from}], #16",
            "stp {a}, {b}, [{to}], #16",
            "sub {n}, {n}, #16",
            "b 2b",
            "3: cbz {n}, 4f",
            "ldrb {a:w}, [{from}], #1",
            "strb {a:w}, [{to}], #1",
            "sub {n}, {n}, #1",
            "b 3b",
            "4:",
            n = inout(reg) count => _, to = inout(reg) to => _, from = inout(reg) from => _,
            a = out(reg) _, b = out(reg) _,
            options(nostack),
        );
    }
}

/// A word at a time where both areas allow it, since not every processor reads words at odd addresses; else by bytes.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe fn copy_forwards(to: *mut u8, from: *const u8, count: usize) {
    const WORD: usize = size_of::<usize>();
    let mut at = 0;
    // SAFETY: the caller's promise, and every access ends at `count` or before. Words are accessed at multiples of their
    // size; areas that overlap are then whole words apart.
    unsafe {
        if ((to as usize) ^ (from as usize)).is_multiple_of(WORD) {
            while at < count && !(to as usize).wrapping_add(at).is_multiple_of(WORD) {
                to.add(at).write_volatile(from.add(at).read());
                at += 1;
            }
            while count - at >= WORD {
                to.add(at).cast::<usize>().write_volatile(from.add(at).cast::<usize>().read());
                at += WORD;
            }
        }
        while at < count {
            to.add(at).write_volatile(from.add(at).read());
            at += 1;
        }
    }
}

/// Byte by byte; the compiler fills only small things at run time, statics begin as zero.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn fill(to: *mut u8, byte: u8, count: usize) {
    let mut at = 0;
    while at < count {
        // SAFETY: the caller's promise, and `at` is below `count`.
        unsafe { to.add(at).write_volatile(byte) };
        at += 1;
    }
}
